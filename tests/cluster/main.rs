//! Breaks a cluster under load: three nodes of Galera, HAProxy and two replicas of the service, configured as
//! in `deploy/`. Afterwards it compares what the clients were told with the rows of all three nodes.
//! `just test-cluster` runs all faults, `--ci` two of them.
//!
//! The load and the ledger are those of `tests/faults`. The nodes have network namespaces of their own,
//! which takes root.

#![expect(clippy::unwrap_used, reason = "the run fails by panicking")]

#[path = "../faults/client.rs"]
mod client;
#[path = "../faults/ledger.rs"]
#[expect(dead_code, reason = "tests/faults uses the rest")]
mod ledger;
#[path = "../faults/load.rs"]
mod load;
#[path = "../faults/processes.rs"]
#[expect(dead_code, reason = "tests/faults uses the rest")]
mod processes;
#[path = "../faults/samples.rs"]
#[expect(dead_code, reason = "tests/faults uses the rest")]
mod samples;

mod binlogs;
mod cluster;
mod comparison;
mod faults;
mod network;
mod node;
mod reads;
mod scene;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use cluster::Cluster;
use faults::Fault;
use load::Worker;
use processes::Root;
use samples::Origin;
use scene::Scene;

/// The faults of a full run, in this order. Eleven of them are `kill -9`.
const FAULTS: &[Fault] = &[
    Fault::KillNode,
    Fault::KillWriter,
    Fault::KillReplica,
    Fault::CutNode,
    Fault::CutWriter,
    Fault::StopNode,
    Fault::StopWriter,
    Fault::LoseNode,
    Fault::KillWriter,
    Fault::KillReplica,
    Fault::KillNode,
    Fault::KillWriter,
    Fault::CutWriter,
    Fault::KillReplica,
    Fault::KillNode,
    Fault::KillWriter,
];
/// The faults that CI runs.
const CI_FAULTS: &[Fault] = &[Fault::KillWriter, Fault::KillReplica];
/// Those of a run with two writers: each replica keeps its node.
const FAULTS_OF_TWO_WRITERS: &[Fault] = &[Fault::KillReplica, Fault::KillReplica];
/// The load before the first fault, and after each.
const CALM: Duration = Duration::from_secs(3);
/// The clients that repeat their requests with an `Idempotency-Key`, beside those of `load`.
const CLIENTS_WITH_KEYS: usize = 2;
/// Set in the process that has a network namespace of its own.
const HAS_NETWORK: &str = "ECOMMERCE_TEST_CLUSTER_NETWORK";

/// Breaks a cluster under load, and compares what the clients were told with the rows of all nodes.
#[derive(Parser)]
struct Arguments {
    /// Only the two faults that CI runs
    #[arg(long)]
    ci: bool,
    /// Each replica uses a node of its own, and only replicas are killed
    #[arg(long, conflicts_with_all = ["ci", "faults"])]
    two_writers: bool,
    /// Without any fault, measure what reads cost that wait until their node has applied all transactions
    #[arg(long)]
    measure_reads: bool,
    /// Only these faults, in this order
    faults: Vec<Fault>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if std::env::var_os(HAS_NETWORK).is_none() {
        let error = std::process::Command::new("unshare")
            .args(["--net", "--"])
            .args(std::env::args_os())
            .env(HAS_NETWORK, "yes")
            .exec();
        eprintln!("unshare does not start: {error}");
        return ExitCode::FAILURE;
    }
    let faults = match &*arguments.faults {
        _ if arguments.ci => CI_FAULTS,
        _ if arguments.two_writers => FAULTS_OF_TWO_WRITERS,
        [] => FAULTS,
        some => some,
    };
    // Without a backtrace.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    // One thread: the kernel kills the child processes at the end of the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tasks = LocalSet::new();
    if arguments.measure_reads {
        runtime.block_on(tasks.run_until(measure_reads()));
        return ExitCode::SUCCESS;
    }
    let problems = runtime.block_on(tasks.run_until(run(faults, arguments.two_writers)));
    for problem in &problems {
        println!("FAILED: {problem}");
    }
    // The line of the standard harness, which other tools read.
    let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
    println!("test cluster ... {verdict}");
    if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        // As the standard harness.
        ExitCode::from(101)
    }
}

/// Runs the load and the faults; what was wrong.
async fn run(faults: &[Fault], has_two_writers: bool) -> Vec<String> {
    let root = Root::create().await;
    binlogs::check_explanations();
    let mut cluster = Cluster::start(&root, has_two_writers).await;
    let scene = Scene::build(&cluster).await;
    let mut clients = load::start(&scene);
    clients.extend((0..CLIENTS_WITH_KEYS).map(|_| spawn_local(with_keys(Rc::clone(&scene)))));
    clients.push(spawn_local(scene::observe(Rc::clone(&scene))));
    sleep(CALM).await;
    let mut problems = vec![];
    for (index, fault) in faults.iter().enumerate() {
        print!("[{}/{}] {}", index + 1, faults.len(), fault.title());
        match fault.inflict(&mut cluster, &scene).await {
            Ok(()) => sleep(CALM).await,
            Err(problem) => {
                println!(" FAILED");
                problems.push(format!("{}: {problem}", fault.title()));
                break;
            }
        }
    }
    scene.is_over.set(true);
    for client in clients {
        client.await.unwrap();
    }
    cluster.stop_replicas().await;
    problems.extend(comparison::compare(&cluster, &scene).await);
    if !problems.is_empty() {
        problems.push(cluster.logs());
        if let Some(directory) = std::env::var_os("KEEP") {
            let from = root.directory.join(".");
            processes::run(
                processes::command("cp")
                    .arg("-r")
                    .args([from, directory.into()]),
            )
            .await;
        }
    }
    problems
}

async fn measure_reads() {
    let root = Root::create().await;
    let cluster = Cluster::start(&root, false).await;
    let scene = Scene::build(&cluster).await;
    reads::measure(&cluster, &scene).await;
}

/// A client that repeats each request with its key until it has a response, through any replica.
async fn with_keys(scene: Rc<Scene>) {
    let mut worker = Worker::new(&scene, Origin::Load);
    for number in 0.. {
        if scene.is_over.get() {
            break;
        }
        worker.create_with_key(number).await;
        sleep(Duration::from_millis(30)).await;
    }
}

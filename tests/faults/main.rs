//! Breaks the database, the network and the service under a mixed load, and compares what the clients
//! were told with what the database has. `just faults` runs all rows, one after another, since each
//! measures times; CI runs those that are marked for it.
//!
//! The service is the program itself, a child process, and the database a real MariaDB behind a proxy.
//! Without the standard harness, which would run the rows concurrently and print no table.

#![expect(clippy::unwrap_used, reason = "a row fails by panicking")]

mod client;
mod faults;
mod ledger;
mod load;
mod processes;
mod proxy;
mod report;
mod samples;
mod scene;
mod soak;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use ecommerce_api::deadlines;
use futures_util::FutureExt;
use rustix::process::Signal;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use faults::{ROWS, Row};
use processes::Root;
use report::{Period, Report};
use scene::{Options, Scene};

/// The deadline of a request.
const DEADLINE: Duration = deadlines::Limits::DEFAULT.operation;
/// The load before the fault, and after it, longer than the time in which the service must recover.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(4);
/// How long a row may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Breaks the database, the network and the service, and prints a table of what happened.
#[derive(Parser)]
struct Arguments {
    /// The rows to run: those whose names contain one of these texts. By default all
    names: Vec<String>,
    /// Run the rows that CI runs
    #[arg(long)]
    ci: bool,
    /// Write the table of all rows into tests/faults/README.md
    #[arg(long, conflicts_with_all = ["names", "ci", "soak"])]
    readme: bool,
    /// Instead of the rows, run a load with random faults for so many minutes, and draw the figures over
    /// time in tests/faults/soak.svg
    #[arg(long, value_name = "MINUTES")]
    soak: Option<f64>,
    /// Only print the names of the rows
    #[arg(long)]
    list: bool,
}

/// One thread: the kernel kills the child processes at the end of the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_wanted = |row: &&Row| {
        let is_named = arguments
            .names
            .iter()
            .any(|name| row.name.contains(name.as_str()));
        (arguments.names.is_empty() || is_named) && (row.is_in_ci || !arguments.ci)
    };
    let rows: Vec<&Row> = ROWS.iter().filter(is_wanted).collect();
    if arguments.list {
        for row in rows {
            println!("{}: test", row.name);
        }
        return ExitCode::SUCCESS;
    }
    if rows.is_empty() {
        eprintln!("no row has such a name");
        return ExitCode::FAILURE;
    }
    // Without a backtrace.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let root = Root::create().await;
    if let Some(minutes) = arguments.soak {
        let tasks = LocalSet::new();
        return tasks.run_until(soak::soak(&root, minutes)).await;
    }
    let mut reports = vec![];
    for (index, row) in rows.iter().enumerate() {
        eprint!("[{}/{}] {} … ", index + 1, rows.len(), row.name);
        let began = Instant::now();
        let report = measure(&root, row).await;
        let verdict = if report.problems.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        eprintln!("{verdict}, after {:.0} s", began.elapsed().as_secs_f64());
        for problem in &report.problems {
            eprintln!("    {problem}");
        }
        // The lines of the standard harness, which other tools read.
        println!("test {} ... {verdict}", row.name);
        reports.push(report);
    }
    println!("\n{}", report::table(&reports));
    if arguments.readme {
        report::write_readme(&reports);
    }
    if reports.iter().all(|report| report.problems.is_empty()) {
        ExitCode::SUCCESS
    } else {
        // As the standard harness.
        ExitCode::from(101)
    }
}

/// Runs one row. A panic fails only this row.
async fn measure(root: &Root, row: &Row) -> Report {
    // Its tasks end when it is dropped.
    let tasks = LocalSet::new();
    let work = AssertUnwindSafe(tasks.run_until(run(root, row))).catch_unwind();
    match timeout(PATIENCE, work).await {
        Ok(Ok(report)) => report,
        Ok(Err(_)) => Report::broken(row.title, "it panicked".to_owned()),
        Err(_) => Report::broken(row.title, format!("no end after {PATIENCE:?}")),
    }
}

async fn run(root: &Root, row: &Row) -> Report {
    let mut options = Options::default();
    (row.options)(&mut options);
    let scene = Scene::build(root, row.name, &options, row.is_database_away).await;
    let clients = load::start(&scene);
    sleep(BEFORE).await;
    let began = Instant::now();
    let over = (row.inflict)(&scene).await;
    sleep(AFTER).await;
    scene.is_over.set(true);
    for client in clients {
        client.await.unwrap();
    }
    if !options.is_embedded {
        // So that nothing is compared that the service has not committed, or commits later.
        scene.api.lock().await.end(Signal::TERM).await;
    }
    let differences = scene.ledger.compare(&mut scene.connect().await).await;
    let written = (scene.ledger.acknowledged(), differences);
    let period = Period { began, over };
    let kinds = (row.is_database_away, row.is_service_killed);
    let mut report = Report::new(row.title, kinds, &period, written, &scene.samples);
    if !report.problems.is_empty() {
        report
            .problems
            .push(format!("the log ends with\n{}", scene.log()));
    }
    scene.remove().await;
    report
}

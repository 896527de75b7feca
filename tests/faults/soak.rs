//! A mixed load with random faults for a long time: the memory, descriptors, connections and latency of the
//! service over time, which should not grow.

mod svg;

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use rand::Rng;
use rustix::process::Signal;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::faults::{ROWS, Row};
use crate::load;
use crate::processes::Root;
use crate::scene::{Options, Scene};

/// The faults that happen. None of them ends the service, whose memory would start anew.
const FAULTS: &[&str] = &[
    "black_hole",
    "database_killed",
    "database_stopped",
    "ddl",
    "deadlock_storm",
    "far_away",
    "kill_connection",
    "kill_query",
    "lock_wait",
    "locked_row",
    "read_only",
    "reset_at_commit",
    "slow_database",
    "too_many_connections",
];
/// The longest pause between two faults, in seconds.
const CALM: u64 = 15;
/// The number of points of each line.
const POINTS: u32 = 400;
/// How much the median of the last third may exceed that of the first.
const GROWTH: f64 = 1.25;

/// The figures of one moment.
pub struct Point {
    pub seconds: f64,
    pub megabytes: f64,
    pub descriptors: f64,
    /// Connections of the service to the database; `None` while the database is away.
    pub connections: Option<f64>,
    /// Percentiles in milliseconds; `None` if no request ended.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// A fault, from and to a second.
pub struct Event {
    pub name: &'static str,
    pub from: f64,
    pub to: f64,
}

/// Runs for so many minutes and writes the picture.
pub async fn soak(root: &Root, minutes: f64) -> ExitCode {
    let time = Duration::from_secs_f64(minutes * 60.0);
    let scene = Scene::build(root, "soak", &Options::default(), false).await;
    let clients = load::start(&scene);
    let began = Instant::now();
    let observer = spawn_local(observe(Rc::clone(&scene), began, time / POINTS));
    let mut events = vec![];
    while began.elapsed() < time {
        sleep(Duration::from_secs(rand::rng().random_range(3..CALM))).await;
        let name = FAULTS[rand::rng().random_range(0..FAULTS.len())];
        let row: &Row = ROWS.iter().find(|row| row.name == name).expect("a fault");
        let from = began.elapsed().as_secs_f64();
        eprintln!("{from:.0} s: {name}");
        (row.inflict)(&scene).await;
        let to = began.elapsed().as_secs_f64();
        events.push(Event { name, from, to });
    }
    sleep(Duration::from_secs(5)).await;
    scene.is_over.set(true);
    for client in clients {
        client.await.unwrap();
    }
    let points = observer.await.unwrap();
    scene.api.lock().await.end(Signal::TERM).await;
    let differences = scene.ledger.compare(&mut scene.connect().await).await;
    println!(
        "{} acknowledged writes, statuses {:?}, longest {:?}, unexpected {}, {differences:?}",
        scene.ledger.acknowledged(),
        scene.samples.statuses(),
        scene.samples.longest(),
        scene.samples.unexpected().len(),
    );
    scene.remove().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/soak.svg");
    std::fs::write(&path, svg::picture(&points, &events)).unwrap();
    println!("{}", path.display());
    let is_right = differences.are_none() && scene.samples.unexpected().is_empty();
    // Both are printed.
    if is_flat(&points) & is_right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Collects figures until the scene is over.
async fn observe(scene: Rc<Scene>, began: Instant, interval: Duration) -> Vec<Point> {
    let pid = scene.api.lock().await.pid();
    let mut points = vec![];
    while !scene.is_over.get() {
        let since = Instant::now();
        sleep(interval).await;
        let milliseconds = |percent| {
            let time = scene.samples.percentile_since(since, percent);
            time.map(|time| time.as_secs_f64() * 1000.0)
        };
        points.push(Point {
            seconds: began.elapsed().as_secs_f64(),
            megabytes: megabytes(pid),
            descriptors: descriptors(pid),
            connections: connections(&scene).await,
            p50: milliseconds(50),
            p99: milliseconds(99),
        });
    }
    points
}

/// The resident memory of a process.
fn megabytes(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes.unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The open descriptors of a process.
fn descriptors(pid: u32) -> f64 {
    let count = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count();
    f64::from(u32::try_from(count).unwrap())
}

/// The connections of the service to the database; `None` while the database is away.
async fn connections(scene: &Scene) -> Option<f64> {
    let query = async {
        let mut conn = scene
            .database
            .try_lock()
            .ok()?
            .as_ref()?
            .try_connect("shop")
            .await?;
        let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'shop'";
        conn.query_first(count).await.ok()?
    };
    let count: u32 = tokio::time::timeout(Duration::from_secs(1), query)
        .await
        .ok()??;
    Some(f64::from(count))
}

type Figure = fn(&Point) -> f64;

/// Whether the memory and the descriptors have not grown. Prints both.
fn is_flat(points: &[Point]) -> bool {
    let third = points.len() / 3;
    let figures: [(&str, Figure); 2] = [
        ("memory in MB", |point| point.megabytes),
        ("descriptors", |point| point.descriptors),
    ];
    let mut is_flat = third > 0;
    for (name, figure) in figures {
        let median = |points: &[Point]| {
            let mut values: Vec<f64> = points.iter().map(figure).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        // The first points are those of an empty service.
        let first = median(&points[third / 4..third]);
        let last = median(&points[points.len() - third..]);
        println!("{name}: {first:.1} in the first third, {last:.1} in the last");
        is_flat &= last <= first * GROWTH;
    }
    is_flat
}

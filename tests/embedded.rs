//! The private `MariaDB`: real servers, each in a directory of its own, and crashes of the process
//! that started them. Imports only `ecommerce_api::embedded`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ecommerce_api::embedded::{Embedded, Error};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

#[test]
fn a_first_start_creates_a_database_for_its_owner_only() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    let server = start(&dir);
    assert_eq!(query(&server, "SELECT 1 + 1"), ["2"]);
    assert_eq!(query(&server, "SELECT @@character_set_server"), ["utf8mb4"]);
    assert_eq!(
        query(&server, "SELECT host FROM mysql.user WHERE user = ''"),
        [""; 0]
    );
    assert_eq!(query(&server, "SHOW DATABASES LIKE 'test'"), [""; 0]);
    assert_eq!(query(&server, "SELECT @@skip_networking"), ["1"]);
    assert_eq!(query(&server, "SELECT @@tmpdir"), ["../tmp"]);
    let mode = fs::metadata(&dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// When a server starts, it deletes the contents of its directory for temporary files.
#[test]
fn temporary_tables_survive_the_start_of_another_server() {
    let [first, second] = [scratch(), scratch()];
    let server = start(first.path());
    let create =
        "CREATE TEMPORARY TABLE mysql.passing (word TEXT) ENGINE = Aria SELECT 'here' word";
    session(&server, async |conn| {
        conn.query_drop(create).await?;
        start(second.path()).stop();
        conn.query_drop("DROP TEMPORARY TABLE mysql.passing").await
    });
}

#[test]
fn data_survive_a_clean_stop_in_a_directory_of_any_name() {
    let scratch = scratch();
    let dir = scratch.path().join("a shop's \\ données, 数据 & 50%+");
    let mut server = start(&relative(&dir));
    query(&server, "CREATE DATABASE shop");
    query(&server, "CREATE TABLE shop.kept (word TEXT)");
    query(&server, "INSERT INTO shop.kept VALUES ('käse 🧀')");
    assert_eq!(server.exit_report(), None);
    let pid = server_pid(&dir);
    server.stop();
    assert!(!is_alive(pid));
    assert!(!dir.join("mariadb.sock").exists());
    let log = fs::read_to_string(dir.join("mariadb.log")).unwrap();
    assert!(log.contains("Shutdown complete"), "{log}");

    let server = start(&dir);
    assert_eq!(query(&server, "SELECT word FROM shop.kept"), ["käse 🧀"]);
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let scratch = scratch();
    let dir = scratch.path().to_owned();
    let mut server = thread::spawn(move || start(&dir)).join().unwrap();
    assert_eq!(query(&server, "SELECT 1"), ["1"]);
    assert_eq!(server.exit_report(), None);
}

#[test]
fn a_second_instance_on_a_directory_is_refused() {
    let scratch = scratch();
    let server = start(scratch.path());
    let error = Embedded::start(scratch.path()).unwrap_err();
    assert!(matches!(error, Error::InUse(_)));
    let message = error.to_string();
    assert!(message.contains("another instance uses"), "{message}");
    assert!(
        message.contains(scratch.path().to_str().unwrap()),
        "{message}"
    );
    assert_eq!(query(&server, "SELECT 1"), ["1"], "the first still works");
}

#[test]
fn a_server_ends_with_the_program_even_if_that_is_killed() {
    let scratch = scratch();
    let mut program = start_program(scratch.path());
    let pid = server_pid(scratch.path());
    assert!(is_alive(pid));
    program.kill().unwrap();
    program.wait().unwrap();
    // The next start waits for a server that is still shutting down.
    let server = start(scratch.path());
    assert!(!is_alive(pid));
    assert_eq!(query(&server, "SELECT 1"), ["1"]);
    server.stop();

    let mut program = start_program(scratch.path());
    let pid = server_pid(scratch.path());
    program.kill().unwrap();
    program.wait().unwrap();
    // The server ends even without a next start.
    eventually("the server is gone", || !is_alive(pid));
}

#[test]
fn a_killed_server_is_noticed_and_the_next_start_recovers() {
    let scratch = scratch();
    let mut server = start(scratch.path());
    query(&server, "CREATE DATABASE shop");
    query(&server, "CREATE TABLE shop.kept (number INT)");
    query(&server, "INSERT INTO shop.kept VALUES (42)");
    kill_process(server_pid(scratch.path()), Signal::KILL).unwrap();
    let mut report = None;
    eventually("the end is noticed", || {
        report = server.exit_report();
        report.is_some()
    });
    let report = report.unwrap();
    assert!(report.starts_with("MariaDB ended"), "{report}");
    assert!(report.contains("mariadb.log"), "{report}");
    server.stop();

    let server = start(scratch.path());
    assert_eq!(query(&server, "SELECT number FROM shop.kept"), ["42"]);
}

#[test]
fn the_remains_of_a_crash_do_not_block_a_start() {
    let scratch = scratch();
    let dir = scratch.path();
    fs::write(dir.join("mariadb.pid"), "1\n").unwrap();
    fs::create_dir(dir.join("mariadb.partial")).unwrap();
    fs::write(dir.join("mariadb.partial/ibdata1"), "half a file").unwrap();
    // A listener that is dropped does not remove its socket.
    let elsewhere = scratch_with("crashed");
    let stale = elsewhere.path().join("private");
    fs::create_dir(&stale).unwrap();
    drop(UnixListener::bind(stale.join("s")).unwrap());
    symlink(stale.join("s"), dir.join("mariadb.sock")).unwrap();

    let server = start(dir);
    assert_eq!(query(&server, "SELECT 1"), ["1"]);
    assert!(!dir.join("mariadb.partial").exists());
    assert!(!stale.exists());
    server.stop();

    let _ = UnixListener::bind(dir.join("mariadb.sock"));
    let server = start(dir);
    assert_eq!(query(&server, "SELECT 1"), ["1"]);
}

#[test]
fn a_directory_with_a_path_too_long_for_a_socket_works() {
    let scratch = scratch();
    let dir = scratch.path().join("deep/".repeat(30));
    let server = start(&dir);
    let socket = server.socket().to_owned();
    assert!(!socket.starts_with(&dir));
    assert_eq!(fs::read_link(dir.join("mariadb.sock")).unwrap(), socket);
    let private = socket.parent().unwrap();
    let mode = fs::metadata(private).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(query(&server, "SELECT 1"), ["1"]);
    server.stop();
    assert!(!private.exists());
}

#[test]
fn a_database_that_cannot_be_opened_is_reported_with_the_server_s_reason() {
    let scratch = scratch();
    fs::create_dir(scratch.path().join("mariadb")).unwrap();
    let error = Embedded::start(scratch.path()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("MariaDB did not start"), "{message}");
    assert!(message.contains("mariadb.log"), "{message}");
    assert!(message.contains("privilege tables"), "{message}");
}

#[test]
fn a_directory_with_other_contents_stays_accessible_to_its_other_users() {
    let scratch = scratch();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(scratch.path().join("letters.txt"), "Dear …").unwrap();
    let error = Embedded::start(scratch.path()).unwrap_err();
    assert!(matches!(error, Error::Exposed(_)));
    let mode = fs::metadata(scratch.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn a_file_in_place_of_the_directory_is_reported() {
    let scratch = scratch();
    let file = scratch.path().join("data");
    fs::write(&file, "").unwrap();
    let message = Embedded::start(&file).unwrap_err().to_string();
    assert!(message.contains("data directory"), "{message}");
    assert!(message.contains(file.to_str().unwrap()), "{message}");
}

/// Kills everything except the server, which the next start asks to stop.
#[test]
#[cfg(target_os = "linux")]
fn a_server_without_its_supervisor_does_not_block_the_next_start() {
    let scratch = scratch();
    let mut server = start(scratch.path());
    query(&server, "CREATE DATABASE shop");
    let pid = server_pid(scratch.path());
    // The watcher first, since it ends with the supervisor.
    let mut shells = linux::others_of_its_group(pid);
    shells.sort_by_key(|shell| std::cmp::Reverse(shell.as_raw_nonzero()));
    assert_eq!(shells.len(), 2, "supervisor and watcher");
    for shell in shells {
        kill_process(shell, Signal::KILL).unwrap();
    }
    eventually("the supervisor's end is noticed", || {
        server.exit_report().is_some()
    });
    server.stop();
    assert!(is_alive(pid), "the server has no supervisor");

    let server = Embedded::start(scratch.path()).unwrap_or_else(|error| {
        // Otherwise the server would outlive the tests.
        kill_process(pid, Signal::KILL).unwrap();
        panic!("{error}")
    });
    assert_ne!(server_pid(scratch.path()), pid);
    assert_eq!(query(&server, "SHOW DATABASES LIKE 'shop'"), ["shop"]);
}

/// Starts the program itself on `dir`, and waits until it serves.
fn start_program(dir: &Path) -> Child {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ecommerce-api"))
        .args(["serve", "--server-port", "0", "--data-dir"])
        .arg(dir)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env_remove("DATABASE_URL")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(program.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(
        log.any(|line| line.contains("listening on")),
        "the program ended early"
    );
    // Continues to read, so that the program never writes to a closed pipe.
    std::thread::spawn(move || log.for_each(drop));
    program
}

fn scratch() -> TempDir {
    scratch_with("embedded")
}

fn scratch_with(prefix: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

fn start(dir: &Path) -> Embedded {
    Embedded::start(dir).unwrap_or_else(|error| panic!("{error}"))
}

/// The first column of every row, as text.
fn query(server: &Embedded, sql: &str) -> Vec<String> {
    session(server, async |conn| conn.query(sql).await)
}

/// The result of `work` with a connection to the server.
fn session<T>(server: &Embedded, work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>) -> T {
    let opts = Opts::from_url(&server.url("mysql")).unwrap();
    let run = async {
        let mut conn = Conn::new(opts).await?;
        let outcome = work(&mut conn).await?;
        conn.disconnect().await?;
        Ok::<T, mysql_async::Error>(outcome)
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run)
        .unwrap()
}

fn server_pid(dir: &Path) -> Pid {
    let text = fs::read_to_string(dir.join("mariadb.pid")).unwrap();
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

/// `path` as seen from the current directory.
fn relative(path: &Path) -> PathBuf {
    let up = env::current_dir().unwrap();
    let up = up.components().skip(1).map(|_| Component::ParentDir);
    up.chain(path.components().skip(1)).collect()
}

/// Waits for a condition for at most 40 s, twice the time after which a server is killed.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !condition() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! Information that only `/proc` has.

    use super::{Pid, fs};

    /// The other processes of the group that `pid` is in.
    pub fn others_of_its_group(pid: Pid) -> Vec<Pid> {
        let group = group_of(pid).unwrap();
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Pid::from_raw)
            .filter(|&other| other != pid && group_of(other) == Some(group))
            .collect()
    }

    /// The third field after the parenthesised name, in `/proc/<pid>/stat`.
    fn group_of(pid: Pid) -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_whitespace().nth(2)?.parse().ok()
    }
}

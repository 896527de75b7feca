//! The program works when nobody reads its log.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use serde_json::Value;

use crate::database::Database;
use crate::http::get;
use crate::mariadb::Mariadb;
use crate::process::{Server, directory};

/// Far more lines than fit into the pipe and the program's buffers, which together hold about 2
/// MiB.
const REQUESTS: usize = 12_000;

/// Sends [`REQUESTS`] requests for a long path that does not exist, with the ids `r-0.`, `r-1.`, …,
/// and waits for all responses.
fn send_many(address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut requests = stream.try_clone().unwrap();
    let path = "x".repeat(400);
    let address = address.to_owned();
    let sending = thread::spawn(move || {
        for number in 0..REQUESTS {
            let head = format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\n");
            let head = format!("{head}X-Request-Id: r-{number}.\r\n\r\n");
            requests.write_all(head.as_bytes()).unwrap();
        }
        requests.shutdown(Shutdown::Write).unwrap();
    });
    let mut responses = String::new();
    stream.read_to_string(&mut responses).unwrap();
    sending.join().unwrap();
    assert_eq!(responses.matches("HTTP/1.1 404 ").count(), REQUESTS);
}

/// The number of dropped lines, if this line reports it.
fn dropped(line: &str) -> Option<usize> {
    let (before, _) = line.split_once(" log lines were dropped")?;
    before.rsplit([' ', '"']).next()?.parse().ok()
}

#[test]
fn lines_that_nobody_reads_are_dropped_and_counted() {
    let database = Database::empty("unread_log");
    for format in ["text", "json"] {
        let variables = [
            database.setting(),
            ("MIGRATE_ON_START", "1"),
            ("LOG_FORMAT", format),
        ];
        let (server, resume) = Server::start_with_unread_log(directory().path(), &variables);
        send_many(&server.address);

        resume.send(()).unwrap();
        let line = server.await_line(" log lines were dropped");
        if format == "json" {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["level"], "WARN", "{line}");
        }
        get(&server.address, "/", &[("X-Request-Id", "afterwards")]);
        server.await_line("afterwards");
        let log = server.log();
        let written = log.iter().filter(|line| line.contains("r-")).count();
        let dropped: usize = log.iter().filter_map(|line| dropped(line)).sum();
        assert!(dropped > 0);
        assert_eq!(written + dropped, REQUESTS, "{written} and {dropped}");
        server.stop();
    }
}

#[test]
fn a_closed_pipe_of_the_log_does_not_affect_requests() {
    let database = Database::empty("closed_log");
    let variables = [database.setting(), ("MIGRATE_ON_START", "1")];
    let server = Server::start_with_closed_log(directory().path(), &variables);
    for _ in 0..3 {
        assert_eq!(get(&server.address, "/api/users", &[]).status, 200);
    }
    server.stop();
}

#[test]
fn a_program_that_fails_ends_although_nobody_reads_the_message() {
    let directory = directory();
    let (mut server, _resume) = Server::start_with_unread_log(directory.path(), &[]);
    send_many(&server.address);
    Mariadb::of(&directory.path().join(".data")).kill();
    assert_eq!(server.end(), Some(1));
}

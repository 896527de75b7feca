//! A database that is not up yet when the program starts.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use ecommerce_api::db::session;
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::embedded::Embedded;
use rustix::process::Signal;

use crate::database::{Database, socket};
use crate::http::get;
use crate::process::{Server, directory, run};

/// A URL of a port where nothing listens.
const NOT_UP: &str = "mysql://shop:hunter2@127.0.0.1:1/shop";
const WAITING: &str = "waiting for the database, up to ";

#[test]
fn a_database_that_starts_after_the_program_is_waited_for() {
    let directory = directory();
    let database = Embedded::start(directory.path()).unwrap();
    database.create_database("shop").unwrap();
    let url = database.url("shop");
    drop(database);

    let variables = [("DATABASE_URL", &*url), ("MIGRATE_ON_START", "true")];
    let mut server = Server::launch(directory.path(), &variables);
    let line = server.await_line(WAITING);
    assert!(line.contains("mariadb.sock, database shop: "), "{line}");

    let _database = Embedded::start(directory.path()).unwrap();
    server = server.listening();
    assert_eq!(get(&server.address, "/api/users", &[]).status, 200);
    server.stop();
}

#[test]
fn a_free_connection_is_waited_for() {
    let database = Database::empty("free_connection");
    run(&["migrate", "run"], &[database.setting()]).success();
    database.execute(
        "CREATE OR REPLACE USER narrow@localhost WITH MAX_USER_CONNECTIONS 1;
         GRANT ALL ON free_connection.* TO narrow@localhost",
    );
    let url = database.url.replace("root@", "narrow@");
    let only_connection = session::connect(&DatabaseUrl::parse(&url).unwrap()).unwrap();

    let server = Server::launch(directory().path(), &[("DATABASE_URL", &url)]);
    let line = server.await_line(WAITING);
    assert!(line.contains("max_user_connections"), "{line}");
    drop(only_connection);
    server.listening().stop();
    database.execute("DROP USER narrow@localhost");
}

#[test]
fn the_wait_has_an_end_whose_error_says_what_to_do() {
    let settings = [("DATABASE_URL", NOT_UP), ("DATABASE_WAIT", "1")];
    for command in [&["serve"][..], &["migrate", "run"]] {
        let outcome = run(command, &[&settings[..], &[("SERVER_PORT", "0")]].concat());
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(!outcome.stderr.contains("hunter2"), "{outcome:?}");
        let lines: Vec<&str> = outcome.stderr.lines().collect();
        let [waiting, error] = lines[..] else {
            panic!("{outcome:?}");
        };
        let target = "cannot connect to the database at 127.0.0.1:1, database shop: ";
        assert!(waiting.contains(WAITING), "{waiting}");
        assert!(waiting.contains(target), "{waiting}");
        assert!(
            error.starts_with(&format!("ecommerce-api: {target}")),
            "{error}"
        );
        for part in ["waited 1 s", "DATABASE_URL", "DATABASE_WAIT"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn a_signal_ends_the_wait() {
    let mut server = Server::launch(directory().path(), &[("DATABASE_URL", NOT_UP)]);
    server.await_line(WAITING);
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
}

/// Passes one connection on, until the client sends a packet with `USE`. Then the client gets no
/// response any more.
fn pass_until_use(mut client: UnixStream) {
    let mut to_server = UnixStream::connect(socket()).unwrap();
    let mut from_server = to_server.try_clone().unwrap();
    let mut to_client = client.try_clone().unwrap();
    thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
    let mut buffer = [0; 4096];
    let mut is_silent = false;
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let packet = &buffer[..length];
        is_silent |= packet.windows(5).any(|part| part == b"USE `");
        if !is_silent {
            to_server.write_all(packet).unwrap();
        }
    }
}

#[test]
fn a_database_that_falls_silent_after_the_handshake_does_not_hang_the_start() {
    let database = Database::empty("silent_start");
    let (start, _) = database.url.split_once("socket=").unwrap();
    let directory = directory();
    let silent = directory.path().join("silent.sock");
    let listener = UnixListener::bind(&silent).unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            thread::spawn(move || pass_until_use(client.unwrap()));
        }
    });
    let url = format!("{start}socket={}", silent.display());
    let outcome = run(
        &["serve"],
        &[
            ("DATABASE_URL", &url),
            ("DATABASE_WAIT", "1"),
            ("SERVER_PORT", "0"),
        ],
    );
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for part in ["no response within", "waited 1 s"] {
        assert!(outcome.stderr.contains(part), "{outcome:?}");
    }
}

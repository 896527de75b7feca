//! Subcommands without `DATABASE_URL`: the private MariaDB starts and stops with the program.

use std::fs;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::http::{get, send, send_json};
use crate::mariadb::Mariadb;
use crate::process::{LIMIT, Server, directory, run_in};

#[test]
fn a_first_and_a_second_start() {
    let directory = directory();
    let directory = directory.path();
    let data_dir = directory.join(".data");

    let server = Server::start(directory, &[]);
    let log = server.log().join("\n");
    let socket = data_dir.join("mariadb.sock");
    for part in [
        "no DATABASE_URL: starting a private MariaDB",
        "applied a migration",
        "filled in a sample shop",
        &format!("the private MariaDB at socket {}", socket.display()),
    ] {
        assert!(log.contains(part), "no `{part}` in {log}");
    }
    let users = get(&server.address, "/api/users", &[]).body;
    assert!(users.contains("@example.com"), "{users}");
    assert!(get(&server.address, "/health", &[]).status == 200);

    for arguments in [&["serve"][..], &["migrate", "status"]] {
        let outcome = run_in(directory, arguments, &[("SERVER_PORT", "0")]);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let message = outcome.stderr.lines().last().unwrap();
        assert!(message.contains("another instance uses"), "{outcome:?}");
        assert!(message.contains("DATA_DIR"), "{outcome:?}");
    }

    // Deletes everything and adds one product: the second start must not offer the sample shop
    // again.
    empty(&server);
    let teapot = r#"{"title":"Teapot"}"#;
    let added = send_json(&server.address, "POST", "/api/products", teapot);
    assert_eq!(added.status, 201);
    let mariadb = Mariadb::of(&data_dir);
    server.stop();
    assert!(mariadb.is_gone(), "MariaDB ends before the program");
    assert!(!socket.exists());

    let mut server = Server::start(directory, &[]);
    let users = get(&server.address, "/api/users", &[]).body;
    assert!(users.contains(r#""data":[]"#), "{users}");
    let products = get(&server.address, "/api/products", &[]).body;
    assert_eq!(products.matches(r#""title""#).count(), 1, "{products}");
    assert!(products.contains("Teapot"), "{products}");
    assert!(!server.log().join("\n").contains("sample shop"));
    let mariadb = Mariadb::of(&data_dir);
    server.signal(Signal::INT);
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
    assert!(mariadb.is_gone(), "MariaDB ends before the program");
}

/// Deletes every user and product.
fn empty(server: &Server) {
    for path in ["/api/users", "/api/products"] {
        let list = get(&server.address, path, &[]).body;
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        for row in list["data"].as_array().unwrap() {
            let path = format!("{path}/{}", row["id"]);
            let response = send(&server.address, "DELETE", &path, &[], "").response();
            assert_eq!(response.status, 200, "{response:?}");
        }
    }
}

#[test]
fn systemd_is_told_when_the_program_serves_and_when_it_stops() {
    let directory = directory();
    let socket = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&socket).unwrap();
    supervisor.set_read_timeout(Some(LIMIT)).unwrap();
    let message = || {
        let mut bytes = [0; 1000];
        let length = supervisor.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let variables = [("NOTIFY_SOCKET", socket.to_str().unwrap())];
    let mut server = Server::launch(directory.path(), &variables);
    // MariaDB, which would send more, does not know the socket.
    assert_eq!(message().trim(), "READY=1");
    let address = server.await_line("listening on http");
    assert!(address.contains("http://"), "{address}");
    server.signal(Signal::TERM);
    assert_eq!(message().trim(), "STOPPING=1");
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
}

#[test]
fn a_first_start_that_was_interrupted_can_be_repeated() {
    let directory = directory();
    let mut server = Server::launch(directory.path(), &[]);
    server.await_line("creating a database");
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
    let server = Server::start(directory.path(), &[]);
    let users = get(&server.address, "/api/users", &[]);
    assert!(users.body.contains("@example.com"), "{users:?}");
    server.stop();
}

#[test]
fn crashes_of_the_program_and_of_mariadb() {
    let directory = directory();
    let directory = directory.path();
    let variables = [("DATA_DIR", "deep/data")];
    let data_dir = directory.join("deep/data");

    // The program is killed: MariaDB ends, too, and the next start waits for that.
    let mut server = Server::start(directory, &variables);
    let teapot = r#"{"title":"Teapot of before"}"#;
    let added = send_json(&server.address, "POST", "/api/products", teapot);
    assert_eq!(added.status, 201);
    let mariadb = Mariadb::of(&data_dir);
    server.signal(Signal::KILL);
    assert_eq!(server.end(), None);
    let mut server = Server::start(directory, &variables);
    assert!(mariadb.has_ended());
    let products = get(&server.address, "/api/products", &[]).body;
    assert!(products.contains("Teapot of before"), "{products}");

    // MariaDB ends even without a next start.
    let mariadb = Mariadb::of(&data_dir);
    server.signal(Signal::KILL);
    server.end();
    mariadb.await_end();

    // MariaDB is killed: the program says so and ends.
    let mut server = Server::start(directory, &variables);
    Mariadb::of(&data_dir).kill();
    assert_eq!(server.end(), Some(1));
    let message = server.await_line("ecommerce-api: the private MariaDB ended by itself");
    assert!(message.contains("mariadb.log"), "{message}");

    // Other subcommands use the same database. MariaDB's log contains no secret.
    let status = run_in(directory, &["migrate", "status"], &variables).success();
    assert!(status.starts_with("applied"), "{status}");
    let log = fs::read_to_string(data_dir.join("mariadb.log")).unwrap();
    assert!(!log.contains("$argon2"), "{log}");
}

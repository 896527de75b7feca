//! The memory that the serving process keeps.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::database::Database;
use crate::http::{get, send, send_json};
use crate::process::{Server, directory, eventually};

/// How many passwords are hashed, one after another.
const SIGN_UPS: usize = 60;
/// MiB: more than the rest of the program needs for so many requests.
const GROWTH: usize = 8;
/// MiB: what one hash needs.
const BLOCKS: usize = 19;

#[test]
fn sign_ups_keep_the_memory_of_one_hash_per_hashing_thread_and_give_it_back() {
    let database = Database::empty("sign_up_memory");
    let variables = [database.setting(), ("MIGRATE_ON_START", "yes")];
    let server = Server::start(directory().path(), &variables);
    let address = &server.address;
    // The first requests open connections to the database.
    assert_eq!(get(address, "/api/users/1", &[]).status, 404);
    let start = server.memory();

    let clients = 4;
    std::thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                for number in 0..SIGN_UPS / clients {
                    let user = format!(
                        r#"{{"email":"{client}-{number}@example.com","password":"secret","role":"USER"}}"#
                    );
                    assert_eq!(send_json(address, "POST", "/api/users", &user).status, 201);
                }
            });
        }
    });
    let cores = std::thread::available_parallelism().unwrap().get();
    let most = start + GROWTH + BLOCKS * (cores - 1).max(1);
    let after = server.memory();
    assert!(
        after <= most,
        "{start} MiB at the start, {after} MiB after sign-ups"
    );

    let given_back = eventually(|| (server.memory() <= start + GROWTH).then_some(()));
    let memory = server.memory();
    assert!(
        given_back.is_some(),
        "{start} MiB at the start, {memory} MiB at rest"
    );
    server.stop();
}

/// MiB: the most that the process may keep of what it needed for clients that have disconnected.
const KEPT: usize = 16;

/// Fails unless, within ten seconds, the process gives back what it needed for clients that have
/// disconnected.
#[track_caller]
fn assert_given_back(server: &Server, start: usize) {
    let end = Instant::now() + Duration::from_secs(10);
    let given_back =
        eventually(|| (server.memory() <= start + KEPT || Instant::now() > end).then_some(()));
    let memory = server.memory();
    assert!(
        given_back.is_some() && memory <= start + KEPT,
        "{start} MiB at the start, {memory} MiB at rest"
    );
}

#[test]
fn the_memory_of_bodies_is_given_back() {
    let database = Database::empty("memory_of_bodies");
    let variables = [database.setting(), ("MIGRATE_ON_START", "yes")];
    let server = Server::start(directory().path(), &variables);
    let address = &server.address;
    let length = 1024 * 1024;
    let head = format!(
        "POST /api/users HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let mut start_of_body = br#"{"email":""#.to_vec();
    start_of_body.resize(length - 6, b'a');
    assert_eq!(get(address, "/api/users/1", &[]).status, 404);
    assert_eq!(send_json(address, "POST", "/api/users", "{}").status, 400);
    let start = server.memory();

    for _ in 0..2 {
        let clients: Vec<TcpStream> = (0..200)
            .map(|_| {
                let mut client = TcpStream::connect(address).unwrap();
                client.write_all(head.as_bytes()).unwrap();
                // The service may refuse the body.
                let _ = client.write_all(&start_of_body);
                client
            })
            .collect();
        let grown = eventually(|| (server.memory() > start + 2 * KEPT).then_some(()));
        assert!(grown.is_some(), "{} MiB", server.memory());
        drop(clients);
    }
    assert_given_back(&server, start);
    server.stop();
}

#[test]
fn the_memory_of_lists_that_nobody_reads_is_given_back() {
    let database = Database::empty("memory_of_lists");
    let variables = [database.setting(), ("MIGRATE_ON_START", "yes")];
    let server = Server::start(directory().path(), &variables);
    let address = &server.address;
    database.execute(
        "INSERT INTO products (title, description) \
         SELECT 'a', REPEAT('b', 16000) FROM seq_1_to_500",
    );
    assert_eq!(get(address, "/api/products?limit=1", &[]).status, 200);
    let start = server.memory();

    for path in ["/api/products", "/api/products?limit=500"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let clients: Vec<TcpStream> = (0..60)
            .map(|_| {
                let mut client = TcpStream::connect(address).unwrap();
                client.write_all(request.as_bytes()).unwrap();
                client
            })
            .collect();
        for mut client in &clients {
            // The response has begun. The service may refuse some of so many lists.
            client.read_exact(&mut [0; "HTTP/1.1".len()]).unwrap();
        }
        drop(clients);
    }
    assert_given_back(&server, start);
    server.stop();
}

#[test]
fn rejected_duplicates_and_unknown_ids_cost_no_hash() {
    let database = Database::empty("rejected_sign_ups");
    let variables = [database.setting(), ("MIGRATE_ON_START", "yes")];
    let server = Server::start(directory().path(), &variables);
    let address = &server.address;
    database.execute("INSERT INTO users (email, password) VALUES ('a@example.com', 'x')");
    assert_eq!(get(address, "/api/users/1", &[]).status, 200);
    let start = server.peak_memory();

    let user = r#"{"email":"A@example.com","password":"secret","role":"USER"}"#;
    let password = r#"{"password":"secret"}"#;
    assert_eq!(send_json(address, "POST", "/api/users", user).status, 409);
    let json = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "k"),
    ];
    let with_key = send(address, "POST", "/api/users", &json, user);
    assert_eq!(with_key.response().status, 409);
    assert_eq!(
        send_json(address, "PUT", "/api/users/2", password).status,
        404
    );
    let peak = server.peak_memory();
    assert!(
        peak < start + BLOCKS / 2,
        "{start} MiB before, {peak} MiB after"
    );

    assert_eq!(
        send_json(address, "PUT", "/api/users/1", password).status,
        200
    );
    let peak = server.peak_memory();
    assert!(peak >= start + BLOCKS / 2, "a hash is noticed: {peak} MiB");
    server.stop();
}

//! The memory that the serving process takes for bodies and responses whose clients do not go on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use crate::database::Database;
use crate::http::{get, send};
use crate::process::{LIMIT, Server, directory};

const MIB: usize = 1024 * 1024;

#[test]
fn bodies_that_clients_leave_unfinished_take_no_more_than_the_memory_for_bodies() {
    const CLIENTS: usize = 150;
    const BODY_MEMORY: usize = 8;
    let database = Database::empty("unfinished_bodies");
    let settings = [
        database.setting(),
        ("MIGRATE_ON_START", "true"),
        ("BODY_MEMORY", "8"),
    ];
    let server = Server::start(directory().path(), &settings);
    let before = server.peak_memory();
    let (rejected, rejections) = mpsc::channel();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(&server.address).unwrap();
        let rejected = rejected.clone();
        thread::spawn(move || {
            let head = "POST /api/products HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
            let head = format!("{head}Content-Length: {MIB}\r\n\r\n");
            client.write_all(head.as_bytes()).unwrap();
            // An error when the server has responded and closed the connection.
            let _ = client.write_all(&vec![b' '; MIB - 6]);
            let mut status = [0; 12];
            let read = client.read_exact(&mut status);
            let _ = rejected.send(read.map(|()| status));
        });
    }
    let mut overloads = 0;
    while overloads < CLIENTS / 2 {
        let status = rejections.recv_timeout(LIMIT).unwrap();
        overloads += usize::from(status.is_ok_and(|status| &status == b"HTTP/1.1 503"));
    }
    let taken = server.peak_memory() - before;
    assert!(taken < BODY_MEMORY + 40, "{taken} MiB");
}

#[test]
fn lists_of_large_rows_whose_clients_do_not_read_take_little_memory() {
    const CLIENTS: usize = 10;
    const ROWS: usize = 300;
    let database = Database::empty("large_rows");
    let settings = [database.setting(), ("MIGRATE_ON_START", "true")];
    let server = Server::start(directory().path(), &settings);
    database.execute(
        "INSERT INTO users (email, password, role) VALUES ('ada@example.com', 'a hash', 'USER');
         INSERT INTO products (title, description)
         SELECT 'Teapot', REPEAT('😀', 16000) FROM seq_1_to_300;
         INSERT INTO cart (user_id, product_id) SELECT 1, id FROM products",
    );
    let before = server.peak_memory();
    let paths = ["/api/products", "/api/cart", "/api/users/1/cart"];
    let mut unread = Vec::new();
    for number in 0..CLIENTS {
        for path in paths {
            // Requests for the same rows share them, so each page is another one.
            let page = format!("{path}?limit={}", ROWS + number);
            for target in [path, &page] {
                unread.push(send(&server.address, "GET", target, &[], ""));
            }
        }
    }
    for response in &unread {
        response.begins();
    }
    // Each of them is written as far as its client lets it be while other clients read theirs.
    for path in paths {
        let response = get(&server.address, &format!("{path}?limit=1000"), &[]);
        assert_eq!(response.status, 200);
        assert!(response.body.len() > ROWS * 64_000);
    }
    let taken = server.peak_memory() - before;
    // Together the responses have more than 1 GB.
    assert!(taken < 150, "{taken} MiB");
}

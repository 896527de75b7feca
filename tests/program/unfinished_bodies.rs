//! The memory for bodies that clients have begun and do not finish.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use crate::database::Database;
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

//! The memory that the serving process takes for bodies and responses whose clients do not go on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

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
    assert!(taken < 120, "{taken} MiB");
}

/// Requests `paths` in turn, `count` times in all, on HTTP/2 connections with 100 streams each that have a
/// window of one byte. Reads the heads of the responses only.
async fn get_unread(
    address: &str,
    paths: &[&str],
    count: usize,
    accepts: &str,
) -> Vec<Response<Incoming>> {
    let mut senders = Vec::new();
    for _ in 0..count.div_ceil(100) {
        let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
        let handshake = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1)
            .handshake(stream);
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        senders.push(sender);
    }
    let responses = (0..count).map(|number| {
        let request = Request::get(format!("http://localhost{}", paths[number % paths.len()]))
            .header("accept-encoding", accepts);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let mut sender = senders[number / 100].clone();
        async move { sender.send_request(request).await.unwrap() }
    });
    join_all(responses).await
}

#[test]
fn responses_whose_http2_clients_do_not_read_take_no_more_than_the_memory_for_them() {
    const CLIENTS: usize = 1500;
    const RESPONSE_MEMORY: usize = 64;
    let database = Database::empty("unread_responses");
    let settings = [database.setting(), ("MIGRATE_ON_START", "true")];
    Server::start(directory().path(), &settings).stop();
    database.execute(
        "INSERT INTO users (email, password, role) VALUES ('ada@example.com', 'a hash', 'USER');
         INSERT INTO products (title, description)
         SELECT 'Teapot', REPEAT('😀', 16000) FROM seq_1_to_7;
         INSERT INTO cart (user_id, product_id) SELECT 1, id FROM products;
         INSERT INTO products (title, description)
         SELECT 'Coffee', GROUP_CONCAT(MD5(seq) SEPARATOR '') FROM seq_1_to_2000",
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (paths, accepts) in [
        (&["/api/products/1", "/api/users/1/cart"][..], "identity"),
        (&["/api/products/8"], "gzip"),
    ] {
        let server = Server::start(directory().path(), &settings);
        let before = server.peak_memory();
        let responses = runtime.block_on(get_unread(&server.address, paths, CLIENTS, accepts));
        let taken = server.peak_memory() - before;
        let successes = responses.iter().filter(|it| it.status() == 200).count();
        assert!(successes >= 100, "{successes} responses");
        assert!(taken < RESPONSE_MEMORY + 96, "{taken} MiB");
        drop(responses);
        server.stop();
    }
}

//! The accept loop over real sockets: what it endures from clients, and how it ends.
//!
//! Needs no database. Short limits stand in for long ones; a test waits for what it expects (an
//! answer, the end of the connection), never for a time, save where silence is what it is about.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod harness;

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ecommerce_api::server::{self, Limits};
use poem::http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use harness::{Client, Server, app, get, soon};

/// Limits that no test meets unless it sets one.
const FAR: Limits = Limits {
    header_timeout: Duration::from_secs(30),
    idle_timeout: Duration::from_secs(30),
    max_connections: 100,
    shutdown_grace: Duration::from_secs(30),
};
const SHORT: Duration = Duration::from_millis(400);

// ── Silence ─────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_client_that_never_sends_a_byte_is_cut_after_the_header_timeout() {
    let server = Server::start(Limits {
        header_timeout: SHORT,
        ..FAR
    })
    .await;
    let mut client = server.connect().await;
    let started = Instant::now();
    assert_eq!(client.rest().await, b"");
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_after_the_header_timeout() {
    let server = Server::start(Limits {
        header_timeout: SHORT,
        ..FAR
    })
    .await;
    // On a new connection, and between requests.
    for first in ["", "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client = server.connect().await;
        if !first.is_empty() {
            client.send(first).await;
            assert_eq!(client.answer().await.body, "hello");
        }
        let (mut from, mut to) = client.0.into_split();
        let trickle = tokio::spawn(async move {
            let mut pace = tokio::time::interval(SHORT / 10);
            while to.write_all(b"GET /x").await.is_ok() {
                pace.tick().await;
            }
        });
        let mut rest = Vec::new();
        // Cut with bytes unread, so either an end or a reset.
        let _ = soon(from.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"");
        soon(trickle).await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout_and_ends_at_the_idle_timeout() {
    let server = Server::start(Limits {
        header_timeout: SHORT / 4,
        idle_timeout: SHORT,
        ..FAR
    })
    .await;
    let mut client = server.connect().await;
    client.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let sent = Instant::now();
    assert_eq!(client.answer().await.body, "hello");
    assert_eq!(client.rest().await, b"");
    assert!(sent.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_stalled_upload_is_cut() {
    let server = Server::start(Limits {
        idle_timeout: SHORT,
        ..FAR
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
        .await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_slow_upload_that_moves_is_served() {
    let server = Server::start(Limits {
        header_timeout: SHORT,
        idle_timeout: SHORT,
        ..FAR
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n")
        .await;
    let mut pace = tokio::time::interval(SHORT / 5);
    for _ in 0..10 {
        pace.tick().await;
        client.send("x").await;
    }
    assert_eq!(client.answer().await.body, "xxxxxxxxxx");
}

#[tokio::test]
async fn a_client_that_stops_reading_its_answer_is_cut() {
    let server = Server::start(Limits {
        idle_timeout: SHORT,
        ..FAR
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    soon(server.events.endless_dropped.notified()).await;
}

#[tokio::test]
async fn a_slow_handler_is_not_cut() {
    let server = Server::start(Limits {
        header_timeout: SHORT / 4,
        idle_timeout: SHORT / 4,
        ..FAR
    })
    .await;
    // One that takes its time before the answer, one that does so within it, and one that has a
    // body to read first.
    for (request, body) in [
        ("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", "slow"),
        ("GET /slow-body HTTP/1.0\r\nhost: a\r\n\r\n", "slow body"),
        (
            "POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
            "slow",
        ),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.ends_with(body), "{request}: {answer}");
    }
}

// ── Connections ─────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_for_another_to_end() {
    let server = Server::start(Limits {
        max_connections: 1,
        ..FAR
    })
    .await;
    let mut first = server.connect().await;
    first.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(first.answer().await.body, "hello");

    let mut second = server.connect().await;
    second.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let early = tokio::time::timeout(SHORT, second.0.readable()).await;
    assert!(early.is_err(), "the second connection was served");
    drop(first);
    assert_eq!(second.answer().await.body, "hello");
}

#[tokio::test]
async fn requests_share_a_connection_one_after_another_and_pipelined() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    let hello = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
    let echo = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    client.send(&format!("{hello}{echo}{hello}")).await;
    for body in ["hello", "abc", "hello"] {
        assert_eq!(client.answer().await.body, body);
    }
    client.send(echo).await;
    assert_eq!(client.answer().await.body, "abc");
}

#[tokio::test]
async fn a_body_that_fails_half_way_breaks_the_transfer() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    client.send("GET /broken HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("transfer-encoding: chunked"), "{answer}");
    assert!(answer.contains("first part"), "{answer}");
    assert!(!answer.contains("\r\n0\r\n"), "looks complete: {answer}");
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    let size = 8 * 1024 * 1024;
    client
        .send(&format!(
            "POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"
        ))
        .await;
    client.send(&"x".repeat(size)).await;
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn garbage_and_enormous_heads_are_refused() {
    let server = Server::start(FAR).await;
    let enormous = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    for (request, status) in [("garbage\r\n\r\n", 400), (&enormous, 431)] {
        let mut client = server.connect().await;
        client.send(request).await;
        assert_eq!(client.answer().await.status, status);
    }
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_nothing_else() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.rest().await, b"");

    let mut client = server.connect().await;
    client.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "hello");
}

// ── HTTP/2 ──────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn http2_is_served_to_clients_that_know() {
    let server = Server::start(Limits {
        idle_timeout: SHORT / 4,
        ..FAR
    })
    .await;
    let (client, _connection) = server.connect_http2().await;
    // At once on one connection; the slow one outlasts the idle timeout.
    let (hello, slow) = tokio::join!(get(&client, "/hello"), get(&client, "/slow"));
    assert_eq!(hello.unwrap(), (StatusCode::OK, Bytes::from("hello")));
    assert_eq!(slow.unwrap(), (StatusCode::OK, Bytes::from("slow")));
}

#[tokio::test]
async fn on_http2_a_broken_body_or_a_panic_ends_only_its_stream() {
    let server = Server::start(FAR).await;
    let (client, _connection) = server.connect_http2().await;
    get(&client, "/broken").await.unwrap_err();
    get(&client, "/panic").await.unwrap_err();
    assert_eq!(get(&client, "/hello").await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn an_idle_http2_connection_outlives_the_header_timeout_and_ends_at_the_idle_timeout() {
    let server = Server::start(Limits {
        header_timeout: SHORT / 4,
        idle_timeout: SHORT,
        ..FAR
    })
    .await;
    let (client, connection) = server.connect_http2().await;
    let sent = Instant::now();
    get(&client, "/hello").await.unwrap();
    let _ = soon(connection).await;
    assert!(sent.elapsed() >= SHORT);
}

// ── The end ─────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn stopping_closes_idle_connections_refuses_new_ones_and_lets_requests_finish() {
    let mut server = Server::start(FAR).await;
    let mut idle = server.connect().await;
    idle.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(idle.answer().await.body, "hello");
    let mut busy = server.connect().await;
    busy.send("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(server.events.gate_reached.recv()).await;
    let (http2, connection) = server.connect_http2().await;
    let busy_http2 = tokio::spawn(async move { get(&http2, "/gate").await });
    soon(server.events.gate_reached.recv()).await;

    server.stop.notify_one();
    assert_eq!(idle.rest().await, b"");
    let refused = TcpStream::connect(server.address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!server.task.is_finished());

    server.events.gate.notify_waiters();
    let answer = busy.answer().await;
    assert_eq!(answer.body, "through");
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    let (status, body) = soon(busy_http2).await.unwrap().unwrap();
    assert_eq!((status, body), (StatusCode::OK, Bytes::from("through")));
    soon(connection).await.unwrap().unwrap();
    soon(server.task).await.unwrap();
}

#[tokio::test]
async fn stopping_takes_no_longer_than_its_grace() {
    let mut server = Server::start(Limits {
        shutdown_grace: SHORT,
        ..FAR
    })
    .await;
    let mut client = server.connect().await;
    client.send("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(server.events.gate_reached.recv()).await;

    let stopped = Instant::now();
    server.stop.notify_one();
    soon(server.task).await.unwrap();
    assert!(stopped.elapsed() >= SHORT);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn one_signal_drains_and_a_second_ends_at_once() {
    let (app, mut events) = app();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = tokio::spawn(server::serve_until_signal(
        listener,
        app,
        FAR,
        server::shutdown_signal(),
    ));
    let terminate = || {
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::TERM).unwrap();
    };

    // The runtime has one thread: by the time a request is handled, the signals are listened for.
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    client.send("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(events.gate_reached.recv()).await;

    terminate();
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(closed).await;
    let drained = tokio::time::timeout(SHORT, &mut task).await;
    assert!(drained.is_err(), "did not wait for the running request");

    terminate();
    soon(task).await.unwrap();
    assert_eq!(client.rest().await, b"");
}

// ── The application and its server ──────────────────────────────────────────────────────────────

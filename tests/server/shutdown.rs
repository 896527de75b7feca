//! The shutdown of the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ecommerce_api::server::{self, Limits};
use poem::http::StatusCode;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Client, ReceivedResponse, Server, app, get, soon};
use crate::{FAR, SHORT};

#[tokio::test]
async fn stopping_closes_idle_connections_refuses_new_ones_and_lets_requests_finish() {
    let mut server = Server::start(FAR).await;
    let mut idle = server.connect().await;
    idle.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(idle.response().await.body, "hello");
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(server.events.wait_reached.recv()).await;
    let (http2, connection) = server.connect_http2().await;
    let busy_http2 = tokio::spawn(async move { get(&http2, "/wait").await });
    soon(server.events.wait_reached.recv()).await;

    server.stop.notify_one();
    assert_eq!(idle.rest().await, b"");
    let refused = TcpStream::connect(server.address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!server.task.is_finished());

    server.events.release.notify_waiters();
    let response = busy.response().await;
    assert_eq!(response.body, "released");
    assert!(
        response.head.contains("connection: close"),
        "{}",
        response.head
    );
    let (status, body) = soon(busy_http2).await.unwrap().unwrap();
    assert_eq!((status, body), (StatusCode::OK, Bytes::from("released")));
    soon(connection).await.unwrap().unwrap();
    soon(server.task).await.unwrap();
}

/// Whether the response is the last one of its connection.
fn is_last(response: &ReceivedResponse) -> bool {
    response.head.contains("connection: close")
}

/// Sends requests without a pause, and opens another connection after each response that ends one.
/// Fails when a request has no response. Returns once `connections` have ended.
async fn keep_sending(address: SocketAddr, connections: usize, sent: Arc<AtomicUsize>) {
    for _ in 0..connections {
        let mut client = Client(TcpStream::connect(address).await.unwrap());
        loop {
            client.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
            let response = client.response().await;
            assert_eq!(response.body, "hello");
            sent.fetch_add(1, Ordering::Relaxed);
            if is_last(&response) {
                assert_eq!(client.rest().await, b"");
                break;
            }
        }
    }
}

/// Stops a server under load, and returns when each of many clients has seen `connections` end.
async fn stop_under_load(server: &Server, connections: usize) {
    let sent = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..32)
        .map(|_| tokio::spawn(keep_sending(server.address, connections, Arc::clone(&sent))))
        .collect();
    while sent.load(Ordering::Relaxed) < 1000 {
        tokio::task::yield_now().await;
    }
    server.stop.notify_one();
    for client in clients {
        soon(client).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_on_a_kept_connection_fails() {
    let server = Server::start(FAR).await;
    stop_under_load(&server, 1).await;
    soon(server.task).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_on_a_new_connection_fails_during_the_delay() {
    let server = Server::start(Limits {
        shutdown_delay: Duration::from_hours(1),
        ..FAR
    })
    .await;
    stop_under_load(&server, 4).await;
    assert!(server.events.is_stopping.load(Ordering::Relaxed));
    server.task.abort();
}

#[tokio::test]
async fn an_idle_connection_may_send_one_more_request() {
    let server = Server::start(Limits {
        last_request: FAR.shutdown_grace,
        ..FAR
    })
    .await;
    let mut idle = server.connect().await;
    idle.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!is_last(&idle.response().await));
    let (idle_http2, connection) = server.connect_http2().await;
    get(&idle_http2, "/hello").await.unwrap();

    server.stop.notify_one();
    let closed = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(closed).await;
    assert!(server.events.is_stopping.load(Ordering::Relaxed));
    idle.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(is_last(&idle.response().await));
    assert_eq!(idle.rest().await, b"");
    let (status, _) = get(&idle_http2, "/hello").await.unwrap();
    assert_eq!(status, StatusCode::OK);
    soon(connection).await.unwrap().unwrap();
    // Connections that no longer exist are not waited for.
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
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(server.events.wait_reached.recv()).await;

    let stopped = Instant::now();
    server.stop.notify_one();
    soon(server.task).await.unwrap();
    assert!(stopped.elapsed() >= SHORT);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_first_signal_drains_and_a_second_ends_at_once() {
    let (app, mut events) = app();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = tokio::spawn(server::serve_until_signal(
        listener,
        app,
        None,
        FAR,
        server::shutdown_signal(),
    ));
    let terminate = || {
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::TERM).unwrap();
    };

    // The runtime has one thread: when a request is handled, the signal handlers are installed.
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(events.wait_reached.recv()).await;

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

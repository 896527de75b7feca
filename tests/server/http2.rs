//! HTTP/2 with prior knowledge.

use std::time::Instant;

use bytes::Bytes;
use ecommerce_api::server::Limits;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use poem::http::{Request, StatusCode};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::harness::{Server, begin, get, soon};
use crate::{FAR, SHORT};

#[tokio::test]
async fn http2_is_served_with_prior_knowledge() {
    let server = Server::start(Limits {
        idle_timeout: SHORT / 4,
        ..FAR
    })
    .await;
    let (client, _connection) = server.connect_http2().await;
    // Two requests at once on one connection; the slow one takes longer than the idle timeout.
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

#[tokio::test]
async fn an_http2_connection_may_send_little_that_no_request_reads() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    let settings = "\0\0\0\x04\0\0\0\0\0";
    client
        .send(&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{settings}"))
        .await;
    let (mut stream, mut connection) = (None, None);
    while stream.is_none() || connection.is_none() {
        let mut head = [0; 9];
        soon(client.0.read_exact(&mut head)).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length.try_into().unwrap()];
        soon(client.0.read_exact(&mut payload)).await.unwrap();
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        match head[3] {
            // SETTINGS: the fourth one is the window of each stream.
            4 => {
                let mut settings = payload.chunks(6);
                let window = settings.find(|setting| setting[..2] == [0, 4]);
                stream = stream.or(window.map(|setting| number(&setting[2..])));
            }
            // WINDOW_UPDATE, added to the window that each connection begins with.
            8 => connection = Some(65_535 + number(&payload)),
            _ => {}
        }
    }
    let windows = (stream.unwrap(), connection.unwrap());
    assert_eq!(windows, (64 * 1024, 256 * 1024));
}

/// Limits for a client that sends PINGs and has to read.
const READING: Limits = Limits {
    idle_timeout: SHORT.saturating_mul(4),
    reading_timeout: SHORT,
    ..FAR
};

#[tokio::test]
async fn a_response_whose_client_only_sends_pings_is_reset() {
    let server = Server::start(READING).await;
    let (client, _connection) = server.connect_http2_with_pings(0).await;
    let _unread = begin(&client, "/endless").await;
    soon(server.events.endless_dropped.notified()).await;
}

#[tokio::test]
async fn responses_in_the_buffers_of_http2_are_reset_when_their_client_does_not_read() {
    let server = Server::start(READING).await;
    for window in [0, 1] {
        let (client, connection) = server.connect_http2_with_pings(window).await;
        let _unread = begin(&client, "/large").await;
        soon(server.events.large_dropped.notified()).await;
        drop(client);
        let _ = soon(connection).await;
    }
}

#[tokio::test]
async fn the_reset_of_an_unread_response_leaves_other_requests_alone() {
    let mut server = Server::start(READING).await;
    let (client, _connection) = server.connect_http2_with_pings(1).await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { get(&client, "/wait").await }
    });
    soon(server.events.wait_reached.recv()).await.unwrap();
    let _unread = begin(&client, "/endless").await;
    soon(server.events.endless_dropped.notified()).await;
    server.events.release.notify_waiters();
    let released = soon(waiting).await.unwrap().unwrap();
    assert_eq!(released, (StatusCode::OK, Bytes::from("released")));
}

#[tokio::test]
async fn a_connection_whose_last_response_is_in_the_buffers_of_http2_is_not_idle() {
    let server = Server::start(Limits {
        max_connections: 1,
        ..FAR
    })
    .await;
    let (client, _connection) = server.connect_http2_with_pings(1).await;
    let unread = begin(&client, "/hello").await;
    let mut other = server.connect().await;
    other.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let early = tokio::time::timeout(SHORT, other.response()).await;
    assert!(early.is_err(), "the other client has the slot");
    let body = soon(unread.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "hello");
    assert_eq!(other.response().await.body, "hello");
}

#[tokio::test]
async fn bodies_that_no_handler_reads_leave_the_window_to_other_streams() {
    let mut server = Server::start(FAR).await;
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut client, connection) = soon(handshake).await.unwrap();
    tokio::spawn(connection);
    let body = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut waiting = Vec::new();
    for _ in 0..99 {
        let request = Request::get("http://a/wait").body(Full::new(body.clone()));
        waiting.push(tokio::spawn(client.send_request(request.unwrap())));
        soon(server.events.wait_reached.recv()).await.unwrap();
    }
    let request = Request::post("http://a/echo").body(Full::new(body.clone()));
    let response = soon(client.send_request(request.unwrap())).await.unwrap();
    let echoed = soon(response.into_body().collect()).await.unwrap();
    assert_eq!(echoed.to_bytes(), body);
}

//! How long the server waits for a client that is silent.

use std::time::Instant;

use ecommerce_api::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Server, soon};
use crate::{FAR, SHORT};

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
            assert_eq!(client.response().await.body, "hello");
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
    assert_eq!(client.response().await.body, "hello");
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
    assert_eq!(client.response().await.body, "xxxxxxxxxx");
}

#[tokio::test]
async fn a_client_that_stops_reading_its_response_is_cut() {
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
    // One that takes its time before the response, one that does so within it, and one that has a
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
        let response = String::from_utf8(client.rest().await).unwrap();
        assert!(response.ends_with(body), "{request}: {response}");
    }
}

//! How long the server waits for a silent client.

use std::time::Instant;

use ecommerce_api::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Server, soon};
use crate::{FAR, SHORT};

#[tokio::test]
async fn a_client_that_never_sends_a_byte_is_disconnected_after_the_header_timeout() {
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
async fn a_head_that_trickles_in_is_disconnected_after_the_header_timeout() {
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
        // The server closes with unread bytes, which the client sees as an end or as a reset.
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
async fn a_client_that_stops_in_its_body_is_disconnected() {
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
async fn a_slow_body_that_keeps_arriving_is_served() {
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
async fn a_client_that_stops_reading_its_response_is_disconnected() {
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
async fn a_client_of_a_slow_handler_is_not_disconnected() {
    let server = Server::start(Limits {
        header_timeout: SHORT / 4,
        idle_timeout: SHORT / 4,
        ..FAR
    })
    .await;
    // A handler that is slow before its response, one that is slow within it, and one that reads a
    // body first.
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

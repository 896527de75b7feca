//! The share of one address, and which connection is closed when there are too many.

use std::time::Duration;

use ecommerce_api::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::FAR;
use crate::harness::{Client, Server, soon};

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";

/// An address without limits, as the application of these tests says.
const EXEMPT: u8 = 1;

fn slots(max_connections: usize) -> Limits {
    Limits {
        max_connections,
        ..FAR
    }
}

async fn greet(client: &mut Client) {
    client.send(HELLO).await;
    assert_eq!(client.response().await.body, "hello");
}

/// Sends a request that stays in progress until the test releases it.
async fn wait(server: &mut Server, client: &mut Client) {
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(server.events.wait_reached.recv()).await;
}

/// Waits until the server has closed the connection, and returns whether it sent nothing before.
async fn is_closed_without_a_byte(client: &mut Client) -> bool {
    let mut rest = Vec::new();
    // The server may close with unread bytes, which the client sees as a reset.
    let _ = soon(client.0.read_to_end(&mut rest)).await;
    rest.is_empty()
}

#[tokio::test]
async fn an_address_whose_whole_share_is_in_use_is_refused_and_another_is_served() {
    let mut server = Server::start(Limits {
        address_connections: 2,
        ..FAR
    })
    .await;
    let mut first = server.connect_from(2).await;
    let mut second = server.connect_from(2).await;
    for client in [&mut first, &mut second] {
        wait(&mut server, client).await;
    }
    let mut third = server.connect_from(2).await;
    assert!(is_closed_without_a_byte(&mut third).await);
    greet(&mut server.connect_from(3).await).await;
    server.events.release.notify_waiters();
    assert_eq!(first.response().await.body, "released");
    assert_eq!(second.response().await.body, "released");

    // A connection that ends gives its part of the share back.
    wait(&mut server, &mut first).await;
    drop(second);
    let again = async {
        loop {
            let mut client = server.connect_from(2).await;
            let _ = client.0.write_all(HELLO.as_bytes()).await;
            if client.0.read_u8().await.is_ok() {
                return;
            }
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn an_idle_connection_gives_way_to_another_of_its_address_the_oldest_first() {
    let server = Server::start(Limits {
        address_connections: 2,
        ..FAR
    })
    .await;
    let mut other = server.connect_from(3).await;
    greet(&mut other).await;
    let mut first = server.connect_from(2).await;
    let mut second = server.connect_from(2).await;
    greet(&mut first).await;
    greet(&mut second).await;
    greet(&mut first).await;
    // Now the second one has been idle longest.
    let mut third = server.connect_from(2).await;
    greet(&mut third).await;
    assert!(is_closed_without_a_byte(&mut second).await);
    greet(&mut first).await;
    greet(&mut third).await;
    greet(&mut other).await;
}

#[tokio::test]
async fn no_address_has_more_than_a_quarter_of_the_slots() {
    let mut server = Server::start(slots(8)).await;
    let mut held = [server.connect_from(2).await, server.connect_from(2).await];
    for client in &mut held {
        wait(&mut server, client).await;
    }
    assert!(is_closed_without_a_byte(&mut server.connect_from(2).await).await);
}

#[tokio::test]
async fn an_exempt_address_has_no_share() {
    let server = Server::start(Limits {
        address_connections: 1,
        ..FAR
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut client = server.connect_from(EXEMPT).await;
        greet(&mut client).await;
        held.push(client);
    }
}

#[tokio::test]
async fn silent_connections_on_all_slots_give_way_the_oldest_first() {
    let server = Server::start(slots(4)).await;
    let mut silent = Vec::new();
    for host in 2..6 {
        silent.push(server.connect_from(host).await);
    }
    // Part of a head is not a request.
    silent[0].send("GET /hello HTTP/1.1\r\nho").await;
    let mut new = server.connect_from(6).await;
    greet(&mut new).await;
    assert!(is_closed_without_a_byte(&mut silent[0]).await);
    greet(&mut silent[1]).await;
    // Now the third one has been idle longest.
    greet(&mut server.connect_from(7).await).await;
    assert!(is_closed_without_a_byte(&mut silent[2]).await);
    greet(&mut silent[1]).await;
    greet(&mut silent[3]).await;
}

#[tokio::test]
async fn many_more_silent_connections_than_slots_do_not_keep_a_client_waiting() {
    let server = Server::start(slots(80)).await;
    let mut silent = Vec::new();
    for host in 2..102 {
        for _ in 0..4 {
            silent.push(server.connect_from(host).await);
        }
    }
    greet(&mut server.connect_from(200).await).await;
}

#[tokio::test]
async fn an_exempt_connection_is_closed_only_when_no_other_is_idle() {
    let server = Server::start(slots(2)).await;
    let mut exempt = server.connect_from(EXEMPT).await;
    greet(&mut exempt).await;
    let mut silent = server.connect_from(2).await;
    let mut busy = server.connect_from(3).await;
    assert!(is_closed_without_a_byte(&mut silent).await);
    greet(&mut exempt).await;
    busy.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut server = server;
    soon(server.events.wait_reached.recv()).await;
    greet(&mut server.connect_from(4).await).await;
    assert!(is_closed_without_a_byte(&mut exempt).await);
}

#[tokio::test]
async fn a_connection_with_a_request_in_progress_is_not_closed_for_another() {
    let mut server = Server::start(slots(3)).await;
    let mut busy = server.connect_from(2).await;
    busy.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(server.events.wait_reached.recv()).await;
    let mut sending = server.connect_from(3).await;
    sending
        .send("POST /slow HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await;
    // The server reads the body.
    assert_eq!(sending.response().await.status, 100);
    let mut idle = server.connect_from(4).await;
    greet(&mut idle).await;
    for host in 5..8 {
        greet(&mut server.connect_from(host).await).await;
    }
    assert!(is_closed_without_a_byte(&mut idle).await);
    sending.send("abc").await;
    assert_eq!(sending.response().await.body, "slow");
    server.events.release.notify_waiters();
    assert_eq!(busy.response().await.body, "released");
}

#[tokio::test]
async fn while_no_connection_is_idle_a_new_one_waits_until_one_is() {
    let mut server = Server::start(slots(1)).await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(server.events.wait_reached.recv()).await;
    let mut next = server.connect().await;
    next.send(HELLO).await;
    let early = tokio::time::timeout(crate::SHORT, next.0.readable()).await;
    assert!(early.is_err(), "the second connection was served");
    server.events.release.notify_waiters();
    assert_eq!(busy.response().await.body, "released");
    assert_eq!(next.response().await.body, "hello");
    assert!(is_closed_without_a_byte(&mut busy).await);
}

// ── HTTP/2 ──────────────────────────────────────────────────────────────────────────────────────

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM_AND_HEADERS: u8 = 5;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The types of the frames.
fn kinds(mut frames: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [a, b, c, kind, ..] = *frames {
        kinds.push(kind);
        let length = u32::from_be_bytes([0, a, b, c]);
        let end = 9 + usize::try_from(length).unwrap();
        frames = frames.get(end..).unwrap_or_default();
    }
    kinds
}

#[tokio::test]
async fn an_http2_connection_that_only_pings_is_closed_in_favour_of_a_new_one() {
    // GET /hello, in HPACK: three indexed headers, and two with a literal value.
    let request = b"\x82\x86\x04\x06/hello\x41\x01a";
    let request = frame(HEADERS, END_STREAM_AND_HEADERS, 1, request);
    for request in [&request[..], &[]] {
        let server = Server::start(slots(2)).await;
        let client = server.connect_from(2).await;
        let (mut from, mut to) = client.0.into_split();
        let start = [PREFACE, &frame(SETTINGS, 0, 0, &[]), request].concat();
        to.write_all(&start).await.unwrap();
        let pings = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(5));
            while to.write_all(&frame(PING, 0, 0, &[7; 8])).await.is_ok() {
                pace.tick().await;
            }
        });
        let mut frames = Vec::new();
        let is_ping = |kind: &u8| *kind == PING;
        let pings_in = |frames: &[u8]| kinds(frames).into_iter().filter(is_ping).count();
        let mut newer = server.connect_from(3).await;
        // The server has acknowledged a ping before the newer connection has its request, and several after.
        for more in [1, 3] {
            let enough = pings_in(&frames) + more;
            while pings_in(&frames) < enough {
                let read = soon(from.read_buf(&mut frames)).await.unwrap();
                assert_ne!(read, 0);
            }
            if more == 1 {
                greet(&mut newer).await;
            }
        }
        greet(&mut server.connect_from(4).await).await;
        let _ = soon(from.read_to_end(&mut frames)).await;
        assert!(kinds(&frames).contains(&GOAWAY), "{:?}", kinds(&frames));
        soon(pings).await.unwrap();
        greet(&mut newer).await;
    }
}

//! Connections that begin with a header of the PROXY protocol.

use ecommerce_api::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Client, Server, soon};
use crate::{FAR, SHORT};

const PROXY: u8 = 2;
const REQUEST: &str = "GET /client HTTP/1.1\r\nhost: a\r\n\r\n";
const WAIT: &str = "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n";

/// The header for a connection from 192.0.2.`client`, port 4096.
pub fn header(client: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, client, 10, 0, 0, 1, 0x10, 0, 0, 80];
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &addresses].concat()
}

/// The header for a connection of the proxy itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

async fn connect(server: &Server, from: u8, bytes: &[u8]) -> Client {
    let mut client = server.connect_from(from).await;
    // The server may have closed the connection.
    let _ = client.0.write_all(bytes).await;
    client
}

async fn is_closed_without_a_byte(client: &mut Client) -> bool {
    let mut rest = Vec::new();
    // An end, or a reset if not everything was read.
    let _ = soon(client.0.read_to_end(&mut rest)).await;
    rest.is_empty()
}

#[tokio::test]
async fn the_client_is_the_source_in_the_header() {
    let server = Server::start_behind_proxy(None, FAR).await;
    let mut client = connect(&server, PROXY, &[&header(7), REQUEST.as_bytes()].concat()).await;
    assert!(client.response().await.body.ends_with("192.0.2.7:4096"));
    // The header is that of the connection, not of a request.
    client.send(REQUEST).await;
    assert!(client.response().await.body.ends_with("192.0.2.7:4096"));

    let mut client = connect(&server, PROXY, &[LOCAL, REQUEST.as_bytes()].concat()).await;
    let own = client.0.local_addr().unwrap().to_string();
    assert!(client.response().await.body.ends_with(&own));
}

#[tokio::test]
async fn a_header_in_parts_is_read_whole() {
    let server = Server::start_behind_proxy(None, FAR).await;
    for at in [1, 12, 16, 20] {
        let header = header(7);
        let (start, rest) = header.split_at(at);
        let mut client = connect(&server, PROXY, start).await;
        tokio::task::yield_now().await;
        client.0.write_all(rest).await.unwrap();
        client.send(REQUEST).await;
        assert!(client.response().await.body.ends_with("192.0.2.7:4096"));
    }
}

#[tokio::test]
async fn connections_without_a_header_and_from_elsewhere_are_closed() {
    let server = Server::start_behind_proxy(None, FAR).await;
    let version_1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 4096 80\r\n";
    for (from, start) in [(PROXY, &b""[..]), (PROXY, version_1), (3, &header(7))] {
        let bytes = [start, REQUEST.as_bytes()].concat();
        let mut client = connect(&server, from, &bytes).await;
        assert!(
            is_closed_without_a_byte(&mut client).await,
            "{from} {start:?}"
        );
    }
}

#[tokio::test]
async fn a_header_that_does_not_arrive_ends_the_connection_within_the_header_timeout() {
    let server = Server::start_behind_proxy(
        None,
        Limits {
            header_timeout: SHORT,
            ..FAR
        },
    )
    .await;
    for start in [&b""[..], &header(7)[..20]] {
        let mut client = connect(&server, PROXY, start).await;
        assert!(is_closed_without_a_byte(&mut client).await, "{start:?}");
    }
}

#[tokio::test]
async fn connections_are_counted_by_the_network_of_the_client() {
    let mut server = Server::start_behind_proxy(
        None,
        Limits {
            address_connections: 1,
            ..FAR
        },
    )
    .await;
    let wait = |client| [&header(client), WAIT.as_bytes()].concat();
    let mut first = connect(&server, PROXY, &wait(7)).await;
    soon(server.events.wait_reached.recv()).await;
    let mut second = connect(&server, PROXY, &wait(7)).await;
    assert!(is_closed_without_a_byte(&mut second).await);
    let mut other = connect(&server, PROXY, &wait(8)).await;
    soon(server.events.wait_reached.recv()).await;
    server.events.release.notify_waiters();
    for client in [&mut first, &mut other] {
        assert_eq!(client.response().await.body, "released");
    }
    // The first one is idle now, and gives way.
    let mut third = connect(&server, PROXY, &[&header(7), REQUEST.as_bytes()].concat()).await;
    assert_eq!(third.response().await.status, 200);
    assert!(is_closed_without_a_byte(&mut first).await);
}

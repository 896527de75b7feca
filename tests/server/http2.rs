//! HTTP/2 with prior knowledge.

use std::time::Instant;

use bytes::Bytes;
use ecommerce_api::server::Limits;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use poem::http::{Request, StatusCode};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::harness::{Server, get, soon};
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

#[tokio::test]
async fn a_client_that_only_sends_pings_while_it_has_to_read_is_disconnected() {
    let server = Server::start(Limits {
        idle_timeout: 4 * SHORT,
        reading_timeout: SHORT,
        ..FAR
    })
    .await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(0)
        .keep_alive_interval(SHORT / 4)
        .handshake(TokioIo::new(stream));
    let (mut client, connection) = soon(handshake).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a/endless");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let _unread = soon(client.send_request(request)).await.unwrap();
    soon(server.events.endless_dropped.notified()).await;
    let _ = soon(connection).await;
}

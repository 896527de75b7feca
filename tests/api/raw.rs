//! Requests that are written to the connection byte by byte, valid or not.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::conformance::check;
use crate::common::rejection;
use crate::common::wire::{Received, Sent};
use crate::harness::Shop;

/// Writes the bytes of `request` and reads until the server closes the connection. Checks the response,
/// and returns its head, in lower case, and its body.
pub async fn send_raw(shop: &Shop, request: impl AsRef<[u8]>) -> (String, String) {
    let response = exchange(shop, request.as_ref()).await;
    check(&Sent::read(request.as_ref()), &Received::read(&response));
    split_head(&response)
}

/// Sends bytes that are not valid HTTP, like [`send_raw`]. The server rejects them before there is a
/// request that a response could be checked against.
pub async fn send_malformed(shop: &Shop, request: impl AsRef<[u8]>) -> (String, String) {
    let response = exchange(shop, request.as_ref()).await;
    let received = Received::read(&response);
    let violations = rejection::violations(&received);
    assert!(violations.is_empty(), "{violations:?}");
    split_head(&response)
}

async fn exchange(shop: &Shop, request: &[u8]) -> Vec<u8> {
    let address: SocketAddr = shop.address.parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    response
}

fn split_head(response: &[u8]) -> (String, String) {
    let response = String::from_utf8(response.to_vec()).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

/// A request line and the headers that every raw request needs. Other headers and an empty line must
/// follow.
pub fn request_head(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
}

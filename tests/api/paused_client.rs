//! A client that pauses after the first bytes of a response.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::common::conformance::check;
use crate::common::wire::{Received, Sent};
use crate::harness::Shop;

const STATUS_LINE: &[u8; 15] = b"HTTP/1.1 200 OK";

/// A client that has read only the status line of a response.
pub struct PausedClient {
    stream: TcpStream,
    sent: Sent,
}

impl PausedClient {
    /// Sends a GET and reads the status line of the response. `headers` are lines that end with `\r\n`.
    pub async fn get(shop: &Shop, path: &str, headers: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(256 * 1024).unwrap();
        let address = shop.address.parse().unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let head = "Host: localhost\r\nConnection: close\r\n";
        let request = format!("GET {path} HTTP/1.1\r\n{head}{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; STATUS_LINE.len()];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, STATUS_LINE);
        let sent = Sent::read(request.as_bytes());
        Self { stream, sent }
    }

    /// Reads until the connection is closed or reset. Checks and returns the bytes that arrived, with the
    /// status line.
    pub async fn read_to_end(mut self) -> Vec<u8> {
        let mut response = STATUS_LINE.to_vec();
        let reading = self.stream.read_to_end(&mut response);
        let _ = tokio::time::timeout(Duration::from_secs(30), reading)
            .await
            .expect("the connection ends");
        let mut received = Received::read(&response);
        received.is_whole &= received.header("content-encoding").is_none();
        check(&self.sent, &received);
        response
    }
}

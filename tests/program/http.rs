//! A minimal client: one request for each connection, whose response it reads to the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::conformance::check;
use crate::common::wire::{Received, Sent};

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    received: Received,
    pub body: String,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.received.header(name)
    }
}

/// A request that was sent and whose response was not read yet.
pub struct Pending {
    stream: TcpStream,
    sent: Sent,
}

impl Pending {
    /// Waits until the response has begun, without reading it.
    #[track_caller]
    pub fn begins(&self) {
        assert_ne!(self.stream.peek(&mut [0]).unwrap(), 0);
    }

    /// Waits for the whole response, and checks it against the contract.
    #[track_caller]
    pub fn response(mut self) -> Response {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        let received = Received::read(&bytes);
        check(&self.sent, &received);
        Response {
            status: received.status,
            body: String::from_utf8(received.body.clone()).unwrap(),
            received,
        }
    }
}

/// Sends a request. A `Host` among the headers replaces the address.
pub fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Pending {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let mut head = format!("{method} {path} HTTP/1.1");
    let length = body.len().to_string();
    let mut own = vec![("Connection", "close"), ("Content-Length", &length)];
    if !headers.iter().any(|(name, _)| *name == "Host") {
        own.push(("Host", address));
    }
    for (name, value) in own.iter().chain(headers) {
        head.extend(["\r\n", name, ": ", value]);
    }
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let sent = Sent::new(method, path, headers, body.as_bytes());
    Pending { stream, sent }
}

/// `GET path`.
pub fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    send(address, "GET", path, headers, "").response()
}

/// A request with a JSON body.
pub fn send_json(address: &str, method: &str, path: &str, body: &str) -> Response {
    let json = [("Content-Type", "application/json")];
    send(address, method, path, &json, body).response()
}

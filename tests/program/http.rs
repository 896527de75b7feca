//! A client as small as can be: one request a connection, the answer read to its end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A request that is on its way.
pub struct Pending(TcpStream);

impl Pending {
    /// Waits for the whole answer.
    pub fn answer(mut self) -> Answer {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

/// Sends a request. A `Host` among the headers stands in for the address.
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
    Pending(stream)
}

/// `GET path`.
pub fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(address, "GET", path, headers, "").answer()
}

/// A request with a JSON body.
pub fn send_json(address: &str, method: &str, path: &str, body: &str) -> Answer {
    let json = [("Content-Type", "application/json")];
    send(address, method, path, &json, body).answer()
}

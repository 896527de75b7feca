//! The responses to requests that are not valid HTTP, and their log lines.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::common::rejection;
use crate::common::wire::Received;
use crate::database::Database;
use crate::process::{Server, directory};

/// Sends `request`; returns the response, which ends the connection, and the client's address.
#[track_caller]
fn exchange(server: &Server, request: &str) -> (Received, String) {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let received = Received::read(&bytes);
    (received, stream.local_addr().unwrap().to_string())
}

#[test]
fn a_request_that_is_not_valid_http_gets_the_error_envelope_and_a_log_line() {
    let database = Database::empty("rejections");
    let variables = [database.setting(), ("MIGRATE_ON_START", "true")];
    let server = Server::start(directory().path(), &variables);
    let many = "X-Header: x\r\n".repeat(101);
    for (request, status, code, problem) in [
        (
            "GET /api/users?email=\"a@b.c\" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "VALIDATION_ERROR",
            "URI",
        ),
        (
            &format!("GET /api/users HTTP/1.1\r\n{many}\r\n"),
            431,
            "REQUEST_HEADER_FIELDS_TOO_LARGE",
            "too large",
        ),
        (
            "POST /api/users HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            400,
            "VALIDATION_ERROR",
            "transfer coding",
        ),
        (
            "POST /api/users HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n",
            501,
            "NOT_IMPLEMENTED",
            "transfer coding",
        ),
    ] {
        let (received, peer) = exchange(&server, request);
        assert_eq!(received.status, status, "{received:?}");
        let violations = rejection::violations(&received);
        assert!(violations.is_empty(), "{violations:?}");
        let body: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(body["error"]["code"], code, "{body}");
        let id = received.header("x-request-id").unwrap();
        let line = server.await_line(id);
        for part in [&peer, &format!("status={status}"), problem] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
}

#[test]
fn options_of_the_whole_server_is_an_empty_success() {
    let database = Database::empty("options");
    let variables = [database.setting(), ("MIGRATE_ON_START", "true")];
    let server = Server::start(directory().path(), &variables);
    let request = "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (received, _) = exchange(&server, request);
    assert_eq!(received.status, 204);
    assert_eq!(received.body, b"");
}

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
fn a_body_with_no_known_end_is_rejected_like_any_request_and_ends_the_connection() {
    let database = Database::empty("codings");
    let variables = [
        database.setting(),
        ("MIGRATE_ON_START", "true"),
        ("CORS_ALLOW_ORIGIN", "https://a.example"),
        ("CONTRACT_VALIDATION", "enforce"),
        ("LOG_FORMAT", "json"),
    ];
    let server = Server::start(directory().path(), &variables);
    let next = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (first, host, codings, status, code) in [
        (
            "POST /api/users",
            "localhost",
            "chunked, chunked",
            400,
            "VALIDATION_ERROR",
        ),
        (
            "POST /api/users",
            "localhost",
            "cow, chunked",
            501,
            "NOT_IMPLEMENTED",
        ),
        (
            "PUT /nothing",
            "localhost",
            "cow, chunked",
            501,
            "NOT_IMPLEMENTED",
        ),
        (
            "OPTIONS /api/users",
            "localhost",
            "cow, chunked",
            501,
            "NOT_IMPLEMENTED",
        ),
        (
            "POST /api/users",
            "evil.example",
            "cow, chunked",
            400,
            "VALIDATION_ERROR",
        ),
    ] {
        let id = format!("mine-{}-{status}-{}", first.len(), host.len());
        let request = format!(
            "{first} HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: {id}\r\n\
             Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n\
             Transfer-Encoding: {codings}\r\n\r\n0\r\n\r\n{next}"
        );
        let (received, peer) = exchange(&server, &request);
        assert_eq!(received.status, status, "{received:?}");
        for (name, value) in [
            ("access-control-allow-origin", "https://a.example"),
            ("connection", "close"),
            ("content-length", &received.body.len().to_string()),
            ("content-type", "application/json"),
            ("x-request-id", &id),
        ] {
            assert_eq!(received.header(name), Some(value), "{request}");
        }
        let body: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(body["error"]["code"], code, "{body}");
        assert_eq!(body["success"], false, "{body}");
        let names_host = body["error"]["details"][0]["field"] == "Host";
        assert_eq!(names_host, host != "localhost", "{body}");

        let line: Value = serde_json::from_str(&server.await_line(&id)).unwrap();
        let (method, path) = first.split_once(' ').unwrap();
        assert_eq!(line["method"], method, "{line}");
        assert_eq!(line["path"], path, "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert_eq!(line["peer"], peer, "{line}");
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

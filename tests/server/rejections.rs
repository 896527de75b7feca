//! Requests that are rejected before the application sees them, and bodies that it does not read.
//! The client gets a response, which says if the connection ends.

use crate::FAR;
use crate::harness::{Client, Server};

/// Asserts that the response is the application's rejection, and the last on its connection.
async fn assert_rejected(client: &mut Client, status: u16, request: &str) {
    let response = client.response().await;
    assert_eq!(response.status, status, "{request}");
    assert_eq!(response.body, format!("rejected: {status}"), "{request}");
    for line in ["connection: close\r\n", "x-request-id: of-a-rejection\r\n"] {
        assert!(response.head.contains(line), "{request}: {}", response.head);
    }
    assert_eq!(client.rest().await, b"", "{request}");
}

#[tokio::test]
async fn an_invalid_http_request_gets_the_application_s_response() {
    let server = Server::start(FAR).await;
    let enormous = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101));
    let coded = |codings: &str| {
        format!("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {codings}\r\n\r\n0\r\n\r\n")
    };
    for (request, status) in [
        ("garbage\r\n\r\n", 400),
        ("GET /hello?x=\"y\" HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nhost : a\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (&coded("cow"), 400),
        (&coded("chunked, cow"), 400),
        (&enormous, 431),
        (&long, 431),
        (&many, 431),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        assert_rejected(&mut client, status, request).await;

        // After a request that is served, in a packet of its own or in the same packet.
        let hello = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
        for is_pipelined in [false, true] {
            let mut client = server.connect().await;
            if is_pipelined {
                client.send(&format!("{hello}{request}")).await;
                assert_eq!(client.response().await.body, "hello");
            } else {
                client.send(hello).await;
                assert_eq!(client.response().await.body, "hello");
                client.send(request).await;
            }
            assert_rejected(&mut client, status, request).await;
        }
    }
}

#[tokio::test]
async fn an_invalid_request_after_one_in_http_1_0_gets_the_application_s_response() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    client
        .send("GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    assert_eq!(client.response().await.body, "hello");
    let request = "GET /hello?x=\"y\" HTTP/1.0\r\n\r\n";
    client.send(request).await;
    assert_rejected(&mut client, 400, request).await;
}

#[tokio::test]
async fn a_hundred_headers_are_served() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    let hundred = "x: y\r\n".repeat(99);
    let request = format!("GET /hello HTTP/1.1\r\nhost: a\r\n{hundred}\r\n");
    client.send(&request).await;
    assert_eq!(client.response().await.body, "hello");
}

#[tokio::test]
async fn a_response_of_the_application_is_never_replaced() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    // A response with the status and the empty body of one of hyper's own.
    let request = "GET /bad HTTP/1.1\r\nhost: a\r\n\r\n";
    client.send(&format!("{request}{request}")).await;
    for _ in 0..2 {
        let response = client.response().await;
        assert_eq!((response.status, response.body.as_str()), (400, ""));
        assert!(!response.head.contains("x-request-id"), "{}", response.head);
    }
}

#[tokio::test]
async fn an_unread_body_that_has_arrived_does_not_end_the_connection() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    for body in [
        "content-length: 3\r\n\r\nabc",
        "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        let request = format!("POST /too-large HTTP/1.1\r\nhost: a\r\n{body}");
        for _ in 0..2 {
            client.send(&request).await;
            let response = client.response().await;
            assert_eq!(response.status, 413);
            assert!(!response.head.contains("connection"), "{}", response.head);
        }
    }
}

#[tokio::test]
async fn a_response_that_ends_the_connection_says_so() {
    let server = Server::start(FAR).await;
    for rest in [
        // The body has not arrived, waits for `100 Continue`, or is too long to be discarded.
        "content-length: 3\r\n\r\n",
        "content-length: 3\r\nexpect: 100-continue\r\n\r\n",
        &format!("content-length: 100000\r\n\r\n{}", "x".repeat(100_000)),
        // The end of the body cannot be found.
        "transfer-encoding: chunked\r\n\r\nnonsense\r\n",
    ] {
        let mut client = server.connect().await;
        client
            .send(&format!("POST /too-large HTTP/1.1\r\nhost: a\r\n{rest}"))
            .await;
        let response = client.response().await;
        assert_eq!(response.status, 413);
        assert!(
            response.head.contains("connection: close"),
            "{}",
            response.head
        );
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn the_application_can_end_the_connection_without_reading_the_body() {
    let server = Server::start(FAR).await;
    for body in [
        "content-length: 3\r\n\r\nabc",
        "transfer-encoding: cow, chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        let hello = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
        client
            .send(&format!("POST /last HTTP/1.1\r\nhost: a\r\n{body}{hello}"))
            .await;
        let response = client.response().await;
        assert_eq!((response.status, response.body.as_str()), (501, "last"));
        let close = "connection: close\r\n";
        assert!(response.head.contains(close), "{}", response.head);
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn a_broken_body_ends_the_connection_and_the_response_says_so() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    // The handler reads the body, and gets an error.
    client
        .send("POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n")
        .await;
    let response = client.response().await;
    assert_eq!(response.status, 400);
    assert!(
        response.head.contains("connection: close"),
        "{}",
        response.head
    );
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn invalid_http2_gets_no_http1_response() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    client
        .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nHTTP/1.1 garbage\r\n\r\n")
        .await;
    let received = client.rest().await;
    assert!(!received.is_empty());
    assert!(!String::from_utf8_lossy(&received).contains("HTTP/1"));
}

#[tokio::test]
async fn a_rejection_reaches_a_client_that_is_still_sending() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    let size = 8 * 1024 * 1024;
    client
        .send(&format!(
            "POST /too-large HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"
        ))
        .await;
    client.send(&"x".repeat(size)).await;
    assert_eq!(client.response().await.status, 413);
}

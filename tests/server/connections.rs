//! What one connection carries.

use crate::FAR;
use crate::harness::Server;

#[tokio::test]
async fn requests_share_a_connection_one_after_another_and_pipelined() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    let hello = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
    let echo = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    client.send(&format!("{hello}{echo}{hello}")).await;
    for body in ["hello", "abc", "hello"] {
        assert_eq!(client.response().await.body, body);
    }
    client.send(echo).await;
    assert_eq!(client.response().await.body, "abc");
}

#[tokio::test]
async fn a_body_that_fails_half_way_breaks_the_transfer() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    client.send("GET /broken HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let response = String::from_utf8(client.rest().await).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(
        response.contains("transfer-encoding: chunked"),
        "{response}"
    );
    assert!(response.contains("first part"), "{response}");
    assert!(
        !response.contains("\r\n0\r\n"),
        "looks complete: {response}"
    );
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_nothing_else() {
    let server = Server::start(FAR).await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.rest().await, b"");

    let mut client = server.connect().await;
    client.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.response().await.body, "hello");
}

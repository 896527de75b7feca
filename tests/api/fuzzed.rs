//! Regression tests for defects that fuzzing has found in this or in other projects.

use crate::harness::Shop;
use crate::raw::{request_head, send_malformed, send_raw};

#[tokio::test]
async fn a_request_that_names_two_hosts_is_rejected() {
    let shop = Shop::open().await;
    for second in ["evil.example", "localhost"] {
        let request = format!("{}Host: {second}\r\n\r\n", request_head("GET /api/users"));
        let (head, body) = send_raw(&shop, request).await;
        assert!(head.starts_with("http/1.1 400 "), "{head}");
        assert!(body.contains("is there twice"), "{body}");
    }
}

#[tokio::test]
async fn a_host_in_the_request_line_overrules_the_header() {
    let shop = Shop::open().await;
    for (target, host, status) in [
        ("http://evil.example/api/users", "localhost", 400),
        ("http://localhost@evil.example/api/users", "localhost", 400),
        ("http://localhost/api/users", "evil.example", 200),
        ("http://127.0.0.1:1/api/users", "localhost", 200),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (head, _) = send_raw(&shop, request).await;
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{target}: {head}"
        );
    }
}

#[tokio::test]
async fn an_escape_is_decoded_once() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    assert!((1..10).contains(&user), "one digit: {user}");
    shop.get(&format!("/api/users/%3{user}")).await.expect(200);
    for path in [
        &format!("/api/users/%253{user}"),
        "/api/users?limit=%2531",
        "/api/users?%256cimit=1",
        "/api/users/1%2500",
        "/api/users/1%2fcart",
    ] {
        shop.get(path).await.violations();
    }
}

#[tokio::test]
async fn bytes_that_are_not_http_end_only_their_connection() {
    let shop = Shop::open().await;
    for line in [
        &b"X-Odd: \x00"[..],
        b"X-Odd: \x01",
        b"X-Odd: \x7f",
        b"X-Odd\x00: 1",
        b"X Odd: 1",
        b"\xff: 1",
    ] {
        let mut request = request_head("GET /api/users").into_bytes();
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n\r\n");
        let (head, _) = send_malformed(&shop, request).await;
        assert!(head.starts_with("http/1.1 400 "), "{line:?}: {head}");
    }
    for target in ["/api/users\u{0}", "/api/users\u{1}", "/api/ users", ""] {
        let request = format!("{}\r\n", request_head(&format!("GET {target}")));
        let (head, _) = send_malformed(&shop, request).await;
        assert!(head.starts_with("http/1.1 400 "), "{target:?}: {head}");
    }
    shop.get("/api/users").await.expect(200);
}

#[tokio::test]
async fn bytes_in_a_header_that_are_not_text_are_ignored() {
    let shop = Shop::open().await;
    for name in [
        "X-Request-Id",
        "Origin",
        "Accept",
        "Accept-Encoding",
        "Cookie",
        "If-None-Match",
    ] {
        let mut request = request_head("GET /api/users").into_bytes();
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": \xff\xfe\r\n\r\n");
        let (head, _) = send_raw(&shop, request).await;
        assert!(head.starts_with("http/1.1 200 "), "{name}: {head}");
    }
}

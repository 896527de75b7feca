//! Paths and methods, among them HEAD and OPTIONS.

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::conformance::check;
use crate::common::wire::{Received, Sent};
use crate::harness::Shop;
use crate::raw::{request_head, send_raw};

#[tokio::test]
async fn an_unknown_path_is_a_404_in_the_envelope() {
    let shop = Shop::open().await;
    for path in [
        "/nothing",
        "/api",
        "/api/",
        "/api/user",
        "/api/users/",
        "/api/users/1/",
        "/api/users/1/cart/2",
        "//api/users",
        "/api/docs/nothing",
        "/API/users",
        "/health/x",
        "/api/%zz",
        "/%ff",
    ] {
        assert_eq!(shop.get(path).await.error(404).0, "NOT_FOUND", "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_with_the_allowed_methods() {
    let shop = Shop::open().await;
    for (method, path, allow) in [
        ("PATCH", "/api/users", "GET, POST, HEAD, OPTIONS"),
        ("POST", "/api/users/1", "GET, PUT, DELETE, HEAD, OPTIONS"),
        ("DELETE", "/api/users/1/cart", "GET, HEAD, OPTIONS"),
        ("GET", "/api/cart/user/1", "DELETE, OPTIONS"),
        ("TRACE", "/api/products", "GET, POST, HEAD, OPTIONS"),
        ("PROPFIND", "/api/products", "GET, POST, HEAD, OPTIONS"),
        ("PUT", "/", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/swagger.json", "GET, HEAD, OPTIONS"),
        ("POST", "/api/docs", "GET, HEAD, OPTIONS"),
    ] {
        let response = shop
            .send(method.parse().unwrap(), path, &[], Vec::new())
            .await;
        assert_eq!(
            response.error(405).0,
            "METHOD_NOT_ALLOWED",
            "{method} {path}"
        );
        assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn options_is_a_204_for_the_whole_server_and_for_existing_paths() {
    let shop = Shop::open().await;
    for (target, allow) in [
        ("*", None),
        ("/api/users", Some("GET, POST, HEAD, OPTIONS")),
        ("/health", Some("GET, HEAD, OPTIONS")),
    ] {
        let (head, body) =
            send_raw(&shop, request_head(&format!("OPTIONS {target}")) + "\r\n").await;
        assert!(head.starts_with("http/1.1 204"), "{head}");
        let found = head.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(found, allow.map(str::to_lowercase).as_deref(), "{target}");
        assert_eq!(body, "");
    }
}

#[tokio::test]
async fn options_lists_the_methods_of_a_path() {
    let shop = Shop::open().await;
    let response = shop
        .send(Method::OPTIONS, "/api/cart/1", &[], Vec::new())
        .await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("allow"), Some("GET, DELETE, HEAD, OPTIONS"));
    shop.send(Method::OPTIONS, "/nothing", &[], Vec::new())
        .await
        .error(404);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    let (get, head) = (
        shop.get("/api/users").await,
        shop.send(Method::HEAD, "/api/users", &[], Vec::new()).await,
    );
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(
        shop.send(Method::HEAD, "/api/users/0", &[], Vec::new())
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_the_request_still_receives_the_response() {
    let shop = Shop::open().await;
    for path in ["/", "/api/users", "/api/users/1"] {
        let mut stream = TcpStream::connect(&shop.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        check(&Sent::read(request.as_bytes()), &Received::read(&response));
    }
}

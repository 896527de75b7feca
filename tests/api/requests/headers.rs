//! Headers of requests and responses that do not depend on the operation.

use hyper::Method;

use crate::harness::Shop;
use crate::raw::send_raw;

#[tokio::test]
async fn on_a_loopback_address_only_hosts_of_this_machine_are_accepted() {
    let shop = Shop::open().await;
    for host in [
        "evil.example",
        "evil.example:8088",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.1",
    ] {
        let response = shop
            .send(Method::GET, "/api/users", &[("host", host)], Vec::new())
            .await;
        assert_eq!(response.violations().len(), 1, "{host}");
        shop.send(Method::GET, "/api/docs", &[("host", host)], Vec::new())
            .await
            .violations();
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"] {
        shop.send(Method::GET, "/api/users", &[("host", host)], Vec::new())
            .await
            .expect(200);
    }
    assert!(
        send_raw(&shop, "GET /api/users HTTP/1.0\r\n\r\n")
            .await
            .0
            .contains(" 400 "),
        "a request without a Host header"
    );
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_valid_and_generated_otherwise() {
    let shop = Shop::open().await;
    let id = |sent: &'static str| {
        let shop = &shop;
        async move {
            let response = shop
                .send(
                    Method::GET,
                    "/nothing",
                    &[("x-request-id", sent)],
                    Vec::new(),
                )
                .await;
            response.header("x-request-id").unwrap().to_owned()
        }
    };
    assert_eq!(id("order-7.retry_2").await, "order-7.retry_2");
    for invalid in ["", "a b", "a\tb", "<script>", "a;b"] {
        let generated = id(invalid).await;
        assert_eq!(generated.len(), 32, "{invalid}");
    }
    for length in [1, 63, 64, 65, 127, 128] {
        let valid = "x".repeat(length);
        let sent = [("x-request-id", valid.as_str())];
        let response = shop.send(Method::GET, "/", &sent, Vec::new()).await;
        assert_eq!(response.header("x-request-id"), Some(&*valid));
    }
    let long = "x".repeat(129);
    let response = shop
        .send(Method::GET, "/", &[("x-request-id", &long)], Vec::new())
        .await;
    assert_eq!(response.header("x-request-id").unwrap().len(), 32);
    assert_ne!(id("").await, id("").await);
}

#[tokio::test]
async fn pages_of_other_origins_may_send_requests() {
    let shop = Shop::open().await;
    let origin = ("origin", "https://shop.example");
    let preflight = [
        origin,
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type"),
    ];
    let response = shop
        .send(Method::OPTIONS, "/api/users/1", &preflight, Vec::new())
        .await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert!(
        response
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PUT")
    );
    let allowed = response.header("access-control-allow-headers").unwrap();
    for name in ["authorization", "content-type", "if-match", "if-none-match"] {
        assert!(allowed.to_lowercase().contains(name), "{name}: {allowed}");
    }
    for path in ["/api/users", "/api/users/0", "/nothing"] {
        let response = shop.send(Method::GET, path, &[origin], Vec::new()).await;
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        let exposed = response.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("Location") && exposed.contains("ETag"));
    }
}

#[tokio::test]
async fn large_responses_are_compressed_for_clients_that_accept_gzip() {
    let shop = Shop::open().await;
    for number in 0..40 {
        shop.create_product(&format!("A cup with the number {number}"))
            .await;
    }
    let fetch = |path: &'static str, codings: &'static str| {
        let shop = &shop;
        async move {
            shop.send(
                Method::GET,
                path,
                &[("accept-encoding", codings)],
                Vec::new(),
            )
            .await
        }
    };
    let plain = shop.get("/api/products").await;
    assert!(plain.header("content-encoding").is_none());
    for codings in ["br, gzip", "GZIP", "gzip;x=1;q=0.1"] {
        let compressed = fetch("/api/products", codings).await;
        assert_eq!(
            compressed.header("content-encoding"),
            Some("gzip"),
            "{codings}"
        );
        assert_eq!(compressed.body, plain.body, "decompressed by the harness");
    }
    assert_eq!(
        fetch("/api/docs/swagger-ui.css", "gzip")
            .await
            .header("content-encoding"),
        Some("gzip")
    );
    let gzip = [("accept-encoding", "gzip")];
    let head = shop
        .send(Method::HEAD, "/api/products", &gzip, Vec::new())
        .await;
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    assert_eq!(head.header("content-length"), None);
    for (path, codings) in [
        ("/api/products", "br"),
        ("/api/products", "gzip;q=0"),
        ("/api/products", "gzip;Q=0"),
        ("/api/products", "gzip;x=1;q=0"),
        ("/api/products/1", "gzip"),
        ("/api/docs", "gzip"),
    ] {
        let response = fetch(path, codings).await;
        assert!(
            response.header("content-encoding").is_none(),
            "{path} {codings}"
        );
        assert!(response.header("vary").unwrap().contains("Accept-Encoding"));
    }
}

#[tokio::test]
async fn responses_with_user_data_must_not_be_stored() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    for path in [
        "/api/users",
        &format!("/api/users/{user}"),
        "/api/cart",
        "/api/users/0",
        "/health",
    ] {
        assert_eq!(
            shop.get(path).await.header("cache-control"),
            Some("no-store"),
            "{path}"
        );
    }
    assert_eq!(
        shop.get("/").await.header("x-content-type-options"),
        Some("nosniff")
    );
}

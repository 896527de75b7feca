//! Compression, HEAD and 304 change nothing else in a response.

use hyper::{HeaderMap, Method};
use serde_json::json;

use crate::harness::Shop;

/// A shop with a row of each kind, whose texts are long enough to be compressed.
async fn shop_of_long_texts() -> Shop {
    let shop = Shop::open().await;
    let email = format!("{}@example.com", "a".repeat(60));
    let product = json!({"title": "Kettle", "description": "hot ".repeat(1000)});
    let user = shop.create_user(&email).await;
    let product = shop.post("/api/products", &product).await.expect(201);
    for _ in 0..30 {
        shop.add_to_cart(user, product["id"].as_i64().unwrap())
            .await;
    }
    shop
}

/// Targets of GET: every operation, also as a page, the other pages of the service, and errors.
const PATHS: [&str; 22] = [
    "/api/users",
    "/api/users?limit=1",
    "/api/users/1",
    "/api/users/1/cart",
    "/api/users/1/cart?limit=7&page=2",
    "/api/products",
    "/api/products?page=9",
    "/api/products/1",
    "/api/products/1/carts",
    "/api/products/1/carts?limit=2",
    "/api/cart",
    "/api/cart?page=1&limit=29",
    "/api/cart/1",
    "/",
    "/health",
    "/api/docs",
    "/api/docs/swagger-ui.css",
    "/api/openapi.yaml",
    "/api/openapi.json",
    "/api/swagger.json",
    "/api/users/0?a=b",
    "/api/users/9",
];

/// The headers except those that depend on the transfer, the time or the request id.
fn content_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    const TRANSFER_HEADERS: [&str; 5] = [
        "content-encoding",
        "content-length",
        "date",
        "transfer-encoding",
        "x-request-id",
    ];
    let headers = headers.iter();
    let kept = headers.filter(|(name, _)| !TRANSFER_HEADERS.contains(&name.as_str()));
    let mut kept: Vec<(String, String)> = kept
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    kept.sort();
    kept
}

#[tokio::test]
async fn compression_and_head_change_nothing_else() {
    let shop = shop_of_long_texts().await;
    let mut compressed = 0;
    for path in PATHS {
        let plain = shop.get(path).await;
        let gzip = [("accept-encoding", "gzip")];
        let gzipped = shop.send(Method::GET, path, &gzip, Vec::new()).await;
        compressed += usize::from(gzipped.header("content-encoding").is_some());
        assert_eq!(gzipped.body, plain.body, "{path}");
        assert_eq!(gzipped.status, plain.status, "{path}");
        assert_eq!(
            content_headers(&gzipped.headers),
            content_headers(&plain.headers),
            "{path}"
        );
        for (sent, got) in [(&[][..], &plain), (&gzip[..], &gzipped)] {
            let head = shop.send(Method::HEAD, path, sent, Vec::new()).await;
            assert!(head.body.is_empty(), "{path}");
            assert_eq!(head.status, got.status, "{path}");
            assert_eq!(
                content_headers(&head.headers),
                content_headers(&got.headers),
                "{path}"
            );
            // Equal in both responses, or absent from both.
            for name in ["content-length", "content-encoding"] {
                assert_eq!(head.header(name), got.header(name), "{path} {sent:?}");
            }
            let is_short = ["/", "/health", "/api/docs"].contains(&path);
            let has_length = got.header("content-length").is_some();
            assert!(has_length || !is_short, "{path} {sent:?}");
        }
    }
    assert!(
        compressed > 8,
        "only {compressed} responses were compressed"
    );
}

#[tokio::test]
async fn a_304_is_sent_exactly_when_a_tag_matches() {
    let shop = shop_of_long_texts().await;
    for path in PATHS {
        let tagged = shop.get(path).await;
        let Some(tag) = tagged.header("etag") else {
            continue;
        };
        let sent = async |tags: &str| {
            let tags = [("if-none-match", tags)];
            shop.send(Method::GET, path, &tags, Vec::new()).await
        };
        // The tags of the contract's files are weak already.
        let strong = tag.strip_prefix("W/").unwrap_or(tag);
        let opaque = strong.trim_matches('"');
        for matching in [
            tag,
            "*",
            &format!("W/{strong}"),
            &format!("\"other\", {tag}"),
            &format!("W/\"a\",{strong} , \"b\""),
        ] {
            let response = sent(matching).await;
            assert_eq!(response.status, 304, "{path}: {matching}");
            assert_eq!(response.header("etag"), Some(tag), "{path}: {matching}");
            assert!(response.body.is_empty(), "{path}: {matching}");
        }
        for other in [
            "\"other\"",
            opaque,
            &format!("\"{}\"", opaque.to_uppercase()),
            &format!("\"{opaque} \""),
            &format!("\"{opaque}-gzip\""),
            &format!("\"{}\"", &opaque[1..]),
            "\"\"",
            "",
        ] {
            let response = sent(other).await;
            assert_eq!(response.status, 200, "{path}: {other}");
            assert_eq!(response.body, tagged.body, "{path}: {other}");
        }
    }
}

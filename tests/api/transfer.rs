//! How a response travels changes nothing in it: compressed, as the answer to a HEAD, or as a 304.

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

/// What GET can be sent to: every operation, as a page too, the site, and errors.
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

/// The headers but for those that say how, when and as which request a response travels.
fn lasting(headers: &HeaderMap) -> Vec<(String, String)> {
    const OF_TRAVEL: [&str; 5] = [
        "content-encoding",
        "content-length",
        "date",
        "transfer-encoding",
        "x-request-id",
    ];
    let headers = headers.iter();
    let lasting = headers.filter(|(name, _)| !OF_TRAVEL.contains(&name.as_str()));
    let mut lasting: Vec<(String, String)> = lasting
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    lasting.sort();
    lasting
}

#[tokio::test]
async fn compression_and_head_leave_everything_else_as_it_is() {
    let shop = shop_of_long_texts().await;
    let mut compressed = 0;
    for path in PATHS {
        let plain = shop.get(path).await;
        let gzip = [("accept-encoding", "gzip")];
        let zipped = shop.send(Method::GET, path, &gzip, Vec::new()).await;
        compressed += usize::from(zipped.header("content-encoding").is_some());
        assert_eq!(zipped.body, plain.body, "{path}");
        assert_eq!(zipped.status, plain.status, "{path}");
        assert_eq!(lasting(&zipped.headers), lasting(&plain.headers), "{path}");
        for (sent, got) in [(&[][..], &plain), (&gzip[..], &zipped)] {
            let head = shop.send(Method::HEAD, path, sent, Vec::new()).await;
            assert!(head.body.is_empty(), "{path}");
            assert_eq!(head.status, got.status, "{path}");
            assert_eq!(lasting(&head.headers), lasting(&got.headers), "{path}");
            // The length of the body that GET sends, or none where GET does not know it either.
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
async fn a_304_is_for_who_has_what_there_is_and_for_nobody_else() {
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
        // The contract's own tag is weak already.
        let strong = tag.strip_prefix("W/").unwrap_or(tag);
        let opaque = strong.trim_matches('"');
        for has_it in [
            tag,
            "*",
            &format!("W/{strong}"),
            &format!("\"other\", {tag}"),
            &format!("W/\"a\",{strong} , \"b\""),
        ] {
            let answer = sent(has_it).await;
            assert_eq!(answer.status, 304, "{path}: {has_it}");
            assert_eq!(answer.header("etag"), Some(tag), "{path}: {has_it}");
            assert!(answer.body.is_empty(), "{path}: {has_it}");
        }
        for has_another in [
            "\"other\"",
            opaque,
            &format!("\"{}\"", opaque.to_uppercase()),
            &format!("\"{opaque} \""),
            &format!("\"{opaque}-gzip\""),
            &format!("\"{}\"", &opaque[1..]),
            "\"\"",
            "",
        ] {
            let answer = sent(has_another).await;
            assert_eq!(answer.status, 200, "{path}: {has_another}");
            assert_eq!(answer.body, tagged.body, "{path}: {has_another}");
        }
    }
}

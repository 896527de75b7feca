//! Rate limits: what clients of several addresses may send.

use std::net::SocketAddr;

use ecommerce_api::api::rates::Quotas;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::common::conformance;
use crate::common::wire::{Received, Sent};
use crate::harness::Shop;

fn quotas(sign_up: &str, writes: &str, rows: &str) -> Quotas {
    let settings = [Some("off"), Some(sign_up), Some(writes), Some(rows)];
    Quotas::parse(settings, true).unwrap()
}

/// Sends a request from 127.0.0.`client`, with a JSON body unless that is null.
async fn send(shop: &Shop, client: u8, method: &str, path: &str, body: &Value) -> Received {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from(([127, 0, 0, client], 0)))
        .unwrap();
    let mut stream = socket.connect(shop.address.parse().unwrap()).await.unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let received = Received::read(&response);
    conformance::check(&Sent::read(request.as_bytes()), &received);
    received
}

fn body(received: &Received) -> Value {
    serde_json::from_slice(&received.body).unwrap()
}

fn limit(received: &Received) -> [&str; 2] {
    ["ratelimit-policy", "ratelimit"].map(|name| received.header(name).unwrap_or_default())
}

#[tokio::test]
async fn a_client_that_writes_too_much_is_refused_and_no_other_one() {
    let shop = Shop::open_with_quotas(quotas("off", "2/d", "off")).await;
    let product = json!({"title": "Kettle"});
    let create = |client| send(&shop, client, "POST", "/api/products", &product);

    let created = create(2).await;
    assert_eq!(created.status, 201);
    assert_eq!(
        limit(&created),
        [r#""writes";q=2;w=86400"#, r#""writes";r=1;t=3600"#]
    );
    // Also a request that fails counts, and its response says so.
    let invalid = send(&shop, 2, "POST", "/api/products", &json!({})).await;
    assert_eq!(invalid.status, 400);
    assert_eq!(limit(&invalid)[1], r#""writes";r=0;t=3600"#);

    let refused = create(2).await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        limit(&refused),
        [r#""writes";q=2;w=86400"#, r#""writes";r=0;t=3600"#]
    );
    assert_eq!(refused.header("retry-after"), Some("3600"));
    assert_eq!(body(&refused)["error"]["code"], "RATE_LIMITED");
    assert_eq!(body(&refused)["success"], false);
    // Before its parameters and its body are looked at.
    let invalid = send(&shop, 2, "PUT", "/api/users/0", &json!({})).await;
    assert_eq!(invalid.status, 429);

    assert_eq!(create(3).await.status, 201);
    let read = send(&shop, 2, "GET", "/api/products/1", &Value::Null).await;
    assert_eq!(read.status, 200);
    assert_eq!(limit(&read), ["", ""]);
    let products = send(&shop, 2, "GET", "/api/products", &Value::Null).await;
    assert_eq!(body(&products)["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn sign_ups_have_a_quota_of_their_own() {
    let shop = Shop::open_with_quotas(quotas("1/d", "1/d", "off")).await;
    let sign_up = async |client, email: &str| {
        let user = json!({"email": email, "password": "a long secret", "role": "USER"});
        send(&shop, client, "POST", "/api/users", &user).await
    };
    let created = sign_up(2, "ada@example.com").await;
    assert_eq!(
        (created.status, limit(&created)[1]),
        (201, r#""sign-up";r=0;t=3600"#)
    );
    assert_eq!(sign_up(2, "bob@example.com").await.status, 429);
    let product = send(&shop, 2, "POST", "/api/products", &json!({"title": "Cup"})).await;
    assert_eq!(product.status, 201);
}

#[tokio::test]
async fn a_client_that_has_read_more_rows_than_its_quota_waits() {
    let shop = Shop::open_with_quotas(quotas("off", "off", "1000/d")).await;
    // In more than one chunk.
    shop.execute(
        "INSERT INTO products (title) SELECT CONCAT('A product with the number ', seq) FROM seq_1_to_3000",
    )
    .await;
    let list = |client, path| send(&shop, client, "GET", path, &Value::Null);
    let page = list(2, "/api/products?limit=100").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        limit(&page),
        [r#""rows";q=1000;qu="rows";w=86400"#, r#""rows";r=999;t=87"#]
    );
    let next = list(2, "/api/products?limit=100&page=2").await;
    assert_eq!(
        limit(&next)[1],
        r#""rows";r=898;t=87"#,
        "100 rows and one request"
    );

    let whole = list(2, "/api/products").await;
    assert_eq!(whole.status, 200);
    assert_eq!(body(&whole)["data"].as_array().map(Vec::len), Some(3000));
    // About 2200 rows too many, at 1000 a day.
    let refused = list(2, "/api/products?limit=1").await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("3600"))
    );
    assert_eq!(list(3, "/api/products?limit=1").await.status, 200);
    assert_eq!(list(2, "/api/products/1").await.status, 200);
}

#[tokio::test]
async fn exempt_clients_have_no_limits() {
    let shop = Shop::open().await;
    let received = send(&shop, 2, "POST", "/api/products", &json!({"title": "Cup"})).await;
    assert_eq!((received.status, limit(&received)), (201, ["", ""]));
}

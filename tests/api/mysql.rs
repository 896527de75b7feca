//! A server without `INSERT … RETURNING`, as MySQL is.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{JSON, Shop};
use crate::lossy_proxy::LossyProxy;

#[tokio::test]
async fn the_response_to_each_post_has_the_stored_row() {
    let proxy = LossyProxy::start_like_mysql();
    let shop = Shop::open_behind(&proxy).await;
    let user = json!({"email": "ada@example.com", "password": "secret", "role": "USER"});
    let posts = [
        ("/api/users", user),
        ("/api/products", json!({"title": "Kettle"})),
        ("/api/cart", json!({"user_id": 1, "product_id": 1})),
    ];
    for key in [None, Some("key")] {
        for (path, body) in &posts {
            let mut body: Value = body.clone();
            let mut headers = vec![JSON];
            if let Some(key) = key {
                headers.push(("idempotency-key", key));
                if *path == "/api/users" {
                    body["email"] = json!("eva@example.com");
                }
            }
            let body = body.to_string().into_bytes();
            let created = shop.send(Method::POST, path, &headers, body).await;
            let created = created.expect(201);
            let id = &created["id"];
            let stored = shop.get(&format!("{path}/{id}")).await;
            assert_eq!(stored.expect(200), created, "{path} {key:?}");
        }
    }
}

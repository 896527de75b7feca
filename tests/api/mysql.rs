//! A server without `INSERT … RETURNING`, as MySQL is.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use crate::additions::{add, added, fill, stored_items};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn additions_go_on_alone_when_their_group_loses_its_connection_before_the_commit() {
    let proxy = LossyProxy::start_like_mysql();
    let shop = Shop::open_behind(&proxy).await;
    fill(&shop, 10).await;
    proxy.lose("INSERT INTO `cart`", 1);
    for response in join_all((1..=8).map(|user| add(&shop, user, 1))).await {
        added(&response);
    }
    proxy.closed(1).await;
    assert_eq!(stored_items(&shop).await.len(), 10 + 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_item_that_is_not_found_after_its_insert_fails_alone() {
    let proxy = LossyProxy::start_like_mysql();
    let shop = Shop::open_behind(&proxy).await;
    fill(&shop, 10).await;
    // LAST_INSERT_ID() is not the id of a row whose id a trigger sets.
    shop.execute(
        "CREATE TRIGGER set_id BEFORE INSERT ON cart FOR EACH ROW
         IF NEW.user_id = 4 THEN SET NEW.id = 900000; END IF",
    )
    .await;
    let users: Vec<i64> = (0..60).map(|n| if n == 30 { 4 } else { 5 }).collect();
    let responses = join_all(users.iter().map(|&user| add(&shop, user, 1))).await;
    let mut stored = stored_items(&shop).await;
    stored.retain(|id, _| *id > 10);
    for (user, response) in users.into_iter().zip(responses) {
        if user == 4 {
            response.error(500);
        } else {
            let (id, pair) = added(&response);
            assert_eq!(stored.remove(&id), Some(pair));
        }
    }
    assert!(stored.is_empty(), "stored without a response: {stored:?}");
}

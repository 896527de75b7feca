//! Triggers of the shop that change what an addition to a cart stores.

use std::collections::HashMap;

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;

use crate::harness::{ClientResponse, JSON, Shop};

/// A shop with ten users and products, in which a trigger puts products 1 and 2 into carts in place of
/// each other.
async fn shop_that_swaps_products() -> Shop {
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO users (id, email, password)
         SELECT seq, CONCAT('user', seq, '@example.com'), 'x' FROM seq_1_to_10;
         INSERT INTO products (id, title) SELECT seq, CONCAT('Pot ', seq) FROM seq_1_to_10;
         CREATE TRIGGER swap BEFORE INSERT ON cart FOR EACH ROW
         SET NEW.product_id = IF(NEW.product_id < 3, 3 - NEW.product_id, NEW.product_id)",
    )
    .await;
    shop
}

/// Adds 60 items and asserts that each response shows the item as it was stored, which is stored once.
async fn assert_responses_show_the_stored_rows(
    shop: &Shop,
    add: impl AsyncFn(i64, serde_json::Value) -> ClientResponse,
) {
    let pairs = (0..60).map(|number| (number, 1 + number % 7, 1 + number % 4));
    let adding = pairs.map(async |(number, user, product)| {
        let body = json!({"user_id": user, "product_id": product});
        let item = add(number, body).await.expect(201);
        let stored = if product < 3 { 3 - product } else { product };
        assert_eq!(item["user_id"], user);
        assert_eq!(item["user"]["id"], user);
        assert_eq!(item["product_id"], stored, "instead of {product}");
        assert_eq!(item["product"]["title"], format!("Pot {stored}"));
        (item["id"].as_i64().unwrap(), item)
    });
    let acknowledged: HashMap<_, _> = join_all(adding).await.into_iter().collect();
    let stored = shop.get("/api/cart").await.expect(200);
    let stored = stored.as_array().unwrap().iter().cloned();
    let stored = stored.map(|item| (item["id"].as_i64().unwrap(), item));
    assert_eq!(acknowledged, stored.collect());
    assert_eq!(acknowledged.len(), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_response_shows_the_item_that_a_trigger_has_changed() {
    let shop = shop_that_swaps_products().await;
    assert_responses_show_the_stored_rows(&shop, async |_, item| {
        shop.post("/api/cart", &item).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_response_shows_the_changed_item_also_if_ids_are_unsigned() {
    let shop = shop_that_swaps_products().await;
    shop.execute("ALTER TABLE cart MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT")
        .await;
    assert_responses_show_the_stored_rows(&shop, async |_, item| {
        shop.post("/api/cart", &item).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_response_to_a_key_shows_the_item_that_a_trigger_has_changed() {
    let shop = shop_that_swaps_products().await;
    assert_responses_show_the_stored_rows(&shop, async |number, item| {
        let key = format!("key-{number}");
        let headers = [JSON, ("idempotency-key", key.as_str())];
        let body = item.to_string().into_bytes();
        shop.send(Method::POST, "/api/cart", &headers, body).await
    })
    .await;
}

#[tokio::test]
async fn an_item_that_a_trigger_points_to_a_missing_product_is_not_stored() {
    let shop = shop_that_swaps_products().await;
    shop.execute("DELETE FROM products WHERE id = 2").await;
    let item = json!({"user_id": 1, "product_id": 1});
    shop.post("/api/cart", &item).await.error(500);
    assert_eq!(shop.get("/api/cart").await.expect(200), json!([]));
}

//! Repeated requests with an `Idempotency-Key`.

mod concurrent;

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, JSON, Shop, eventually};

const USERS: &str = "/api/users";
const PRODUCTS: &str = "/api/products";
const CART: &str = "/api/cart";

/// `POST path` with a key and a JSON body.
async fn post(shop: &Shop, path: &str, key: &str, body: &Value) -> ClientResponse {
    post_text(shop, path, key, &body.to_string()).await
}

async fn post_text(shop: &Shop, path: &str, key: &str, body: &str) -> ClientResponse {
    let headers = [JSON, ("idempotency-key", key)];
    shop.send(Method::POST, path, &headers, body.into()).await
}

fn is_replay(response: &ClientResponse) -> bool {
    response.header("idempotent-replayed") == Some("true")
}

/// The headers of a response that a replay must have, too.
fn kept_headers(response: &ClientResponse) -> BTreeMap<&str, &[u8]> {
    let own = ["date", "x-request-id", "idempotent-replayed"];
    let headers = response.headers.iter();
    headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| !own.contains(name))
        .collect()
}

/// Checks that `again` is the replay of `first`, byte for byte.
#[track_caller]
fn assert_replay(first: &ClientResponse, again: &ClientResponse) {
    assert!(!is_replay(first) && is_replay(again), "{first:?} {again:?}");
    assert_eq!(again.status, first.status);
    assert_eq!(again.body, first.body);
    assert_eq!(kept_headers(again), kept_headers(first));
}

/// The number of rows in a table.
async fn count(shop: &Shop, table: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let sql = format!("SELECT COUNT(*) AS count FROM {table}");
    let rows = shop.sql(move |session| session.load::<Count>(&sql).unwrap());
    rows.await[0].count
}

fn user(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password, "role": "USER"})
}

/// A shop with one user and one product, and a request to each operation that creates something.
async fn shop_and_requests() -> (Shop, [(&'static str, &'static str, Value); 3]) {
    let shop = Shop::open().await;
    let user_id = shop.create_user("ada@example.com").await;
    let product_id = shop.create_product("Moka pot").await;
    let requests = [
        (USERS, "users", user("bob@example.com", "secret")),
        (
            PRODUCTS,
            "products",
            json!({"title": "K\u{e4}nnchen \"1\""}),
        ),
        (
            CART,
            "cart",
            json!({"user_id": user_id, "product_id": product_id}),
        ),
    ];
    (shop, requests)
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_response_and_creates_nothing() {
    let (shop, requests) = shop_and_requests().await;
    for (path, table, body) in &requests {
        let before = count(&shop, table).await;
        let first = post(&shop, path, "key", body).await;
        first.expect(201);
        assert_replay(&first, &post(&shop, path, "key", body).await);
        let other_process = shop.another().await;
        assert_replay(&first, &post(&other_process, path, "key", body).await);
        assert_eq!(count(&shop, table).await, before + 1, "{path}");
        // Another key creates another resource.
        if *path != USERS {
            assert!(!is_replay(&post(&shop, path, "key2", body).await));
            assert_eq!(count(&shop, table).await, before + 2, "{path}");
        }
    }
}

#[tokio::test]
async fn a_replay_does_not_depend_on_what_has_happened_to_the_resource() {
    let (shop, requests) = shop_and_requests().await;
    let mut firsts = Vec::new();
    for (path, _, body) in &requests {
        firsts.push(post(&shop, path, "key", body).await);
    }
    let location = firsts[0].header("location").unwrap();
    let changes = json!({"email": "new@example.com", "password": "changed"});
    shop.put(location, &changes).await.expect(200);
    shop.execute("DELETE FROM products").await;
    for ((path, _, body), first) in requests.iter().zip(&firsts) {
        assert_replay(first, &post(&shop, path, "key", body).await);
    }
}

#[tokio::test]
async fn bodies_are_equal_if_their_values_are() {
    let shop = Shop::open().await;
    let body = json!({"title": "Pot", "image_url": "/a.png", "description": null});
    let first = post(&shop, PRODUCTS, "key", &body).await;
    for same in [
        r#"{ "image_url":"/a.png" , "title":"Pot" }"#,
        r#"{"description":null,"title":"\u0050ot","image_url":"\/a.png"}"#,
    ] {
        assert_replay(&first, &post_text(&shop, PRODUCTS, "key", same).await);
    }
    assert_eq!(count(&shop, "products").await, 1);
}

#[tokio::test]
async fn a_key_with_another_body_is_422_and_changes_nothing() {
    let (shop, requests) = shop_and_requests().await;
    let others = [
        user("carl@example.com", "secret"),
        json!({"title": "Kettle"}),
        json!({"user_id": 1, "product_id": 2}),
    ];
    for ((path, table, body), other) in requests.iter().zip(&others) {
        let first = post(&shop, path, "key", body).await;
        let before = count(&shop, table).await;
        let (code, _) = post(&shop, path, "key", other).await.error(422);
        assert_eq!(code, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(count(&shop, table).await, before, "{path}");
        assert_replay(&first, &post(&shop, path, "key", body).await);
    }
}

#[tokio::test]
async fn another_password_is_another_body() {
    let shop = Shop::open().await;
    let first = post(&shop, USERS, "key", &user("ada@example.com", "secret")).await;
    let other = post(&shop, USERS, "key", &user("ada@example.com", "Secret")).await;
    assert_eq!(other.error(422).0, "IDEMPOTENCY_KEY_REUSED");
    let again = post(&shop, USERS, "key", &user("ada@example.com", "secret")).await;
    assert_replay(&first, &again);
}

#[tokio::test]
async fn nothing_of_a_password_is_kept_but_its_argon2_hash() {
    #[derive(diesel::QueryableByName, PartialEq, Debug)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        fingerprint: String,
        #[diesel(sql_type = diesel::sql_types::Text)]
        password: String,
    }
    let mut rows = Vec::new();
    for password in ["secret", "another"] {
        let shop = Shop::open().await;
        let created = post(&shop, USERS, "key", &user("ada@example.com", password)).await;
        created.expect(201);
        let sql = "SELECT HEX(fingerprint) AS fingerprint, password FROM idempotency_keys";
        rows.append(&mut shop.sql(|session| session.load::<Row>(sql).unwrap()).await);
    }
    assert_eq!(rows[0].fingerprint, rows[1].fingerprint);
    for row in rows {
        assert!(row.password.starts_with("$argon2id$"), "{row:?}");
    }
}

#[tokio::test]
async fn a_failed_request_keeps_nothing_and_may_be_repeated_with_its_key() {
    let shop = Shop::open().await;
    let user_id = shop.create_user("ada@example.com").await;
    let new = user("ada@example.com", "secret");
    let item = json!({"user_id": user_id, "product_id": 1});
    for _ in 0..2 {
        let taken = post(&shop, USERS, "key", &new).await;
        assert_eq!(taken.error(409).0, "CONFLICT");
        assert_eq!(taken.json()["error"]["reason"], "EMAIL_TAKEN");
        let missing = post(&shop, CART, "key", &item).await;
        assert_eq!(missing.json()["error"]["reason"], "PRODUCT_MISSING");
        missing.error(409);
        let invalid = post(&shop, PRODUCTS, "key", &json!({"title": ""})).await;
        assert_eq!(invalid.violations(), ["/title must not be empty"]);
        assert_eq!(count(&shop, "idempotency_keys").await, 0);
    }
    let nobody = json!({"user_id": user_id + 1, "product_id": 1});
    let missing = post(&shop, CART, "key", &nobody).await;
    assert_eq!(missing.json()["error"]["reason"], "USER_MISSING");

    shop.execute("UPDATE users SET email = 'old@example.com'")
        .await;
    shop.create_product("Pot").await;
    for (path, body) in [(USERS, &new), (CART, &item)] {
        let first = post(&shop, path, "key", body).await;
        first.expect(201);
        assert_replay(&first, &post(&shop, path, "key", body).await);
    }
}

#[tokio::test]
async fn without_the_table_a_key_is_400_and_requests_without_a_key_work() {
    let (shop, requests) = shop_and_requests().await;
    shop.execute("DROP TABLE idempotency_keys").await;
    for (path, table, body) in &requests {
        let before = count(&shop, table).await;
        let refused = post(&shop, path, "key", body).await;
        assert_eq!(
            refused.violations(),
            ["Idempotency-Key is not available: the database has no table for it"]
        );
        assert_eq!(count(&shop, table).await, before, "{path}");
        shop.post(path, body).await.expect(201);
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_24_hours() {
    let (shop, requests) = shop_and_requests().await;
    for (path, table, body) in &requests {
        let first = post(&shop, path, "key", body).await;
        // A minute before the end, by the clock of the database.
        shop.execute("UPDATE idempotency_keys SET expires_at = expires_at - INTERVAL 1439 MINUTE")
            .await;
        assert_replay(&first, &post(&shop, path, "key", body).await);
        shop.execute("UPDATE idempotency_keys SET expires_at = expires_at - INTERVAL 1 MINUTE")
            .await;
        let before = count(&shop, table).await;
        let mut other = body.clone();
        if *path == USERS {
            other["email"] = json!("carl@example.com");
        }
        let anew = post(&shop, path, "key", &other).await;
        anew.expect(201);
        assert!(!is_replay(&anew));
        assert_eq!(count(&shop, table).await, before + 1, "{path}");
        assert_replay(&anew, &post(&shop, path, "key", &other).await);
        shop.execute("DELETE FROM idempotency_keys").await;
    }
}

#[tokio::test]
async fn expired_keys_are_deleted_in_batches() {
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO idempotency_keys (id, fingerprint, location, etag, body, expires_at)
         SELECT UNHEX(SHA2(seq, 256)), UNHEX(SHA2('', 256)), '', '', '', UTC_TIMESTAMP()
         FROM seq_1_to_150",
    )
    .await;
    let body = json!({"title": "Pot"});
    let first = post(&shop, PRODUCTS, "key", &body).await;
    eventually("a hundred are deleted", async || {
        count(&shop, "idempotency_keys").await == 51
    })
    .await;
    for key in 1..=32 {
        let created = post(&shop, PRODUCTS, &key.to_string(), &body).await;
        created.expect(201);
    }
    eventually("the others are deleted", async || {
        count(&shop, "idempotency_keys").await == 33
    })
    .await;
    assert_replay(&first, &post(&shop, PRODUCTS, "key", &body).await);
}

#[tokio::test]
async fn a_key_has_1_to_255_visible_characters() {
    let shop = Shop::open().await;
    let body = json!({"title": "Pot"});
    let long = "k".repeat(255);
    for key in ["~", "!", "\"quoted\"", "a,b", &long] {
        let first = post(&shop, PRODUCTS, key, &body).await;
        first.expect(201);
        assert_replay(&first, &post(&shop, PRODUCTS, key, &body).await);
    }
    let before = count(&shop, "products").await;
    for key in ["", "a b", "a\tb", &format!("{long}k")] {
        let refused = post(&shop, PRODUCTS, key, &body).await.violations();
        assert_eq!(refused.len(), 1, "{key:?}: {refused:?}");
        assert!(refused[0].starts_with("Idempotency-Key "), "{refused:?}");
    }
    let twice = [JSON, ("idempotency-key", "a"), ("idempotency-key", "b")];
    let body = body.to_string().into();
    let refused = shop.send(Method::POST, PRODUCTS, &twice, body).await;
    assert!(refused.violations()[0].starts_with("Idempotency-Key "));
    assert_eq!(count(&shop, "products").await, before);
}

#[tokio::test]
async fn keys_differ_by_letter_case() {
    let shop = Shop::open().await;
    for key in ["key", "Key"] {
        let created = post(&shop, PRODUCTS, key, &json!({"title": key})).await;
        assert!(!is_replay(&created), "{key}");
        created.expect(201);
    }
}

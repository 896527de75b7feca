//! What belongs to others is, for a user, as if it did not exist.

use ecommerce_api::api::contracts::operations;
use serde_json::{Value, json};

use super::{path, send};
use crate::harness::{ClientResponse, Shop, dump, token};

/// Everything of a response that is not different each time.
fn comparable(response: &ClientResponse) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers: Vec<(String, String)> = response.received().headers;
    headers.retain(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    headers.sort();
    (response.status.as_u16(), headers, response.body.to_vec())
}

/// A valid body for an operation, which is about the user with this id.
fn body(operation: &str, user: i64) -> Value {
    match operation {
        "updateUser" => json!({"email": "mallory@example.com", "current_password": "secret"}),
        "addCartItem" => json!({"user_id": user, "product_id": 1}),
        _ => Value::Null,
    }
}

/// A user tries every id, of users and of cart items, with every operation that takes one.
#[tokio::test]
async fn an_id_of_others_is_answered_as_one_that_does_not_exist() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    let mallory = token(5, false);
    let before = open.sql(dump).await;
    let mut tried = 0;
    for operation in operations() {
        let is_about_users = operation.path.starts_with("/api/users/")
            || operation.path.starts_with("/api/cart/")
            || operation.id == "addCartItem";
        if !is_about_users {
            continue;
        }
        let attempt = async |id: i64| {
            let (path, body) = (path(operation, id), body(&operation.id, id));
            send(&shop, &operation.method, &path, Some(&mallory), &body).await
        };
        let absent = comparable(&attempt(i32::MAX.into()).await);
        assert!(
            [403, 404].contains(&absent.0),
            "{}: {absent:?}",
            operation.id
        );
        let is_about_items = operation.path == "/api/cart/{id}";
        // Item 7 and user 5 are those of the caller.
        let others = if is_about_items { 1..=6 } else { 1..=4 };
        for id in others {
            let response = attempt(id).await;
            assert_eq!(comparable(&response), absent, "{} of {id}", operation.id);
            tried += 1;
        }
    }
    assert_eq!(
        tried,
        4 * 6 + 2 * 6,
        "six operations on users, two on items"
    );
    assert_eq!(open.sql(dump).await, before);
}

/// Conditions do not tell either whether something of others exists.
#[tokio::test]
async fn a_condition_on_an_item_of_others_is_not_evaluated() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    let mallory = token(5, false);
    for id in [1, i32::MAX] {
        let path = format!("/api/cart/{id}");
        for (method, name) in [("GET", "if-none-match"), ("DELETE", "if-match")] {
            for tag in ["*", "\"0\""] {
                let headers = [("authorization", mallory.as_str()), (name, tag)];
                let method = method.parse().unwrap();
                let response = shop.send(method, &path, &headers, Vec::new()).await;
                let (_, message) = response.error(404);
                assert_eq!(message, "Cart item not found");
            }
        }
    }
    open.get("/api/cart/1").await.expect(200);
}

/// Nothing is looked up that could take another time for a user who exists.
#[tokio::test]
async fn what_path_and_body_decide_is_decided_without_the_tables() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    for table in ["cart", "products", "users"] {
        open.execute(format!("RENAME TABLE {table} TO hidden_{table}"))
            .await;
    }
    let own = token(5, false);
    for (method, path, body, status) in [
        ("GET", "/api/users/4", Value::Null, 404),
        ("PUT", "/api/users/4", json!({}), 404),
        ("DELETE", "/api/users/4", Value::Null, 404),
        ("GET", "/api/users/4/cart", Value::Null, 404),
        ("DELETE", "/api/cart/user/4", Value::Null, 403),
        ("POST", "/api/cart", body("addCartItem", 4), 403),
        ("PUT", "/api/users/5", json!({"role": "ADMIN"}), 403),
        ("PUT", "/api/users/5", json!({"password": "secret2"}), 400),
        (
            "POST",
            "/api/users",
            json!({"email": "a@example.com", "password": "secret", "role": "ADMIN"}),
            403,
        ),
        ("GET", "/api/users", Value::Null, 403),
        ("GET", "/api/users/5", Value::Null, 500),
        ("POST", "/api/cart", body("addCartItem", 5), 500),
    ] {
        let response = send(&shop, method, path, Some(&own), &body).await;
        assert_eq!(response.status, status, "{method} {path} {body}");
    }
}

/// The id in a path is compared as the contract reads it: no other notation of an id passes.
#[tokio::test]
async fn another_notation_of_an_id_is_no_way_round() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    let own = token(5, false);
    for (id, status) in [
        ("5", 200),
        ("%35", 200),
        ("4", 404),
        ("%34", 404),
        ("2147483647", 404),
        ("05", 400),
        ("+5", 400),
        ("5%20", 400),
        ("5.0", 400),
        ("-5", 400),
        ("0", 400),
        ("2147483648", 400),
        ("4%00", 400),
        ("4%2F..%2F5", 400),
        ("x", 400),
    ] {
        let path = format!("/api/users/{id}");
        let response = send(&shop, "GET", &path, Some(&own), &Value::Null).await;
        assert_eq!(response.status, status, "{id}");
    }
}

/// Two callers may use the same idempotency key for the same body: it is not the same request.
#[tokio::test]
async fn an_idempotency_key_belongs_to_its_user() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    let product = json!({"title": "Kettle"}).to_string();
    let mut ids = Vec::new();
    for admin in [1, 2, 1] {
        let token = token(admin, true);
        let headers = [
            ("authorization", token.as_str()),
            ("idempotency-key", "k"),
            crate::harness::JSON,
        ];
        let response = shop
            .send(
                hyper::Method::POST,
                "/api/products",
                &headers,
                product.clone().into(),
            )
            .await;
        ids.push(response.expect(201)["id"].as_i64().unwrap());
    }
    assert_eq!(ids, [13, 14, 13]);
}

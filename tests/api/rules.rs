//! Rules that a shop keeps in its database: CHECK constraints, and triggers that SIGNAL.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, JSON, Shop};
use crate::validation::captured_log;

/// The body of a trigger that rejects every change. Its text must not reach a client.
const SIGNAL: &str = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'geheime Regel'";

async fn shop_with_rule(rule: &str) -> Shop {
    let shop = Shop::open().await;
    let user_id = shop.create_user("ada@example.com").await;
    let product_id = shop.create_product("Moka pot").await;
    shop.add_to_cart(user_id, product_id).await;
    shop.execute(rule).await;
    shop
}

/// Sends one request, which violates a rule, and asserts that its response says so in our words.
async fn assert_violates_a_rule(shop: &Shop, method: Method, path: &str, body: Value) {
    let headers: &[(&str, &str)] = if body.is_null() { &[] } else { &[JSON] };
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into()
    };
    let response: ClientResponse = shop.send(method.clone(), path, headers, bytes).await;
    let place = format!("{method} {path}");
    assert_eq!(response.status, 409, "{place}: {response:?}");
    let error = &response.json()["error"];
    assert_eq!(error["code"], "CONFLICT", "{place}");
    assert_eq!(error["reason"], "RULE_VIOLATED", "{place}");
    assert_eq!(
        error["message"], "A rule of the shop's database does not allow the change",
        "{place}"
    );
}

#[tokio::test]
async fn a_trigger_that_signals_makes_each_writing_operation_a_conflict() {
    let user = json!({"email": "eva@example.com", "password": "secret", "role": "USER"});
    let title = json!({"title": "Kettle"});
    for (event, method, path, body) in [
        ("INSERT ON users", Method::POST, "/api/users", user),
        (
            "UPDATE ON users",
            Method::PUT,
            "/api/users/1",
            json!({"role": "ADMIN"}),
        ),
        (
            "DELETE ON users",
            Method::DELETE,
            "/api/users/1",
            Value::Null,
        ),
        (
            "INSERT ON products",
            Method::POST,
            "/api/products",
            title.clone(),
        ),
        ("UPDATE ON products", Method::PUT, "/api/products/1", title),
        (
            "DELETE ON products",
            Method::DELETE,
            "/api/products/1",
            Value::Null,
        ),
        (
            "INSERT ON cart",
            Method::POST,
            "/api/cart",
            json!({"user_id": 1, "product_id": 1}),
        ),
        ("DELETE ON cart", Method::DELETE, "/api/cart/1", Value::Null),
        (
            "DELETE ON cart",
            Method::DELETE,
            "/api/cart/user/1",
            Value::Null,
        ),
    ] {
        let shop = shop_with_rule(&format!(
            "CREATE TRIGGER rule BEFORE {event} FOR EACH ROW {SIGNAL}"
        ))
        .await;
        assert_violates_a_rule(&shop, method, path, body).await;
        // Nothing was changed.
        let item = shop.get("/api/cart/1").await.expect(200);
        assert_eq!(item["user"]["role"], "USER", "{event}");
        assert_eq!(item["product"]["title"], "Moka pot", "{event}");
    }
}

#[tokio::test]
async fn a_violated_check_constraint_is_a_conflict() {
    let rule = "ALTER TABLE products ADD CONSTRAINT honest CHECK (title <> 'Perpetuum mobile')";
    let shop = shop_with_rule(rule).await;
    let body = json!({"title": "Perpetuum mobile"});
    assert_violates_a_rule(&shop, Method::POST, "/api/products", body.clone()).await;
    assert_violates_a_rule(&shop, Method::PUT, "/api/products/1", body).await;
    let rule = "ALTER TABLE cart ADD CONSTRAINT banned CHECK (user_id <> 2)";
    shop.execute(rule).await;
    let user_id = shop.create_user("eva@example.com").await;
    let body = json!({"user_id": user_id, "product_id": 1});
    assert_violates_a_rule(&shop, Method::POST, "/api/cart", body).await;
    shop.add_to_cart(1, 1).await;
}

/// A trigger may give its error the number of another error.
#[tokio::test]
async fn the_sqlstate_of_a_signal_decides_whatever_its_number_is() {
    for number in [1205, 1048, 31999] {
        let shop = shop_with_rule(&format!(
            "CREATE TRIGGER rule BEFORE INSERT ON products FOR EACH ROW {SIGNAL}, MYSQL_ERRNO = {number}"
        ))
        .await;
        let body = json!({"title": "Kettle"});
        assert_violates_a_rule(&shop, Method::POST, "/api/products", body).await;
    }
}

/// The error is recognized among the conditions of the statement by its text.
#[tokio::test]
async fn a_rule_may_have_any_text() {
    for text in ["", "  ", "50 % 😀", &"Größe".repeat(25)] {
        let shop = shop_with_rule(&format!(
            "CREATE TRIGGER rule BEFORE INSERT ON cart FOR EACH ROW
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{text}'"
        ))
        .await;
        let body = json!({"user_id": 1, "product_id": 1});
        assert_violates_a_rule(&shop, Method::POST, "/api/cart", body).await;
    }
}

#[tokio::test]
async fn the_text_of_a_rule_is_in_the_log_and_in_no_response() {
    let shop = shop_with_rule(&format!(
        "CREATE TRIGGER rule BEFORE UPDATE ON products FOR EACH ROW {SIGNAL}"
    ))
    .await;
    let (log, _guard) = captured_log();
    let response = shop.put("/api/products/1", &json!({"title": "Pot"})).await;
    assert!(!String::from_utf8_lossy(&response.body).contains("geheim"));
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(log.contains("geheime Regel"), "{log}");
}

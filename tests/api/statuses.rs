//! Every operation responds with each status that the contract documents for it.

mod auth;

use std::collections::{BTreeMap, BTreeSet};

use ecommerce_api::api::contracts::operations;
use ecommerce_api::contract::{Body, Operation};
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, JSON, Shop, access_token, reached, token};

/// Documented pairs of operation and status that no test can provoke: at most three, each with its reason.
/// A logout looks at no access token, but the document has a 401 at every operation.
const UNREACHABLE: [(&str, u16); 1] = [("logout", 401)];

/// The statuses that other tests provoke: `rates` those of clients that send too much.
const ELSEWHERE: [u16; 1] = [429];

const NO_SUCH_ID: i64 = i32::MAX as i64;

/// The path of `operation` with `id` in the place of the placeholder.
fn path(operation: &Operation, id: i64) -> String {
    operation
        .path
        .replace("{id}", &id.to_string())
        .replace("{user_id}", &id.to_string())
}

/// A valid body for `operation`, in a shop whose user and product have these ids.
fn body(operation: &Operation, user_id: i64, product_id: i64) -> Value {
    match operation.body.as_ref().and_then(Body::component) {
        Some("UserDraft") => {
            json!({"email": "new@example.com", "password": "secret", "role": "USER"})
        }
        Some("UserChanges") => json!({"email": "changed@example.com"}),
        Some("ProductDraft" | "ProductChanges") => json!({"title": "Kettle"}),
        Some("CartItemDraft") => json!({"user_id": user_id, "product_id": product_id}),
        _ => Value::Null,
    }
}

async fn send(shop: &Shop, operation: &Operation, path: &str, body: &Value) -> ClientResponse {
    send_with(shop, operation, path, body, &[]).await
}

async fn send_with(
    shop: &Shop,
    operation: &Operation,
    path: &str,
    body: &Value,
    headers: &[(&str, &str)],
) -> ClientResponse {
    let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
    match &operation.body {
        Some(_) => {
            let headers = [headers, &[JSON]].concat();
            shop.send(method, path, &headers, body.to_string().into())
                .await
        }
        None => shop.send(method, path, headers, Vec::new()).await,
    }
}

/// Provokes a response of `operation` with `status`, in a shop of its own.
async fn provoke(operation: &Operation, status: u16) -> ClientResponse {
    if status == 503 {
        let shop = Shop::without_database().await;
        return send(
            &shop,
            operation,
            &path(operation, 1),
            &body(operation, 1, 1),
        )
        .await;
    }
    let shop = Shop::open().await;
    let user_id = shop.create_user("ada@example.com").await;
    let product_id = shop.create_product("Moka pot").await;
    shop.add_to_cart(user_id, product_id).await;
    let (path, body) = (path(operation, 1), body(operation, user_id, product_id));
    match status {
        304 => send_with(&shop, operation, &path, &body, &[("if-none-match", "*")]).await,
        412 => send_with(&shop, operation, &path, &body, &[("if-match", "\"old\"")]).await,
        400 => send(&shop, operation, &format!("{path}?nonsense=1"), &body).await,
        404 => send(&shop, operation, &self::path(operation, NO_SUCH_ID), &body).await,
        401 => {
            let invalid = [("authorization", "Bearer x")];
            send_with(&shop, operation, &path, &body, &invalid).await
        }
        403 => forbidden(&shop, operation, user_id).await,
        409 => conflict(&shop, operation, &path).await,
        413 => {
            let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
            shop.send(method, &path, &[JSON], vec![b' '; 1024 * 1024 + 1])
                .await
        }
        415 => {
            let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
            shop.send(
                method,
                &path,
                &[("content-type", "text/plain")],
                body.to_string().into(),
            )
            .await
        }
        422 => {
            let key = [("idempotency-key", "k")];
            let first = send_with(&shop, operation, &path, &body, &key).await;
            first.expect(201);
            let other = match operation.id.as_str() {
                "createUser" => {
                    json!({"email": "other@example.com", "password": "secret", "role": "USER"})
                }
                "createProduct" => json!({"title": "Other"}),
                _ => json!({"user_id": user_id, "product_id": product_id + 1}),
            };
            send_with(&shop, operation, &path, &other, &key).await
        }
        500 => {
            for table in ["cart", "products", "users"] {
                shop.execute(format!("RENAME TABLE {table} TO hidden_{table}"))
                    .await;
            }
            send(&shop, operation, &path, &body).await
        }
        _ => send(&shop, operation, &path, &body).await,
    }
}

/// Sends what a user must not do. The user has an empty cart, and does not own the one of `other`.
async fn forbidden(shop: &Shop, operation: &Operation, other: i64) -> ClientResponse {
    let user = shop.create_user("grace@example.com").await;
    let mut body = body(operation, other, 1);
    let mut path = path(operation, other);
    match operation.id.as_str() {
        "createUser" => body["role"] = "ADMIN".into(),
        "updateUser" => {
            path = self::path(operation, user);
            body = json!({"role": "ADMIN"});
        }
        _ => {}
    }
    let token = token(user, false);
    let headers = [("authorization", token.as_str())];
    send_with(shop, operation, &path, &body, &headers).await
}

async fn conflict(shop: &Shop, operation: &Operation, path: &str) -> ClientResponse {
    match operation.id.as_str() {
        "addCartItem" => {
            send(
                shop,
                operation,
                path,
                &json!({"user_id": NO_SUCH_ID, "product_id": NO_SUCH_ID}),
            )
            .await
        }
        "createUser" | "updateUser" => {
            shop.create_user("taken@example.com").await;
            let taken = json!({"email": "taken@example.com", "password": "secret", "role": "USER"});
            send(shop, operation, path, &taken).await
        }
        "createProduct" | "updateProduct" | "removeCartItem" | "clearUserCart" => {
            for event in ["INSERT ON products", "UPDATE ON products", "DELETE ON cart"] {
                let name = event.replace(' ', "_");
                shop.execute(format!(
                    "CREATE TRIGGER {name} BEFORE {event} FOR EACH ROW SIGNAL SQLSTATE '45000'"
                ))
                .await;
            }
            send(shop, operation, path, &body(operation, 1, 1)).await
        }
        _ => {
            shop.execute(
                "CREATE TABLE orders (user_id INT, product_id INT,
                    FOREIGN KEY (user_id) REFERENCES users (id),
                    FOREIGN KEY (product_id) REFERENCES products (id));
                 INSERT INTO orders VALUES (1, 1)",
            )
            .await;
            send(shop, operation, path, &Value::Null).await
        }
    }
}

#[tokio::test]
async fn every_operation_reaches_each_status_that_it_documents() {
    let mut all = BTreeSet::new();
    for operation in operations() {
        for status in operation.statuses() {
            if ELSEWHERE.contains(&status) {
                continue;
            }
            all.insert((operation.id.as_str(), status));
            if !UNREACHABLE.contains(&(operation.id.as_str(), status)) {
                let response = if auth::has(operation) {
                    auth::provoke(operation, status).await
                } else {
                    provoke(operation, status).await
                };
                assert_eq!(
                    response.status.as_u16(),
                    status,
                    "{}: {response:?}",
                    operation.id
                );
            }
        }
    }
    // The harness records only responses that it has read from a socket.
    let reached: BTreeSet<_> = reached().into_iter().collect();
    let missing: Vec<_> = all
        .difference(&reached)
        .filter(|pair| !UNREACHABLE.contains(pair))
        .collect();
    assert!(
        missing.is_empty(),
        "documented, but reached by no test: {missing:?}"
    );
    assert!(UNREACHABLE.len() <= 3);
    let mut statuses: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
    for (operation, status) in all.intersection(&reached) {
        statuses.entry(operation).or_default().push(*status);
    }
    record("statuses", &json!(statuses));
}

#[tokio::test]
async fn every_operation_with_a_body_validates_it() {
    let shop = Shop::open().await;
    let mut rejected = BTreeMap::new();
    for operation in operations().filter(|operation| operation.body.is_some()) {
        let authorization = format!("Bearer {}", access_token(1, 1));
        let headers = if auth::needs_token(operation) {
            vec![("authorization", authorization.as_str())]
        } else {
            Vec::new()
        };
        let (path, body) = (path(operation, 1), json!({"nonsense": 1}));
        let response = send_with(&shop, operation, &path, &body, &headers).await;
        let violations = response.violations();
        let unknown = "/nonsense is not a known property".to_owned();
        assert!(
            violations.contains(&unknown),
            "{}: {violations:?}",
            operation.id
        );
        rejected.insert(operation.id.as_str(), violations.len());
    }
    assert_eq!(rejected.len(), 9);
    record("bodies", &json!(rejected));
}

/// Saves results for the table that `just proof` prints.
fn record(name: &str, results: &Value) {
    let file = format!("{}/proof-{name}.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(file, results.to_string()).unwrap();
}

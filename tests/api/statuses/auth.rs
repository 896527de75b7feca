//! Provokes each status of the operations of the contract `auth`.

use ecommerce_api::contract::Operation;
use hyper::Method;
use serde_json::{Value, json};

use crate::common::headers::document_of;
use crate::harness::{ClientResponse, JSON, Shop, Tokens, access_token};

/// Whether an operation belongs to the contract `auth`.
pub fn has(operation: &Operation) -> bool {
    operation.path.starts_with("/api/auth/")
}

/// Whether an operation needs an access token although authentication is off.
pub fn needs_token(operation: &Operation) -> bool {
    if !has(operation) {
        return false;
    }
    let path = &document_of(operation)["paths"][&operation.path];
    path[operation.method.to_lowercase()]["security"][0].is_object()
}

/// A request that succeeds, for the session with these tokens.
fn body(operation: &Operation, tokens: &Tokens) -> Value {
    match operation.id.as_str() {
        "login" => json!({"email": "ada@example.com", "password": "secret"}),
        "refresh" | "logout" => json!({"refresh_token": tokens.refresh}),
        "changePassword" => {
            json!({"current_password": "secret", "new_password": "much more secret"})
        }
        _ => Value::Null,
    }
}

/// Provokes a response of `operation` with `status`, in a shop of its own.
pub async fn provoke(operation: &Operation, status: u16) -> ClientResponse {
    let (shop, mut tokens) = if status == 503 {
        let tokens = Tokens {
            access: access_token(1, 1),
            refresh: "none".to_owned(),
        };
        (Shop::without_database().await, tokens)
    } else {
        let shop = Shop::open().await;
        shop.create_user("ada@example.com").await;
        let tokens = shop.log_in("ada@example.com").await;
        (shop, tokens)
    };
    let mut path = operation.path.clone();
    let mut content_type = JSON;
    let mut body = body(operation, &tokens);
    let mut large = false;
    match status {
        400 => path.push_str("?nonsense=1"),
        401 => {
            tokens.access.push('x');
            match operation.id.as_str() {
                "login" => body["password"] = "wrong".into(),
                "refresh" => body["refresh_token"] = "unknown".into(),
                _ => {}
            }
        }
        403 => body["current_password"] = "wrong".into(),
        413 => large = true,
        415 => content_type = ("content-type", "text/plain"),
        500 => {
            shop.execute(
                "ALTER TABLE users CHANGE password hidden VARCHAR(255);
                 ALTER TABLE users CHANGE email hidden_too VARCHAR(255);
                 ALTER TABLE auth_sessions CHANGE user_id hidden INT",
            )
            .await;
        }
        _ => {}
    }
    let authorization = format!("Bearer {}", tokens.access);
    let mut headers = Vec::new();
    if needs_token(operation) {
        headers.push(("authorization", authorization.as_str()));
    }
    let mut bytes = Vec::new();
    if operation.body.is_some() {
        headers.push(content_type);
        bytes = if large {
            vec![b' '; 1024 * 1024 + 1]
        } else {
            body.to_string().into()
        };
    }
    let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
    shop.send(method, &path, &headers, bytes).await
}

//! Who may do what. The tests act on a service that requires tokens, and arrange through another one over
//! the same database, which does not.

mod others;
mod shared;
mod table;
mod tokens;

use ecommerce_api::contract::Operation;
use hyper::Method;
use serde_json::Value;

use crate::harness::{ClientResponse, JSON, Shop};

/// Sends a request with this value of `Authorization`, if any, and this body unless it is null.
async fn send(
    shop: &Shop,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &Value,
) -> ClientResponse {
    let mut headers: Vec<_> = token.iter().map(|it| ("authorization", *it)).collect();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    if body.is_null() {
        return shop.send(method, path, &headers, Vec::new()).await;
    }
    headers.push(JSON);
    let body = body.to_string().into_bytes();
    shop.send(method, path, &headers, body).await
}

/// The path of an operation whose placeholder has this value.
fn path(operation: &Operation, id: i64) -> String {
    let id = id.to_string();
    let path = operation.path.replace("{id}", &id);
    path.replace("{user_id}", &id)
}

//! Tokens that are not valid, and the order in which the faults of a request are found.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ecommerce_api::api::contracts::operations;
use ecommerce_api::contract::Operation;
use hyper::Method;
use ring::hmac;
use serde_json::{Value, json};

use super::{path, send};
use crate::harness::{JSON, SECRET, Shop, dump, token, token_issued};
use crate::raw::{request_head, send_raw};

/// Whether an operation looks at a token. The others take what proves who the caller is in the body.
fn takes_token(operation: &Operation) -> bool {
    operation.security.schemes().next().is_some()
}

/// A token with the claims of a valid one and another header, signed with the key of the service.
fn with_header(header: &Value) -> String {
    let valid = token(1, true);
    let claims = valid.split('.').nth(1).unwrap();
    let content = format!("{}.{claims}", BASE64.encode(header.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, content.as_bytes());
    format!("Bearer {content}.{}", BASE64.encode(signature))
}

/// The header of a valid token, with another value of one member.
fn header_with(name: &str, value: &str) -> Value {
    let valid = token(1, true);
    let header = valid
        .trim_start_matches("Bearer ")
        .split('.')
        .next()
        .unwrap();
    let mut header: Value = serde_json::from_slice(&BASE64.decode(header).unwrap()).unwrap();
    header[name] = value.into();
    header
}

/// Values of `Authorization` that are no valid tokens, of an administrator, each with its fault.
fn invalid_tokens() -> Vec<(&'static str, String)> {
    let valid = token(1, true);
    let now = SystemTime::now();
    let (content, _) = valid.rsplit_once('.').unwrap();
    let other = token(2, true);
    let (_, signature) = other.rsplit_once('.').unwrap();
    vec![
        (
            "expired",
            token_issued(now - Duration::from_mins(15), 1, true),
        ),
        (
            "not yet valid",
            token_issued(now + Duration::from_mins(1), 1, true),
        ),
        ("another's signature", format!("{content}.{signature}")),
        ("no signature", format!("{content}.")),
        ("two parts", content.to_owned()),
        ("an ID token", with_header(&header_with("typ", "JWT"))),
        (
            "a refresh token",
            with_header(&header_with("typ", "rt+jwt")),
        ),
        ("no algorithm", with_header(&header_with("alg", "none"))),
        (
            "another algorithm",
            with_header(&header_with("alg", "HS512")),
        ),
        ("another key", with_header(&header_with("kid", "another"))),
        (
            "an opaque token",
            format!("Bearer {}", BASE64.encode([7; 32])),
        ),
        ("two tokens", format!("{valid} {valid}")),
        ("no token", "Bearer".to_owned()),
        ("a long token", format!("Bearer {}", "a".repeat(4000))),
    ]
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_a_401_on_every_operation_in_both_modes() {
    let open = Shop::open_sample().await;
    let required = open.requiring_tokens().await;
    let before = open.sql(dump).await;
    for shop in [&open, &required] {
        for operation in operations().filter(|it| takes_token(it)) {
            for (fault, token) in invalid_tokens() {
                let path = path(operation, 1);
                let response =
                    send(shop, &operation.method, &path, Some(&token), &Value::Null).await;
                let (code, _) = response.error(401);
                assert_eq!(code, "UNAUTHENTICATED", "{} with {fault}", operation.id);
                let challenge = response.header("www-authenticate");
                assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{fault}");
            }
        }
    }
    assert_eq!(open.sql(dump).await, before);
}

/// Without this, the test above could pass because its tokens are wrong in another way.
#[tokio::test]
async fn a_token_that_is_signed_again_as_it_was_is_valid() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    let token = with_header(&header_with("alg", "HS256"));
    let response = send(&shop, "GET", "/api/users", Some(&token), &Value::Null).await;
    response.expect(200);
}

#[tokio::test]
async fn a_401_comes_before_every_other_fault_of_a_request_and_two_headers_before_that() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    let with_body = operations().filter(|operation| operation.body.is_some());
    for operation in with_body.filter(|it| takes_token(it)) {
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        let path = format!("{}?nonsense=1", path(operation, 1));
        let bad = ("authorization", "Bearer x");
        for headers in [
            &[bad, JSON][..],
            &[bad, ("content-type", "text/plain")],
            &[bad],
        ] {
            for body in [b"{".to_vec(), vec![b' '; 1024 * 1024 + 1]] {
                let response = shop.send(method.clone(), &path, headers, body).await;
                response.error(401);
            }
        }
        let valid = token(1, true);
        for other in [valid.as_str(), "Bearer x"] {
            let headers = [
                ("authorization", valid.as_str()),
                ("authorization", other),
                JSON,
            ];
            let response = shop
                .send(method.clone(), &path, &headers, b"{".to_vec())
                .await;
            assert_eq!(response.violations(), ["Authorization is there twice"]);
        }
    }
}

/// What path and caller decide needs no body: a client that waits for permission to send one is not asked.
#[tokio::test]
async fn a_refused_caller_is_not_asked_for_the_body() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    for (target, token, status) in [
        ("POST /api/products", None, 401),
        ("POST /api/products", Some(token(2, false)), 403),
        ("PUT /api/users/3", Some(token(2, false)), 404),
    ] {
        let authorization =
            token.map_or_else(String::new, |token| format!("Authorization: {token}\r\n"));
        let head = request_head(target);
        let request = format!(
            "{head}{authorization}Content-Type: application/json\r\nContent-Length: 9\r\n\
             Expect: 100-continue\r\n\r\n"
        );
        let (head, _) = send_raw(&shop, request).await;
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{target}: {head}"
        );
    }
}

#[tokio::test]
async fn pages_and_documents_need_no_token() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    for path in [
        "/",
        "/health",
        "/api/docs",
        "/api/openapi.yaml",
        "/api/swagger.json",
    ] {
        assert_eq!(shop.get(path).await.status, 200, "{path}");
    }
    let preflight = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization"),
    ];
    let response = shop
        .send(Method::OPTIONS, "/api/users/1", &preflight, Vec::new())
        .await;
    assert_eq!(response.status, 204);
}

#[tokio::test]
async fn the_served_contract_says_whether_tokens_are_required() {
    let open = Shop::open_sample().await;
    let shop = open.requiring_tokens().await;
    let token = json!({"bearerAuth": []});
    for path in ["/api/swagger.json", "/api/openapi.json"] {
        let security = |document: &Value, path: &str, method: &str| {
            document["paths"][path][method]["security"].clone()
        };
        let optional = open.get(path).await.json();
        let required = shop.get(path).await.json();
        assert_eq!(security(&optional, "/api/users", "get"), json!([token, {}]));
        assert_eq!(security(&required, "/api/users", "get"), json!([token]));
        for document in [&optional, &required] {
            assert_eq!(
                security(document, "/api/products", "get"),
                json!([token, {}])
            );
        }
    }
}

/// A client whose access token has expired sends it with everything, and has to get a new one.
#[tokio::test]
async fn an_operation_that_takes_no_token_does_not_look_at_one() {
    let open = Shop::open().await;
    let shop = open.requiring_tokens().await;
    open.create_user("ada@example.com").await;
    let tokens = shop.log_in("ada@example.com").await;
    let expired = token_issued(SystemTime::now() - Duration::from_mins(15), 1, false);
    let refresh_token = json!({"refresh_token": tokens.refresh});
    for (path, body) in [
        (
            "/api/auth/login",
            json!({"email": "ada@example.com", "password": "secret"}),
        ),
        ("/api/auth/refresh", refresh_token.clone()),
        ("/api/auth/logout", refresh_token),
    ] {
        let sent = send(&shop, "POST", path, Some(&expired), &body).await;
        sent.expect(200);
    }
}

//! Responses that the service itself checks against the contract (`CONTRACT_VALIDATION`).

use std::io;
use std::sync::{Arc, Mutex};

use ecommerce_api::api::contracts;
use ecommerce_api::api::validation::Validation;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Shop, access_token};

/// A shop with a product whose title is longer than the contract allows. Only another program could have
/// stored the title.
async fn shop_with_a_nonconforming_row(validation: Validation) -> Shop {
    let shop = Shop::open_with(validation).await;
    shop.execute(
        "ALTER TABLE products MODIFY title VARCHAR(400) NOT NULL;
         INSERT INTO products (title) VALUES ('fine'), (REPEAT('secret', 60))",
    )
    .await;
    shop
}

/// Writes to a shared log.
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures the log of this thread as JSON lines until the guard is dropped.
pub fn captured_log() -> (Arc<Mutex<Vec<u8>>>, tracing::subscriber::DefaultGuard) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || Log(Arc::clone(&writer)))
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// The log lines about nonconforming responses. Also checks that the log has no value of the row.
pub fn violation_lines(log: &Mutex<Vec<u8>>) -> Vec<Value> {
    let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(
        !text.contains("secretsecret"),
        "the log has a value: {text}"
    );
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["message"] == "the response does not conform to the contract")
        .collect()
}

#[tokio::test]
async fn warn_logs_a_nonconforming_response_and_sends_it() {
    let (log, _guard) = captured_log();
    let shop = shop_with_a_nonconforming_row(Validation::Warn(1.0)).await;
    let id = [("x-request-id", "nonconforming-1")];
    let response = shop
        .send_nonconforming(Method::GET, "/api/products", &id, Vec::new())
        .await;
    assert_eq!(response.expect(200)[1]["title"], "secret".repeat(60));
    let lines = violation_lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        [
            &lines[0]["operation"],
            &lines[0]["pointer"],
            &lines[0]["problem"],
            &lines[0]["span"]["id"]
        ],
        [
            "listProducts",
            "/data/1/title",
            "must have at most 255 characters",
            "nonconforming-1"
        ]
    );
}

#[tokio::test]
async fn warn_checks_the_configured_share_of_responses() {
    let (log, _guard) = captured_log();
    let shop = shop_with_a_nonconforming_row(Validation::Warn(0.0)).await;
    shop.send_nonconforming(Method::GET, "/api/products/2", &[], Vec::new())
        .await
        .expect(200);
    assert!(violation_lines(&log).is_empty());
}

#[tokio::test]
async fn enforce_replaces_a_nonconforming_response_by_a_500() {
    let (log, _guard) = captured_log();
    let shop = shop_with_a_nonconforming_row(Validation::Enforce).await;
    let response = shop.get("/api/products/2").await;
    let (code, message) = response.error(500);
    assert_eq!(
        (&*code, &*message),
        (
            "INTERNAL_ERROR",
            "The server failed to answer; its log has the cause"
        )
    );
    assert_eq!(violation_lines(&log)[0]["pointer"], "/data/title");
    shop.get("/api/products/1").await.expect(200);
    shop.post("/api/products", &json!({"title": "x"}))
        .await
        .expect(201);
    shop.get("/api/products/0").await.error(400);
}

/// A HEAD has no body that could be validated.
#[tokio::test]
async fn enforce_responds_to_a_head_as_to_a_get() {
    let shop = Shop::open_with(Validation::Enforce).await;
    shop.create_user("ada@example.com").await;
    shop.create_product("Pot").await;
    shop.add_to_cart(1, 1).await;
    let authorization = format!("Bearer {}", access_token(1, 1));
    let gets = contracts::operations().filter(|operation| operation.method == "GET");
    for operation in gets {
        for (id, status) in [("1", 200), ("0", 400), ("7", 404)] {
            let path = operation.path.replace("{id}", id);
            let has_id = path != operation.path;
            // Authentication is off, but this operation is about the bearer of a token.
            let headers: &[_] = match operation.id.as_str() {
                "getMe" => &[("authorization", &*authorization)],
                _ => &[],
            };
            // The harness compares the response with that of a GET.
            let head = shop.send(Method::HEAD, &path, headers, Vec::new()).await;
            let expected = if has_id { status } else { 200 };
            assert_eq!(head.status, expected, "{path}");
        }
    }
}

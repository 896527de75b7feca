//! Rows of a list that do not conform to the contract, with each setting of `CONTRACT_VALIDATION`.

use ecommerce_api::api::validation::Validation;
use hyper::Method;

use super::{LAST_CHUNK, large_shop};
use crate::harness::Shop;
use crate::paused_client::PausedClient;
use crate::validation::{captured_log, violation_lines};

/// A large shop with one product whose title is longer than the contract allows.
async fn shop_with_a_nonconforming_row(validation: Validation, id: i32) -> Shop {
    let shop = large_shop(validation).await;
    shop.execute(format!(
        "ALTER TABLE products MODIFY title VARCHAR(400) NOT NULL;
         UPDATE products SET title = REPEAT('secret', 60) WHERE id = {id}"
    ))
    .await;
    shop
}

#[tokio::test]
async fn enforce_responds_with_500_when_the_first_chunk_has_a_nonconforming_row() {
    let (log, _guard) = captured_log();
    let shop = shop_with_a_nonconforming_row(Validation::Enforce, 7).await;
    let response = shop.get("/api/products").await;
    assert_eq!(response.error(500).0, "INTERNAL_ERROR");
    assert!(!String::from_utf8_lossy(&response.body).contains("secret"));
    assert_eq!(violation_lines(&log)[0]["pointer"], "/data/6/title");
}

#[tokio::test]
async fn enforce_breaks_off_the_transfer_at_a_nonconforming_row_of_a_later_chunk() {
    let (log, _guard) = captured_log();
    // In a chunk in the middle, and in the last one.
    for id in [2000, 3000] {
        let shop = shop_with_a_nonconforming_row(Validation::Enforce, id).await;
        let broken = PausedClient::get(&shop, "/api/products", "")
            .await
            .read_to_end()
            .await;
        assert!(!broken.ends_with(LAST_CHUNK));
        let text = String::from_utf8_lossy(&broken);
        assert!(text.contains(r#""id":1000,"#) && !text.contains("secret"));
        let gzip = PausedClient::get(&shop, "/api/products", "Accept-Encoding: gzip\r\n").await;
        assert!(!gzip.read_to_end().await.ends_with(LAST_CHUNK));
    }
    let lines = violation_lines(&log);
    let pointers = lines.iter().map(|line| &line["pointer"]);
    assert_eq!(
        pointers.collect::<Vec<_>>(),
        [
            "/data/1999/title",
            "/data/1999/title",
            "/data/2999/title",
            "/data/2999/title"
        ]
    );
}

#[tokio::test]
async fn enforce_and_warn_send_a_list_that_conforms_to_the_contract() {
    for validation in [Validation::Enforce, Validation::Warn(1.0)] {
        let (log, _guard) = captured_log();
        let shop = large_shop(validation).await;
        let list = shop.get("/api/cart").await;
        assert_eq!(list.expect(200).as_array().unwrap().len(), 10_000);
        assert!(violation_lines(&log).is_empty());
    }
}

#[tokio::test]
async fn warn_logs_a_nonconforming_row_of_a_long_list_and_sends_it() {
    let (log, _guard) = captured_log();
    let shop = shop_with_a_nonconforming_row(Validation::Warn(1.0), 2000).await;
    let list = shop
        .send_nonconforming(Method::GET, "/api/products", &[], Vec::new())
        .await
        .expect(200);
    assert_eq!(list[1999]["title"], "secret".repeat(60));
    assert_eq!(list.as_array().unwrap().len(), 3000);
    let lines = violation_lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["pointer"], "/data/1999/title");
}

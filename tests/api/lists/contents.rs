//! The rows of lists of different lengths.

use ecommerce_api::api::validation::Validation;
use hyper::Method;
use serde_json::json;

use super::{CART, ITEM, PRODUCT, USER, assert_list, large_shop, rows};
use crate::harness::Shop;

#[tokio::test]
async fn a_short_list_and_its_pages_have_the_rows_that_sql_selects() {
    // A chunk has 16 KiB. A description of `full` characters fills a chunk to the last byte.
    let around = r#"{"success":true,"data":["#.len()
        + json!({"id": 1, "title": "x", "image_url": null, "description": ""})
            .to_string()
            .len();
    let full = 16 * 1024 - around;
    let shop = Shop::open().await;
    for (descriptions, is_small) in [
        (String::new(), true),
        ("(1, 'x', 'small')".into(), true),
        (format!("(1, 'x', REPEAT('a', {}))", full - 1), true),
        (format!("(1, 'x', REPEAT('a', {full}))"), false),
        (
            format!("(1, 'x', REPEAT('a', {full})), (2, 'y', 'z')"),
            false,
        ),
        ("(1, 'x', REPEAT('😀', 16383))".into(), false),
    ] {
        shop.execute("DELETE FROM products").await;
        if !descriptions.is_empty() {
            let insert = "INSERT INTO products (id, title, description) VALUES";
            shop.execute(format!("{insert} {descriptions}")).await;
        }
        let rows = rows(&shop, PRODUCT, "products p ORDER BY id").await;
        assert_list(&shop.get("/api/products").await, &rows, is_small);
        let page = shop.get("/api/products?limit=2").await;
        assert_list(&page, &rows, is_small);
        assert_eq!(
            page.json()["pagination"],
            json!({"page": 1, "limit": 2, "total": rows.len()})
        );
    }
}

#[tokio::test]
async fn a_list_of_thousands_of_rows_and_its_pages_have_the_rows_that_sql_selects() {
    let shop = large_shop(Validation::Off).await;
    let with_user = format!("JSON_OBJECT({ITEM}, 'user', {USER})");
    let with_product = format!("JSON_OBJECT({ITEM}, 'product', {PRODUCT})");
    let with_both = format!("JSON_OBJECT({ITEM}, 'user', {USER}, 'product', {PRODUCT})");
    for (path, object, from) in [
        ("/api/users", USER, "users u ORDER BY id".to_owned()),
        ("/api/products", PRODUCT, "products p ORDER BY id".into()),
        ("/api/cart", &with_both, format!("{CART} ORDER BY c.id")),
        (
            "/api/users/1/cart",
            &with_product,
            format!("{CART} WHERE c.user_id = 1 ORDER BY c.id"),
        ),
        (
            "/api/products/1/carts",
            &with_user,
            format!("{CART} WHERE c.product_id = 1 ORDER BY c.id"),
        ),
    ] {
        let rows = rows(&shop, object, &from).await;
        assert!(rows.len() >= 3000, "{path}: {}", rows.len());
        let whole = shop.get(path).await;
        assert_list(&whole, &rows, false);
        let page = shop.get(&format!("{path}?limit=1000&page=2")).await;
        assert_list(&page, &rows[1000..2000], false);
        assert_eq!(page.json()["pagination"]["total"], rows.len());
    }
}

#[tokio::test]
async fn a_list_of_several_chunks_may_be_compressed() {
    let shop = large_shop(Validation::Off).await;
    let plain = shop.get("/api/products").await;
    let gzip = [("accept-encoding", "gzip")];
    let compressed = shop
        .send(Method::GET, "/api/products", &gzip, Vec::new())
        .await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert_eq!(compressed.expect(200).as_array().unwrap().len(), 3000);
    assert_eq!(compressed.body, plain.body);
}

#[tokio::test]
async fn a_head_of_a_large_list_holds_no_database_connection() {
    let shop = large_shop(Validation::Off).await;
    for _ in 0..20 {
        let head = shop
            .send(Method::HEAD, "/api/products", &[], Vec::new())
            .await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    shop.get("/api/products").await.expect(200);
}

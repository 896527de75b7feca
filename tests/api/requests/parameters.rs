//! The parameters of the path and of the query.

use crate::harness::Shop;

#[tokio::test]
async fn an_invalid_id_is_a_400_and_an_unknown_id_is_a_404() {
    let shop = Shop::open().await;
    for id in [
        "0",
        "-1",
        "2147483648",
        "abc",
        "1.0",
        "+1",
        "01",
        "%00",
        "1%20",
        "99999999999999999999",
        "null",
        "%F0%9F%98%80",
    ] {
        let response = shop.get(&format!("/api/users/{id}")).await;
        assert_eq!(
            response.violations(),
            ["id must be a whole number from 1 to 2147483647"],
            "{id}"
        );
    }
    for id in ["%", "%f", "%zz", "%ff", "1%"] {
        let response = shop.get(&format!("/api/users/{id}/cart")).await;
        assert_eq!(
            response.violations(),
            ["id has a broken percent-encoding"],
            "{id}"
        );
    }
    shop.get("/api/users/2147483647").await.error(404);
    let cleared = shop.delete("/api/cart/user/0").await;
    assert_eq!(
        cleared.violations(),
        ["user_id must be a whole number from 1 to 2147483647"]
    );
}

#[tokio::test]
async fn query_parameters_are_all_checked() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.get("/api/products?page=0&limit=1001&limt=3&Page=1")
            .await
            .violations(),
        [
            "Page is not a known query parameter",
            "limit must be a whole number from 1 to 1000",
            "limt is not a known query parameter",
            "page must be a whole number from 1 to 2147483647",
        ]
    );
    for query in [
        "page=",
        "page",
        "page=1&page=1",
        "page=2147483648",
        "limit=-1",
        "limit=1e1",
        "page=%31%",
        "%ff=1",
        "=",
        "page=1;limit=2",
    ] {
        shop.get(&format!("/api/users?{query}")).await.violations();
    }
    // Parameters that require paging, in different encodings.
    for query in [
        "sort=title",
        "sort=%74itle",
        "sort=%2Dtitle",
        "%71=mo",
        "q=%6Do",
    ] {
        let response = shop.get(&format!("/api/products?{query}")).await;
        let violations = response.violations();
        assert!(
            violations[0].ends_with(" needs `page` or `limit` beside it"),
            "{query}"
        );
    }
    shop.get("/api/users?").await.expect(200);
    shop.get("/api/users?page=%31").await.expect(200);
    shop.delete("/api/users/1?force=true").await.violations();
}

//! Concurrent requests for pages of the same list or of several lists.

use futures_util::future::join_all;

use super::{total, while_locked};
use crate::harness::{ClientResponse, Shop};
use crate::paging::rows;

/// Sends concurrent GET requests for all paths while `table` is locked.
async fn get_concurrently(shop: &Shop, table: &str, paths: &[String]) -> Vec<ClientResponse> {
    while_locked(
        shop,
        table,
        join_all(paths.iter().map(|path| shop.get(path))),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_concurrent_pages_belongs_to_its_own_request() {
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', 100 + seq, '@x'), 'x', IF(seq % 3, 'USER', 'ADMIN')
           FROM seq_1_to_100;
         INSERT INTO products (id, title) SELECT seq, CONCAT('Kettle ', seq % 9) FROM seq_1_to_100;
         INSERT INTO cart (user_id, product_id) SELECT 1 + seq % 2, 1 + seq % 2 FROM seq_1_to_100",
    )
    .await;
    for (table, lists) in [
        (
            "users",
            &[
                "/api/users?",
                "/api/users?sort=-id&",
                "/api/users?sort=-email&",
                "/api/users?role=ADMIN&",
                "/api/users?role=USER&sort=-id&",
            ][..],
        ),
        (
            "products",
            &["/api/products?sort=-title&", "/api/products?q=Kettle%202&"],
        ),
        (
            "cart",
            &[
                "/api/cart?sort=-id&",
                "/api/users/1/cart?",
                "/api/users/2/cart?",
                "/api/products/2/carts?sort=-id&",
            ],
        ),
    ] {
        let pages = (1..=12).map(|number| (number, 10));
        let others = [
            (1, 100),
            (2, 30),
            (3, 30),
            (40, 1),
            (7, 10),
            (7, 10),
            (2, 7),
        ];
        let pages: Vec<(i32, i32)> = pages.chain(others).collect();
        let paths = pages.iter().flat_map(|(number, size)| {
            let path = move |list: &&str| format!("{list}page={number}&limit={size}");
            lists.iter().map(path)
        });
        let paths: Vec<String> = paths.collect();
        let together = get_concurrently(&shop, table, &paths).await;
        for (path, page) in paths.iter().zip(together) {
            let alone = shop.get(path).await;
            page.expect(200);
            assert_eq!(page.json(), alone.json(), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_concurrent_page_of_a_missing_list_is_a_404() {
    let shop = Shop::open().await;
    let paths: Vec<String> = (1..20)
        .map(|page| format!("/api/users/7/cart?page={page}"))
        .collect();
    for page in get_concurrently(&shop, "users", &paths).await {
        assert_eq!(page.error(404).0, "NOT_FOUND");
    }
    let user = shop.create_user("ada@example.com").await;
    let page = shop.get(&format!("/api/users/{user}/cart?page=1")).await;
    assert_eq!(total(&page), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_row_fails_only_its_own_page() {
    let shop = Shop::open().await;
    shop.execute(
        "ALTER TABLE users MODIFY role ENUM('ADMIN', 'USER', 'GUEST') NOT NULL;
         INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', seq, '@x'), 'x', IF(seq = 25, 'GUEST', 'USER')
           FROM seq_1_to_100",
    )
    .await;
    let paths: Vec<String> = (1..=10)
        .chain(1..=10)
        .map(|number| format!("/api/users?page={number}"))
        .collect();
    let together = get_concurrently(&shop, "users", &paths).await;
    for (path, page) in paths.iter().zip(together) {
        if path == "/api/users?page=3" {
            assert_eq!(page.error(500).0, "INTERNAL_ERROR");
        } else {
            assert_eq!((rows(&page).len(), total(&page)), (10, 100), "{path}");
        }
    }
}

//! Rejected parameters of lists, and long sorted lists. The rows of lists are tested in `searches`, their
//! links in `paging`.

use std::sync::mpsc;

use ecommerce_api::api::validation::Validation;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::harness::{ClientResponse, Shop, connections, eventually};

/// The values of one property in the order of the list.
fn column(list: &ClientResponse, property: &str) -> Vec<Value> {
    let list = list.expect(200);
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row[property].clone()).collect()
}

async fn column_of(shop: &Shop, path: &str, property: &str) -> Vec<Value> {
    column(&shop.get(path).await, property)
}

/// A shop with products of these titles, with the ids 1, 2 and so on.
async fn titled(titles: &[&str]) -> Shop {
    let shop = Shop::open().await;
    for title in titles {
        shop.create_product(title).await;
    }
    shop
}

#[tokio::test]
async fn a_long_sorted_list_is_complete_and_in_order() {
    let shop = Shop::open_with(Validation::Enforce).await;
    let rows = (0..3000).map(|n| format!("('{:04}@x.io', 'x', 'USER')", (n * 7919) % 3000));
    let rows = rows.collect::<Vec<_>>().join(",");
    shop.execute(format!(
        "INSERT INTO users (email, password, role) VALUES {rows}"
    ))
    .await;
    let emails = column_of(&shop, "/api/users?sort=-email", "email").await;
    assert_eq!(emails.len(), 3000);
    assert!(emails.is_sorted_by(|a, b| a.as_str() > b.as_str()));
    let ids = column_of(&shop, "/api/users?sort=-id", "id").await;
    assert!(ids.len() == 3000 && ids.is_sorted_by(|a, b| a.as_i64() > b.as_i64()));
}

#[tokio::test]
async fn invalid_parameters_are_named() {
    let shop = Shop::open().await;
    let one_of = |values: &str| format!("sort must be one of {values}");
    for (path, violations) in [
        (
            "/api/users?sort=title",
            vec![one_of("id, -id, email, -email")],
        ),
        ("/api/users?sort=", vec![one_of("id, -id, email, -email")]),
        (
            "/api/users?sort=%2Bid",
            vec![one_of("id, -id, email, -email")],
        ),
        ("/api/cart?sort=user_id", vec![one_of("id, -id")]),
        (
            "/api/users?role=user",
            vec!["role must be one of ADMIN, USER".to_owned()],
        ),
        (
            "/api/users?email=",
            vec!["email must not be empty".to_owned()],
        ),
        (
            "/api/users?q=a&page=1",
            vec!["q must have at least 2 characters".to_owned()],
        ),
        (
            "/api/users?q=ab",
            vec!["q needs `page` or `limit` beside it".to_owned()],
        ),
        (
            "/api/products?q=ab&sort=-title",
            vec![
                "q needs `page` or `limit` beside it".to_owned(),
                "sort needs `page` or `limit` beside it".to_owned(),
            ],
        ),
        (
            "/api/products?email=a",
            vec!["email is not a known query parameter".to_owned()],
        ),
        (
            "/api/cart?q=ab&page=1",
            vec!["q is not a known query parameter".to_owned()],
        ),
    ] {
        let rejected = shop.get(path).await;
        assert_eq!(rejected.violations(), violations, "{path}");
        assert_eq!(rejected.json()["error"]["details"][0]["in"], "query");
    }
}

#[tokio::test]
async fn without_an_index_searching_and_sorting_are_rejected() {
    let shop = titled(&["Pot"]).await;
    shop.execute("ALTER TABLE products DROP INDEX products_title")
        .await;
    let problem = "is not available: the database has no index for it";
    for (query, names) in [
        ("q=po&limit=1", vec!["q"]),
        ("sort=title&limit=1", vec!["sort"]),
        ("sort=-title&q=po&page=1", vec!["q", "sort"]),
    ] {
        let rejected = shop.get(&format!("/api/products?{query}")).await;
        let expected: Vec<String> = names
            .iter()
            .map(|name| format!("{name} {problem}"))
            .collect();
        assert_eq!(rejected.violations(), expected, "{query}");
    }
    shop.execute(
        "ALTER TABLE users DROP INDEX users_email, DROP INDEX users_role_email, MODIFY email TEXT NOT NULL, ADD UNIQUE (email)",
    )
    .await;
    let rejected = shop.get("/api/users?sort=email&q=ab&page=1").await;
    let expected = ["q", "sort"].map(|name| format!("{name} {problem}"));
    assert_eq!(rejected.violations(), expected, "a hash has no order");
    shop.get("/api/users?email=a@x.io&sort=-id")
        .await
        .expect(200);
    shop.get("/api/products?sort=-id").await.expect(200);
    shop.execute("ALTER TABLE products ADD INDEX (title)").await;
    let found = column_of(&shop, "/api/products?q=po&limit=1", "id").await;
    assert_eq!(found, [1]);
}

#[tokio::test]
async fn a_search_does_not_wait_for_the_tables_of_another_database() {
    let shop = titled(&["Pot"]).await;
    let other = Shop::open().await;
    let tables = (1..=5).map(|number| format!("CREATE TABLE a{number} (id INT);"));
    other.execute(tables.collect::<String>()).await;
    let (began, has_begun) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let reading = other.sql(move |session| {
        let read = "START TRANSACTION; SELECT COUNT(*) FROM products";
        session.batch_execute(read).unwrap();
        began.send(()).unwrap();
        // An error when the search has ended.
        let _ = released.recv();
    });
    let search = async {
        has_begun.await.unwrap();
        // This locks six tables, and then waits for the products. A statement that waited five seconds
        // for each of the six would be ended by its time limit.
        let drop_tables = "DROP TABLE a1, a2, a3, a4, a5, cart, products";
        let dropping = other.sql(move |session| session.batch_execute(drop_tables));
        let found = async {
            eventually("a table is about to be dropped", async || {
                let waiting = "state = 'Waiting for table metadata lock'";
                let waiting = other.sql(move |session| connections(session, waiting));
                !waiting.await.is_empty()
            })
            .await;
            let found = column_of(&shop, "/api/products?q=po&limit=1", "id").await;
            drop(release);
            found
        };
        let (dropped, found) = tokio::join!(dropping, found);
        dropped.unwrap();
        found
    };
    assert_eq!(tokio::join!(reading, search).1, [1]);
}

#[tokio::test]
async fn a_page_whose_links_would_be_too_long_has_none() {
    let shop = Shop::open().await;
    let long = "%F0%9F%98%80".repeat(255);
    let page = shop
        .get(&format!("/api/users?q={long}&email={long}&limit=1"))
        .await;
    page.expect(200);
    assert_eq!(page.header("link"), None);
    assert_eq!(page.header("x-total-count"), Some("0"));
}

//! Parameters of lists that are refused, long lists in another order, and the headers of a page.
//! Which rows a list has is tested in `searches`, and what its links lead to in `paging`.

use ecommerce_api::api::validation::Validation;
use serde_json::{Value, json};

use crate::harness::{Answer, Shop};
use crate::paging;

/// The values of one property of a list, in its order.
fn column(list: &Answer, property: &str) -> Vec<Value> {
    let list = list.expect(200);
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row[property].clone()).collect()
}

async fn column_of(shop: &Shop, path: &str, property: &str) -> Vec<Value> {
    column(&shop.get(path).await, property)
}

/// A shop with these titles, whose ids are their places from 1.
async fn titled(titles: &[&str]) -> Shop {
    let shop = Shop::open().await;
    for title in titles {
        shop.create_product(title).await;
    }
    shop
}

/// A shop with these users, whose ids are their places from 1.
async fn people(users: &[(&str, &str)]) -> Shop {
    let shop = Shop::open().await;
    for (email, role) in users {
        let user = json!({"email": email, "password": "secret", "role": role});
        shop.post("/api/users", &user).await.expect(201);
    }
    shop
}

#[tokio::test]
async fn a_long_sorted_list_is_whole_and_in_order() {
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
async fn parameters_that_cannot_be_are_named() {
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
        let refused = shop.get(path).await;
        assert_eq!(refused.violations(), violations, "{path}");
        assert_eq!(refused.json()["error"]["details"][0]["in"], "query");
    }
}

#[tokio::test]
async fn without_an_index_on_titles_they_are_not_searched_until_there_is_one() {
    let shop = titled(&["Pot"]).await;
    shop.execute("ALTER TABLE products DROP INDEX products_title")
        .await;
    let problem = "is not available: the database has no index on the title";
    for (query, names) in [
        ("q=po&limit=1", vec!["q"]),
        ("sort=title&limit=1", vec!["sort"]),
        ("sort=-title&q=po&page=1", vec!["q", "sort"]),
    ] {
        let refused = shop.get(&format!("/api/products?{query}")).await;
        let expected: Vec<String> = names
            .iter()
            .map(|name| format!("{name} {problem}"))
            .collect();
        assert_eq!(refused.violations(), expected, "{query}");
    }
    shop.get("/api/products?sort=-id").await.expect(200);
    shop.execute("ALTER TABLE products ADD INDEX (title)").await;
    let found = column_of(&shop, "/api/products?q=po&limit=1", "id").await;
    assert_eq!(found, [1]);
}

/// The target of a link, relative to the request's URL.
fn link(page: &Answer, relation: &str) -> Option<String> {
    paging::link(page, "", relation)
}

#[tokio::test]
async fn a_page_tells_the_others_and_how_many_rows_there_are() {
    let shop = titled(&["a", "b", "c", "d", "e"]).await;
    let page = shop.get("/api/products?sort=title&limit=2&page=2").await;
    let to = |number: u32| Some(format!("?sort=title&page={number}&limit=2"));
    let links = ["first", "prev", "next", "last"].map(|relation| link(&page, relation));
    assert_eq!(links, [to(1), to(1), to(3), to(3)]);
    assert_eq!(page.header("x-total-count"), Some("5"));
    assert_eq!(page.json()["pagination"]["total"], 5);

    let past = shop.get("/api/products?limit=2&page=9").await;
    assert_eq!(past.expect(200), json!([]));
    let to = |number: u32| Some(format!("?page={number}&limit=2"));
    let links = ["first", "prev", "next", "last"].map(|relation| link(&past, relation));
    assert_eq!(links, [to(1), to(3), None, to(3)]);

    let only = shop.get("/api/products?page=1").await;
    let to = Some("?page=1&limit=10".to_owned());
    let links = ["first", "prev", "next", "last"].map(|relation| link(&only, relation));
    assert_eq!(links, [to.clone(), None, None, to]);

    let whole = shop.get("/api/products?sort=-id").await;
    assert_eq!(whole.header("link"), None);
    assert_eq!(whole.header("x-total-count"), None);
    assert!(whole.json().get("pagination").is_none());
}

#[tokio::test]
async fn the_parts_of_others_are_paged_alike() {
    let shop = people(&[("a@x.io", "USER")]).await;
    let pot = shop.create_product("Pot").await;
    for _ in 0..3 {
        shop.add_to_cart(1, pot).await;
    }
    for path in ["/api/users/1/cart", "/api/products/1/carts", "/api/cart"] {
        let page = shop.get(&format!("{path}?limit=2")).await;
        assert_eq!(page.header("x-total-count"), Some("3"), "{path}");
        assert_eq!(link(&page, "next"), Some("?page=2&limit=2".to_owned()));
    }
}

#[tokio::test]
async fn an_update_takes_what_was_shown() {
    let shop = people(&[("a@x.io", "ADMIN"), ("b@x.io", "USER")]).await;
    shop.create_product("Pot").await;
    for path in ["/api/users/1", "/api/products/1"] {
        let shown = shop.get(path).await;
        let updated = shop.put(path, &shown.expect(200)).await;
        assert_eq!(updated.expect(200), shown.expect(200));
        assert_eq!(updated.header("etag"), shown.header("etag"));

        let mut other = shown.expect(200);
        other["id"] = json!(2);
        let refused = shop.put(path, &other).await;
        assert_eq!(refused.violations(), ["/id must be the id in the path"]);
        let alone = shop.put(path, &json!({"id": 1})).await;
        assert_eq!(alone.expect(200), shown.expect(200));
    }
}

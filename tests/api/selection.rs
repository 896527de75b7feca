//! Lists that are sorted, filtered and paged: which rows, in which order, and the way to the others.

use ecommerce_api::api::validation::Validation;
use serde_json::{Value, json};

use crate::harness::{Answer, Shop};

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

// ── Order ───────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn products_are_sorted_by_title_and_the_id_decides_between_equals() {
    let shop = titled(&["b", "a", "c", "a", "B"]).await;
    let ids = async |query: &str| column_of(&shop, &format!("/api/products?{query}"), "id").await;
    // The collation does not tell letter case apart.
    assert_eq!(ids("sort=title&limit=9").await, [2, 4, 1, 5, 3]);
    assert_eq!(ids("sort=-title&limit=9").await, [3, 5, 1, 4, 2]);
    assert_eq!(ids("sort=title&limit=2&page=2").await, [1, 5]);
    assert_eq!(ids("sort=-id").await, [5, 4, 3, 2, 1]);
    assert_eq!(ids("sort=id").await, [1, 2, 3, 4, 5]);
    assert_eq!(ids("sort=-id&limit=2&page=3").await, [1]);
}

#[tokio::test]
async fn users_are_sorted_by_email_whole_or_by_page() {
    let shop = people(&[("b@x.io", "USER"), ("a@x.io", "USER"), ("c@x.io", "ADMIN")]).await;
    let ids = async |query: &str| column_of(&shop, &format!("/api/users?{query}"), "id").await;
    assert_eq!(ids("sort=email").await, [2, 1, 3]);
    assert_eq!(ids("sort=-email").await, [3, 1, 2]);
    assert_eq!(ids("sort=-email&page=2&limit=2").await, [2]);
    assert_eq!(ids("sort=-id").await, [3, 2, 1]);
}

#[tokio::test]
async fn cart_items_are_listed_from_the_last_to_the_first() {
    let shop = people(&[("a@x.io", "USER"), ("b@x.io", "USER")]).await;
    let pot = shop.create_product("Pot").await;
    for user in [1, 2, 1] {
        shop.add_to_cart(user, pot).await;
    }
    for (path, ids) in [
        ("/api/cart?sort=-id", vec![3, 2, 1]),
        ("/api/cart?sort=-id&limit=1&page=2", vec![2]),
        ("/api/users/1/cart?sort=-id", vec![3, 1]),
        ("/api/users/1/cart?sort=-id&limit=1", vec![3]),
        ("/api/users/1/cart?sort=id", vec![1, 3]),
        ("/api/products/1/carts?sort=-id", vec![3, 2, 1]),
        ("/api/products/1/carts?sort=-id&page=3&limit=1", vec![1]),
    ] {
        assert_eq!(column_of(&shop, path, "id").await, ids, "{path}");
    }
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
async fn every_page_together_is_the_whole_list() {
    let shop = titled(&["d", "a", "c", "a", "b", "a", "e"]).await;
    for sort in ["id", "-id", "title", "-title"] {
        let whole = column_of(&shop, &format!("/api/products?limit=100&sort={sort}"), "id").await;
        let mut paged = Vec::new();
        let mut path = format!("/api/products?limit=2&sort={sort}");
        loop {
            let page = shop.get(&path).await;
            paged.extend(column(&page, "id"));
            match link(&page, "next") {
                Some(next) => path = format!("/api/products{next}"),
                None => break,
            }
        }
        assert_eq!(paged, whole, "{sort}");
    }
}

// ── Filters ─────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_search_takes_every_character_literally_and_letter_case_does_not_count() {
    let shop = titled(&[
        "50% off", "50 euros", "a_b", "a-b", r"c\d", "c!d", "Tea", "TEA pot", "e'f",
    ])
    .await;
    for (q, ids) in [
        ("50%25", vec![1]),
        ("50", vec![1, 2]),
        ("a_", vec![3]),
        ("a-", vec![4]),
        (r"c%5C", vec![5]),
        ("c!", vec![6]),
        ("tea", vec![7, 8]),
        ("tea+p", vec![8]),
        ("e'", vec![9]),
        ("%25%25", vec![]),
        ("__", vec![]),
        ("ea", vec![]),
        ("%00%00", vec![]),
    ] {
        let path = format!("/api/products?limit=100&q={q}");
        assert_eq!(column_of(&shop, &path, "id").await, ids, "{q}");
    }
}

#[tokio::test]
async fn users_are_found_by_the_beginning_of_their_email_in_any_order() {
    let users = [
        ("bea@x.io", "USER"),
        ("ben@x.io", "ADMIN"),
        ("al@x.io", "USER"),
        ("be@x.io", "USER"),
    ];
    let shop = people(&users).await;
    let ids = async |query: &str| column_of(&shop, &format!("/api/users?{query}"), "id").await;
    assert_eq!(ids("q=BE&limit=9").await, [1, 2, 4]);
    assert_eq!(ids("q=be&limit=9&sort=email").await, [4, 1, 2]);
    assert_eq!(ids("q=be&limit=9&sort=-id").await, [4, 2, 1]);
    assert_eq!(ids("q=be&limit=9&role=USER&sort=-email").await, [1, 4]);
    assert_eq!(ids("q=be&limit=1&page=2&role=USER").await, [4]);
}

#[tokio::test]
async fn an_email_is_found_only_as_it_is_stored() {
    let shop = people(&[("Ann@x.io", "USER"), ("jose@x.io", "ADMIN")]).await;
    let ids = async |query: &str| column_of(&shop, &format!("/api/users?{query}"), "id").await;
    assert_eq!(ids("email=Ann@x.io").await, [1]);
    assert_eq!(ids("email=Ann%40x.io&page=1").await, [1]);
    for other in ["ann@x.io", "Ann@x.io%20", "Ann", "jos%C3%A9@x.io", "%25"] {
        assert_eq!(
            ids(&format!("email={other}")).await,
            Vec::<Value>::new(),
            "{other}"
        );
    }
    assert_eq!(ids("email=jose@x.io&role=USER").await, Vec::<Value>::new());
    assert_eq!(ids("email=jose@x.io&role=ADMIN").await, [2]);
}

#[tokio::test]
async fn roles_filter_whole_lists_and_pages() {
    let shop = people(&[("a@x.io", "ADMIN"), ("b@x.io", "USER"), ("c@x.io", "ADMIN")]).await;
    let all = shop.get("/api/users?role=ADMIN").await;
    assert_eq!(column(&all, "id"), [1, 3]);
    assert_eq!(all.json()["message"], "2 users");
    let page = shop.get("/api/users?role=ADMIN&limit=1&page=2").await;
    assert_eq!(column(&page, "id"), [3]);
    assert_eq!(
        page.json()["pagination"],
        json!({"page": 2, "limit": 1, "total": 2})
    );
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

// ── The way to the other pages ──────────────────────────────────────────────────────────────────

/// The target of a link, relative to the request's URL.
fn link(page: &Answer, relation: &str) -> Option<String> {
    let mut links = page.header("link").expect("a page has links").split(", ");
    let marked = format!("; rel=\"{relation}\"");
    let target = links.find_map(|link| link.strip_suffix(&marked))?;
    Some(target.strip_prefix('<')?.strip_suffix('>')?.to_owned())
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

// ── What was shown may be sent back ─────────────────────────────────────────────────────────────

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

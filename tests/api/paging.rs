//! Pages: the links that lead through a list, and the numbers in messages and totals.

use serde_json::{Value, json};

use crate::harness::{ClientResponse, Shop};

/// The target of the link `relation` of a response, as a path.
fn link(response: &ClientResponse, path: &str, relation: &str) -> Option<String> {
    let mut links = response.header("link")?.split(", ");
    let relation = format!("; rel=\"{relation}\"");
    let target = links.find_map(|link| link.strip_suffix(&relation))?;
    let query = target.strip_prefix('<')?.strip_suffix('>')?;
    let path = path.split('?').next()?;
    Some(format!("{path}{query}"))
}

/// The pages from `path` on, by the links `relation`, each with its path.
async fn follow(shop: &Shop, path: &str, relation: &str) -> Vec<(String, ClientResponse)> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        assert!(pages.len() < 100, "{path}: the links form a cycle");
        let page = shop.get(&path).await;
        next = link(&page, &path, relation);
        pages.push((path, page));
    }
    pages
}

/// The rows of a list, whose status must be 200.
pub fn rows(response: &ClientResponse) -> Vec<Value> {
    response.expect(200).as_array().unwrap().clone()
}

/// Follows all links of the list at `path` in pages of `size` rows, and checks that the rows are
/// `expected`.
pub async fn check_links(shop: &Shop, path: &str, size: usize, expected: &[Value]) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let start = format!("{path}{separator}limit={size}");
    let pages = follow(shop, &start, "next").await;
    let total = expected.len();
    let seen: Vec<Value> = pages.iter().flat_map(|(_, page)| rows(page)).collect();
    assert_eq!(seen, expected, "{start}");
    assert_eq!(pages.len(), total.div_ceil(size).max(1), "{start}");
    for (number, (path, page)) in (1..).zip(&pages) {
        let pagination = json!({"page": number, "limit": size, "total": total});
        assert_eq!(page.json()["pagination"], pagination, "{path}");
        assert_eq!(
            page.header("x-total-count"),
            Some(&*total.to_string()),
            "{path}"
        );
        let first = link(page, path, "first").unwrap();
        assert_eq!(rows(&shop.get(&first).await), rows(&pages[0].1), "{path}");
        let last = link(page, path, "last").unwrap();
        assert_eq!(
            rows(&shop.get(&last).await),
            rows(&pages.last().unwrap().1),
            "{path}"
        );
    }
    let (last, _) = pages.last().unwrap();
    let back = follow(shop, last, "prev").await;
    let back = back.iter().rev().map(|(_, page)| rows(page));
    assert!(back.eq(pages.iter().map(|(_, page)| rows(page))), "{start}");
    // The page past the end links back to the last page with rows.
    let beyond = format!("{start}&page={}", pages.len() + 3);
    let beyond = follow(shop, &beyond, "prev").await;
    assert!(rows(&beyond[0].1).is_empty(), "{start}");
    assert_eq!(link(&beyond[0].1, path, "next"), None, "{start}");
    assert_eq!(beyond.len(), pages.len() + 1, "{start}");
}

#[tokio::test]
async fn links_visit_each_row_of_a_list_of_any_length_exactly_once() {
    let shop = Shop::open().await;
    for count in 0..=6 {
        let expected = rows(&shop.get("/api/products").await);
        assert_eq!(expected.len(), count);
        for size in [1, 2, 3] {
            check_links(&shop, "/api/products", size, &expected).await;
        }
        shop.create_product(&format!("Product {count}")).await;
    }
}

#[tokio::test]
async fn links_visit_each_row_of_each_kind_of_list() {
    let shop = Shop::open().await;
    let other = shop.create_user("other@example.com").await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Kettle").await;
    let another = shop.create_product("Pot").await;
    for _ in 0..4 {
        shop.add_to_cart(user, product).await;
        shop.add_to_cart(other, product).await;
        shop.add_to_cart(user, another).await;
    }
    for path in [
        "/api/users".to_owned(),
        "/api/products".to_owned(),
        "/api/cart".to_owned(),
        format!("/api/users/{user}/cart"),
        format!("/api/products/{product}/carts"),
    ] {
        let expected = rows(&shop.get(&path).await);
        check_links(&shop, &path, 3, &expected).await;
    }
}

/// `0 users`, `1 user`, `2 users`, as a person would write it.
fn phrase(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[tokio::test]
async fn every_message_with_a_count_has_the_right_number() {
    for count in [0, 1, 2, 11] {
        let shop = Shop::open().await;
        let message = async |path: &str| shop.get(path).await.json()["message"].clone();
        let deleted = async |path: &str| {
            let response = shop.delete(path).await;
            let removed = response.expect(200)["cart_items_removed"].clone();
            assert_eq!(removed, count, "{path}");
            response.json()["message"].clone()
        };
        let items = phrase(count, "cart item");
        for number in 0..count {
            shop.create_user(&format!("user{number}@example.com")).await;
            shop.create_product("Kettle").await;
        }
        assert_eq!(message("/api/users").await, phrase(count, "user"));
        assert_eq!(message("/api/users?limit=20").await, phrase(count, "user"));
        assert_eq!(message("/api/products").await, phrase(count, "product"));
        let product = shop.create_product("Pot").await;
        let mut users = Vec::new();
        for name in ["a", "b", "c"] {
            users.push(shop.create_user(&format!("{name}@example.com")).await);
        }
        for _ in 0..count {
            shop.add_to_cart(users[0], product).await;
        }
        assert_eq!(message("/api/cart").await, items);
        assert_eq!(
            message(&format!("/api/users/{}/cart", users[0])).await,
            items
        );
        assert_eq!(
            message(&format!("/api/products/{product}/carts")).await,
            items
        );
        let cleared = deleted(&format!("/api/cart/user/{}", users[0])).await;
        assert_eq!(cleared, format!("{items} removed"));
        for _ in 0..count {
            shop.add_to_cart(users[1], product).await;
        }
        let message = deleted(&format!("/api/users/{}", users[1])).await;
        assert_eq!(message, format!("User deleted, {items} removed"));
        for _ in 0..count {
            shop.add_to_cart(users[2], product).await;
        }
        let message = deleted(&format!("/api/products/{product}")).await;
        assert_eq!(message, format!("Product deleted, {items} removed"));
    }
}

#[tokio::test]
async fn a_list_of_many_chunks_is_complete_and_counts_all_its_rows() {
    const ROWS: usize = 100_000;
    let shop = Shop::open().await;
    let table = format!("seq_1_to_{ROWS}");
    shop.execute(format!(
        "INSERT INTO products (id, title) SELECT seq, 'x' FROM {table}"
    ))
    .await;
    for (path, rows) in [
        ("/api/products", ROWS),
        ("/api/products?limit=1000&page=3", 1000),
    ] {
        let response = shop.get(path).await;
        assert_eq!(
            response.json()["message"],
            phrase(rows, "product"),
            "{path}"
        );
        let first = if rows == ROWS { 1 } else { 2001 };
        let ids = response.expect(200);
        let ids = ids.as_array().unwrap().iter().map(|row| row["id"].as_u64());
        assert!(ids.eq((first..).take(rows).map(Some)), "{path}");
    }
}

//! Sorted and filtered lists have exactly the rows that their parameters select, in the right order, as a
//! whole and in pages.

use serde_json::{Value, json};

use crate::harness::Shop;
use crate::paging::{check_links, rows};

/// A query of the parameters that have a value.
fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?;
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        Some(format!("{name}={value}"))
    });
    given.collect::<Vec<_>>().join("&")
}

fn text<'a>(row: &'a Value, property: &str) -> &'a str {
    row[property].as_str().unwrap()
}

/// Sorts rows like the parameter `sort`: by the property without regard to letter case, then by id, or in
/// the reverse order.
fn sort(rows: &mut [Value], sort: Option<&str>) {
    let sort = sort.unwrap_or("id");
    let property = sort.trim_start_matches('-');
    rows.sort_by_cached_key(|row| {
        let text = row[property].as_str().unwrap_or_default();
        (text.to_lowercase(), row["id"].as_i64())
    });
    if sort.starts_with('-') {
        rows.reverse();
    }
}

fn begins_with(text: &str, prefix: Option<&str>) -> bool {
    prefix.is_none_or(|prefix| text.to_lowercase().starts_with(&prefix.to_lowercase()))
}

/// Checks that the list at `path` with this query has the rows `expected`, in pages and, if `whole`, as a
/// whole list.
async fn check_list(shop: &Shop, path: &str, query: &str, whole: bool, expected: &[Value]) {
    if whole {
        let list = shop.get(&format!("{path}?{query}")).await;
        assert_eq!(rows(&list), expected, "{path}?{query}");
    }
    let page = shop.get(&format!("{path}?{query}&limit=1000")).await;
    assert_eq!(rows(&page), expected, "{path}?{query}");
    check_links(shop, &format!("{path}?{query}"), 3, expected).await;
}

#[tokio::test]
async fn a_search_has_the_products_whose_titles_begin_with_it_in_the_requested_order() {
    let shop = Shop::open().await;
    for title in [
        "pot", "Pan", "ab c", "POT", "abc", "kettle", "pot", "AB", "Abc", "pan", "a",
    ] {
        shop.create_product(title).await;
    }
    let all = rows(&shop.get("/api/products").await);
    for prefix in [None, Some("po"), Some("AB"), Some("ab c"), Some("zz")] {
        for order in [None, Some("id"), Some("-id"), Some("title"), Some("-title")] {
            let found = all
                .iter()
                .filter(|row| begins_with(text(row, "title"), prefix));
            let mut expected: Vec<Value> = found.cloned().collect();
            sort(&mut expected, order);
            let query = query(&[("q", prefix), ("sort", order)]);
            let whole = prefix.is_none() && !order.is_some_and(|order| order.ends_with("title"));
            check_list(&shop, "/api/products", &query, whole, &expected).await;
        }
    }
}

#[tokio::test]
async fn no_character_of_a_search_is_a_wildcard() {
    const TITLES: [&str; 14] = [
        "50% off",
        "50 percent",
        "50x off",
        "a_b",
        "axb",
        "a%b",
        "ab",
        "a\\b",
        "a\\_b",
        "a'b",
        "a\"b",
        "a!b",
        "a|b",
        "a+b",
    ];
    let shop = Shop::open().await;
    for title in TITLES {
        shop.create_product(title).await;
    }
    for prefix in TITLES {
        for prefix in [prefix, &prefix[..2]] {
            let query = query(&[("q", Some(prefix)), ("limit", Some("100"))]);
            let found = shop.get(&format!("/api/products?{query}")).await;
            let titles: Vec<String> = rows(&found)
                .iter()
                .map(|row| text(row, "title").to_owned())
                .collect();
            let expected = TITLES.into_iter().filter(|title| title.starts_with(prefix));
            assert_eq!(titles, expected.collect::<Vec<_>>(), "{prefix}");
        }
    }
}

#[tokio::test]
async fn filters_select_the_users_that_match_all_of_them_in_the_requested_order() {
    let shop = Shop::open().await;
    for (email, role) in [
        ("jo@example.com", "USER"),
        ("Joan@example.com", "ADMIN"),
        ("al_ice@example.com", "ADMIN"),
        ("alXice@example.com", "USER"),
        ("JOB@example.com", "USER"),
    ] {
        let user = json!({"email": email, "password": "secret", "role": role});
        shop.post("/api/users", &user).await.expect(201);
    }
    let all = rows(&shop.get("/api/users").await);
    let emails = [
        None,
        Some("Joan@example.com"),
        Some("joan@example.com"),
        Some("jo@example.com "),
        Some("jo"),
    ];
    for prefix in [None, Some("JO"), Some("al_"), Some("j%")] {
        for email in emails {
            for role in [None, Some("ADMIN"), Some("USER")] {
                for order in [None, Some("-id"), Some("email"), Some("-email")] {
                    let found = all.iter().filter(|row| {
                        begins_with(text(row, "email"), prefix)
                            && email.is_none_or(|email| text(row, "email") == email)
                            && role.is_none_or(|role| text(row, "role") == role)
                    });
                    let mut expected: Vec<Value> = found.cloned().collect();
                    sort(&mut expected, order);
                    let query = query(&[
                        ("q", prefix),
                        ("email", email),
                        ("role", role),
                        ("sort", order),
                    ]);
                    check_list(&shop, "/api/users", &query, prefix.is_none(), &expected).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn cart_items_are_in_the_requested_order() {
    let shop = Shop::open_sample().await;
    for path in ["/api/cart", "/api/users/2/cart", "/api/products/2/carts"] {
        let mut expected = rows(&shop.get(path).await);
        assert!(expected.len() > 1, "{path}");
        check_list(&shop, path, "sort=id", true, &expected).await;
        expected.reverse();
        check_list(&shop, path, "sort=-id", true, &expected).await;
    }
}

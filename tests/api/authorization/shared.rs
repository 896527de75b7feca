//! Callers share the work of reading, and never each other's rows.

use std::sync::Arc;

use serde_json::Value;

use super::send;
use crate::harness::{Shop, token};

/// How many users there are.
const USERS: i64 = 12;

/// How many items each user has.
const ITEMS: i64 = 40;

/// A shop with [`ITEMS`] items for each user, whose ids alternate between the users: item n belongs to the
/// user n % USERS + 1.
async fn shop_of_many() -> Shop {
    let shop = Shop::open().await;
    shop.execute(format!(
        "INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', seq, '@example.com'), 'x', 'USER' FROM seq_1_to_{USERS};
         INSERT INTO products (id, title, description) VALUES (1, 'Moka pot', REPEAT('d', 600));
         INSERT INTO cart (id, user_id, product_id)
           SELECT seq, seq % {USERS} + 1, 1 FROM seq_1_to_{};",
        USERS * ITEMS
    ))
    .await;
    shop
}

fn owner(item: i64) -> i64 {
    item % USERS + 1
}

/// Asserts that a list has only items of `user`, or with `None` those of all users; returns their number.
fn check_owners(list: &Value, user: Option<i64>) -> i64 {
    let items = list["data"].as_array().unwrap();
    for item in items {
        let shown = item["user_id"].as_i64().unwrap();
        assert_eq!(owner(item["id"].as_i64().unwrap()), shown);
        assert_eq!(item["user"]["id"], shown);
        assert!(
            user.is_none_or(|user| user == shown),
            "{user:?} sees {item}"
        );
    }
    i64::try_from(items.len()).unwrap()
}

/// One caller reads whole lists, pages, items of its own and of others, many times.
async fn read_much(shop: Arc<Shop>, user: i64, is_admin: bool) {
    let token = token(user, is_admin);
    let get = async |path: &str| send(&shop, "GET", path, Some(&token), &Value::Null).await;
    let visible = if is_admin { None } else { Some(user) };
    let total = if is_admin { USERS * ITEMS } else { ITEMS };
    for round in 0..6 {
        let list = get("/api/cart").await.json();
        assert_eq!(check_owners(&list, visible), total);
        let page = get("/api/cart?page=2&limit=15&sort=-id").await;
        assert_eq!(page.header("x-total-count"), Some(&*total.to_string()));
        let page = page.json();
        assert_eq!(check_owners(&page, visible), 15);
        assert_eq!(page["pagination"]["total"], total);
        for item in round * USERS + 1..=(round + 1) * USERS {
            let response = get(&format!("/api/cart/{item}")).await;
            if is_admin || owner(item) == user {
                assert_eq!(response.expect(200)["user_id"], owner(item));
            } else {
                response.error(404);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_see_only_their_own_rows() {
    let open = shop_of_many().await;
    let shop = Arc::new(open.requiring_tokens().await);
    let users = (1..=USERS).map(|user| (user, false));
    // Some users have several clients, which do share their reads; so do two administrators.
    let again = (1..=USERS / 2).map(|user| (user, false));
    let admins = [(1, true), (2, true)];
    let readers = users.chain(again).chain(admins).map(|(user, is_admin)| {
        let shop = Arc::clone(&shop);
        tokio::spawn(read_much(shop, user, is_admin))
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
}

/// Items are asked for so close together that one statement reads them for owner, stranger and administrator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_item_is_shown_to_its_owner_and_hidden_from_others_at_the_same_time() {
    let open = shop_of_many().await;
    let shop = open.requiring_tokens().await;
    let admin = token(1, true);
    let tokens: Vec<_> = (1..=USERS).map(|user| token(user, false)).collect();
    for item in 1..=ITEMS {
        let path = format!("/api/cart/{item}");
        let callers = tokens.iter().chain([&admin]);
        let reads = callers.map(|token| send(&shop, "GET", &path, Some(token), &Value::Null));
        let responses = futures_util::future::join_all(reads).await;
        for (index, response) in responses.iter().enumerate() {
            let caller = i64::try_from(index).unwrap() + 1;
            let may_see = caller == owner(item) || caller > USERS;
            let expected = if may_see { 200 } else { 404 };
            assert_eq!(response.status, expected, "item {item} for {caller}");
        }
    }
}

/// Of many users who try to remove an item at once, only the owner does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_is_removed_by_its_owner_alone() {
    let open = shop_of_many().await;
    let shop = open.requiring_tokens().await;
    let tokens: Vec<_> = (1..=USERS).map(|user| token(user, false)).collect();
    for item in 1..=USERS {
        let path = format!("/api/cart/{item}");
        let attempts = tokens.iter().map(async |token| {
            let response = send(&shop, "DELETE", &path, Some(token), &Value::Null).await;
            response.status.as_u16()
        });
        let statuses = futures_util::future::join_all(attempts).await;
        for (index, status) in statuses.into_iter().enumerate() {
            let is_owner = i64::try_from(index).unwrap() + 1 == owner(item);
            assert_eq!(status, if is_owner { 200 } else { 404 }, "item {item}");
        }
    }
}

/// A row that cannot be shown, of another user, is hidden like any other: no 500 tells that it exists.
#[tokio::test]
async fn a_broken_item_of_others_is_not_found() {
    let open = shop_of_many().await;
    let shop = open.requiring_tokens().await;
    open.execute(
        "ALTER TABLE users MODIFY role VARCHAR(16); UPDATE users SET role = 'KING' WHERE id = 3",
    )
    .await;
    let read = async |user: i64| {
        let token = token(user, false);
        send(&shop, "GET", "/api/cart/2", Some(&token), &Value::Null)
            .await
            .status
    };
    assert_eq!(owner(2), 3);
    let (own, other) = tokio::join!(read(3), read(4));
    assert_eq!((own.as_u16(), other.as_u16()), (500, 404));
}

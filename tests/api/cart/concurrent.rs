//! Concurrent additions, deletions and reads of cart items.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{ClientResponse, Shop, connections, eventually};

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deletion_counts_every_item_that_was_acknowledged_before_it() {
    let shop = Shop::open().await;
    let product = shop.create_product("Pot").await;
    for round in 0..5 {
        let user = shop.create_user(&format!("user{round}@example.com")).await;
        let item = json!({"user_id": user, "product_id": product});
        let adding = join_all((0..20).map(|_| async {
            let response = shop.post("/api/cart", &item).await;
            match response.status.as_u16() {
                201 => 1,
                409 => 0,
                status => panic!("{status}: {response:?}"),
            }
        }));
        let path = format!("/api/users/{user}");
        let (added, deleted) = tokio::join!(adding, shop.delete(&path));
        let added: i64 = added.into_iter().sum();
        assert_eq!(
            deleted.expect(200)["cart_items_removed"],
            added,
            "round {round}"
        );
        let left = shop.sql(|session| {
            let rows: Vec<Count> = session.load("SELECT COUNT(*) AS count FROM cart").unwrap();
            rows[0].count
        });
        assert_eq!(left.await, 0, "round {round}");
    }
}

/// A cart item: the ids of the item, the user and the product.
type Item = (i64, i64, i64);

/// The stored cart items, in the order of their ids.
async fn stored_items(shop: &Shop) -> Vec<Item> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        id: i64,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        user_id: i64,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        product_id: i64,
    }
    let sql = "SELECT CAST(id AS SIGNED) AS id, CAST(user_id AS SIGNED) AS user_id,
               CAST(product_id AS SIGNED) AS product_id FROM cart ORDER BY id";
    let rows = shop.sql(|session| session.load::<Row>(sql).unwrap()).await;
    rows.into_iter()
        .map(|row| (row.id, row.user_id, row.product_id))
        .collect()
}

/// The acknowledged item for this pair of user and product, or none if the response is a conflict.
fn acknowledged((user_id, product_id): (i64, i64), response: &ClientResponse) -> Option<Item> {
    if response.status == 409 {
        return None;
    }
    let item = response.expect(201);
    let id = |pointer| item.pointer(pointer).unwrap().as_i64().unwrap();
    assert_eq!((id("/user_id"), id("/user/id")), (user_id, user_id));
    assert_eq!(
        (id("/product_id"), id("/product/id")),
        (product_id, product_id)
    );
    Some((id("/id"), user_id, product_id))
}

/// A shop with `count` users and products. They are inserted by SQL, which needs no password hashing.
async fn shop_of(count: i64) -> Shop {
    let shop = Shop::open().await;
    shop.execute(format!(
        "INSERT INTO users (id, email, password)
         SELECT seq, CONCAT('user', seq, '@example.com'), 'x' FROM seq_1_to_{count};
         INSERT INTO products (id, title) SELECT seq, 'Pot' FROM seq_1_to_{count}"
    ))
    .await;
    shop
}

/// Adds all pairs concurrently. Returns the acknowledged item of each, if any.
async fn add_concurrently(shop: &Shop, pairs: &[(i64, i64)]) -> Vec<Option<Item>> {
    join_all(pairs.iter().map(async |&(user_id, product_id)| {
        let item = json!({"user_id": user_id, "product_id": product_id});
        acknowledged((user_id, product_id), &shop.post("/api/cart", &item).await)
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_the_acknowledged_items_of_many_concurrent_additions_are_stored() {
    let shop = shop_of(10).await;
    // Users 11 to 13 do not exist.
    let pairs: Vec<_> = (0..200).map(|n| (1 + n % 13, 1 + n % 7)).collect();
    let added = add_concurrently(&shop, &pairs).await;
    for ((user, _), item) in pairs.iter().zip(&added) {
        assert_eq!(item.is_some(), *user <= 10, "user {user}");
    }
    let mut added: Vec<Item> = added.into_iter().flatten().collect();
    added.sort_unstable();
    assert_eq!(stored_items(&shop).await, added);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_item_acknowledged_while_users_are_deleted_exists_unless_its_user_was_deleted() {
    let shop = shop_of(40).await;
    let pairs: Vec<_> = (0..200).map(|n| (1 + n % 40, 1 + n % 7)).collect();
    let deleting = join_all((21..=40).map(async |user: i64| {
        let path = format!("/api/users/{user}");
        shop.delete(&path).await.expect(200);
    }));
    let (added, _) = tokio::join!(add_concurrently(&shop, &pairs), deleting);
    for ((user, _), item) in pairs.iter().zip(&added) {
        assert!(item.is_some() || *user > 20, "user {user} existed");
    }
    let mut kept: Vec<Item> = added.into_iter().flatten().collect();
    kept.retain(|(_, user, _)| *user <= 20);
    kept.sort_unstable();
    assert_eq!(stored_items(&shop).await, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unreadable_user_fails_only_the_items_of_that_user() {
    let shop = shop_of(4).await;
    // Without strict mode the database stores an unknown role as an empty string.
    shop.execute("SET sql_mode = ''; UPDATE users SET role = '' WHERE id = 4")
        .await;
    let pairs: Vec<_> = (0..60).map(|n| (1 + n % 4, 1)).collect();
    let adding = pairs.iter().map(async |&(user_id, product_id)| {
        let item = json!({"user_id": user_id, "product_id": product_id});
        let response = shop.post("/api/cart", &item).await;
        match response.status.as_u16() {
            500 => None,
            _ => acknowledged((user_id, product_id), &response),
        }
    });
    let added = join_all(adding).await;
    for ((user, _), item) in pairs.iter().zip(&added) {
        assert_eq!(item.is_some(), *user != 4, "user {user}");
    }
    let mut added: Vec<Item> = added.into_iter().flatten().collect();
    added.sort_unstable();
    assert_eq!(stored_items(&shop).await, added);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_deleted_meanwhile_is_a_conflict_only_for_the_items_of_that_user() {
    let shop = shop_of(4).await;
    let (deleted, is_deleted) = tokio::sync::oneshot::channel();
    let (commit, committed) = std::sync::mpsc::channel::<()>();
    let deletion = shop.sql(move |session| {
        session
            .batch_execute("BEGIN; DELETE FROM users WHERE id = 4")
            .unwrap();
        deleted.send(()).unwrap();
        committed.recv().unwrap();
        session.batch_execute("COMMIT").unwrap();
    });
    let adding = async {
        is_deleted.await.unwrap();
        let pairs: Vec<_> = (0..40).map(|n| (1 + n % 4, 1)).collect();
        let committing = async {
            eventually("an addition waits for the deletion", async || {
                let waiting = shop.sql(|session| connections(session, "info LIKE 'INSERT%cart%'"));
                !waiting.await.is_empty()
            })
            .await;
            commit.send(()).unwrap();
        };
        let (added, ()) = tokio::join!(add_concurrently(&shop, &pairs), committing);
        for ((user, _), item) in pairs.iter().zip(&added) {
            assert_eq!(item.is_some(), *user != 4, "user {user}");
        }
        added
    };
    let ((), added) = tokio::join!(deletion, adding);
    let mut added: Vec<Item> = added.into_iter().flatten().collect();
    added.sort_unstable();
    assert_eq!(stored_items(&shop).await, added);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrently_read_carts_of_any_size_are_complete() {
    let shop = shop_of(3).await;
    // One statement reads at most 4096 rows of carts: the first two carts fill it, and a third exceeds it.
    shop.execute(
        "INSERT INTO cart (user_id, product_id) SELECT 1 + seq % 2, 1 + seq % 3 FROM seq_1_to_8193;
         INSERT INTO cart (user_id, product_id) VALUES (3, 1), (3, 2)",
    )
    .await;
    let stored = stored_items(&shop).await;
    let read = async |user: i64| {
        let cart = shop
            .get(&format!("/api/users/{user}/cart"))
            .await
            .expect(200);
        let id = |item: &serde_json::Value| {
            assert_eq!(item["product"]["id"], item["product_id"]);
            item["id"].as_i64().unwrap()
        };
        let ids: Vec<i64> = cart.as_array().unwrap().iter().map(id).collect();
        let own = stored.iter().filter(|(_, owner, _)| *owner == user);
        let own: Vec<i64> = own.map(|(id, ..)| *id).collect();
        assert_eq!(ids, own, "user {user}");
    };
    for user in 1..=3 {
        read(user).await;
    }
    join_all((0..12).map(|n| read(1 + n % 3))).await;
}

//! The operations of the cart, one at a time and concurrently.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Answer, Shop, connections, eventually};

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[tokio::test]
async fn an_item_carries_its_user_and_product() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Pot").await;
    let added = shop
        .post(
            "/api/cart",
            &json!({"user_id": user, "product_id": product}),
        )
        .await;
    let item = added.expect(201);
    assert_eq!(
        item,
        json!({
            "id": item["id"], "user_id": user, "product_id": product,
            "user": {"id": user, "email": "ada@example.com", "role": "USER"},
            "product": {"id": product, "title": "Pot", "image_url": null, "description": null},
        })
    );
    assert_eq!(
        shop.get(added.header("location").unwrap())
            .await
            .expect(200),
        item
    );
    assert_eq!(shop.get("/api/cart").await.expect(200), json!([item]));
}

#[tokio::test]
async fn the_same_product_may_be_added_twice() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Pot").await;
    let (first, second) = (
        shop.add_to_cart(user, product).await,
        shop.add_to_cart(user, product).await,
    );
    let cart = shop
        .get(&format!("/api/users/{user}/cart"))
        .await
        .expect(200);
    assert_eq!(
        [&cart[0]["id"], &cart[1]["id"]],
        [&json!(first), &json!(second)]
    );
}

#[tokio::test]
async fn an_item_needs_a_user_and_a_product_that_exist() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Pot").await;
    for (user_id, product_id, reason, told) in [
        (user, 999, "PRODUCT_MISSING", "The product does not exist"),
        (999, product, "USER_MISSING", "The user does not exist"),
        (999, 999, "USER_MISSING", "The user does not exist"),
    ] {
        let missing = shop
            .post(
                "/api/cart",
                &json!({"user_id": user_id, "product_id": product_id}),
            )
            .await;
        let (code, message) = missing.error(409);
        assert_eq!((&*code, &*message), ("CONFLICT", told));
        assert_eq!(missing.json()["error"]["reason"], reason);
    }
    assert_eq!(shop.get("/api/cart").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_cart_is_emptied_item_by_item_or_at_once() {
    let shop = Shop::open().await;
    let (ada, bob) = (
        shop.create_user("ada@example.com").await,
        shop.create_user("bob@example.com").await,
    );
    let pot = shop.create_product("Pot").await;
    let item = shop.add_to_cart(ada, pot).await;
    shop.add_to_cart(ada, pot).await;
    shop.add_to_cart(ada, pot).await;
    let kept = shop.add_to_cart(bob, pot).await;

    let removed = shop.delete(&format!("/api/cart/{item}")).await;
    assert_eq!(removed.expect(200), json!({"cart_items_removed": 1}));
    shop.delete(&format!("/api/cart/{item}")).await.error(404);
    let cleared = shop.delete(&format!("/api/cart/user/{ada}")).await;
    assert_eq!(cleared.json()["message"], "2 cart items removed");
    assert_eq!(
        shop.delete(&format!("/api/cart/user/{ada}"))
            .await
            .expect(200),
        json!({"cart_items_removed": 0})
    );
    shop.delete("/api/cart/user/999").await.error(404);
    assert_eq!(
        shop.get(&format!("/api/users/{ada}/cart"))
            .await
            .expect(200),
        json!([])
    );
    shop.get(&format!("/api/cart/{kept}")).await.expect(200);
    shop.get("/api/users/999/cart").await.error(404);
}

#[tokio::test]
async fn pages_of_carts_count_their_own_list() {
    let shop = Shop::open().await;
    let (ada, bob) = (
        shop.create_user("ada@example.com").await,
        shop.create_user("bob@example.com").await,
    );
    let pot = shop.create_product("Pot").await;
    for user in [ada, bob, ada, ada] {
        shop.add_to_cart(user, pot).await;
    }
    let page = shop
        .get(&format!("/api/users/{ada}/cart?limit=2&page=2"))
        .await;
    assert_eq!(page.expect(200).as_array().unwrap().len(), 1);
    assert_eq!(
        page.json()["pagination"],
        json!({"page": 2, "limit": 2, "total": 3})
    );
    let all = shop.get("/api/cart?limit=3").await;
    assert_eq!(all.expect(200).as_array().unwrap().len(), 3);
    assert_eq!(
        all.json()["pagination"],
        json!({"page": 1, "limit": 3, "total": 4})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deletion_counts_every_item_that_was_acknowledged_before_it() {
    let shop = Shop::open().await;
    let product = shop.create_product("Pot").await;
    for round in 0..5 {
        let user = shop.create_user(&format!("user{round}@example.com")).await;
        let item = json!({"user_id": user, "product_id": product});
        let adding = join_all((0..20).map(|_| async {
            let answer = shop.post("/api/cart", &item).await;
            match answer.status.as_u16() {
                201 => 1,
                409 => 0,
                status => panic!("{status}: {answer:?}"),
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
fn acknowledged((user_id, product_id): (i64, i64), answer: &Answer) -> Option<Item> {
    if answer.status == 409 {
        return None;
    }
    let item = answer.expect(201);
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
async fn add_at_once(shop: &Shop, pairs: &[(i64, i64)]) -> Vec<Option<Item>> {
    join_all(pairs.iter().map(async |&(user_id, product_id)| {
        let item = json!({"user_id": user_id, "product_id": product_id});
        acknowledged((user_id, product_id), &shop.post("/api/cart", &item).await)
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_items_added_concurrently_exactly_the_acknowledged_ones_are_stored() {
    let shop = shop_of(10).await;
    // Users 11 to 13 do not exist.
    let pairs: Vec<_> = (0..200).map(|n| (1 + n % 13, 1 + n % 7)).collect();
    let added = add_at_once(&shop, &pairs).await;
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
    let (added, _) = tokio::join!(add_at_once(&shop, &pairs), deleting);
    for ((user, _), item) in pairs.iter().zip(&added) {
        assert!(item.is_some() || *user > 20, "user {user} was there");
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
        let answer = shop.post("/api/cart", &item).await;
        match answer.status.as_u16() {
            500 => None,
            _ => acknowledged((user_id, product_id), &answer),
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
    let (deleted, user_is_going) = tokio::sync::oneshot::channel();
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
        user_is_going.await.unwrap();
        let pairs: Vec<_> = (0..40).map(|n| (1 + n % 4, 1)).collect();
        let committing = async {
            eventually("an addition waits for the deletion", async || {
                let waiting = shop.sql(|session| connections(session, "info LIKE 'INSERT%cart%'"));
                !waiting.await.is_empty()
            })
            .await;
            commit.send(()).unwrap();
        };
        let (added, ()) = tokio::join!(add_at_once(&shop, &pairs), committing);
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

#[tokio::test]
async fn changing_a_user_or_a_product_leaves_every_cart_as_it_is() {
    let shop = Shop::open_sample().await;
    let carts = async || {
        let lines = shop.sql(crate::harness::dump).await.into_iter();
        let items = lines.filter(|line| line.starts_with("[\"cart\""));
        items.collect::<Vec<String>>()
    };
    let before = carts().await;
    assert!(!before.is_empty());
    for id in 1..=5 {
        for change in [
            json!({"email": format!("new{id}@example.com")}),
            json!({"password": "another secret"}),
            json!({"role": "ADMIN"}),
        ] {
            shop.put(&format!("/api/users/{id}"), &change)
                .await
                .expect(200);
        }
        for change in [
            json!({"title": "New"}),
            json!({"image_url": null}),
            json!({"description": "Another text"}),
        ] {
            shop.put(&format!("/api/products/{id}"), &change)
                .await
                .expect(200);
        }
    }
    assert_eq!(carts().await, before);
}

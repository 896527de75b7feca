//! Additions to carts that share a statement: the ids in the responses, and items that the database
//! rejects.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, Shop};
use crate::lossy_proxy::LossyProxy;

/// A shop with `count` users and products. They are inserted by SQL, which needs no password hashing.
pub async fn shop_of(count: i64) -> Shop {
    let shop = Shop::open().await;
    fill(&shop, count).await;
    shop
}

/// Stores `count` users, products and cart items.
pub async fn fill(shop: &Shop, count: i64) {
    shop.execute(format!(
        "INSERT INTO users (id, email, password)
         SELECT seq, CONCAT('user', seq, '@example.com'), 'x' FROM seq_1_to_{count};
         INSERT INTO products (id, title) SELECT seq, 'Pot' FROM seq_1_to_{count};
         INSERT INTO cart (user_id, product_id) SELECT seq, seq FROM seq_1_to_{count}"
    ))
    .await;
}

/// Adds a product to the cart of a user.
pub async fn add(shop: &Shop, user_id: i64, product_id: i64) -> ClientResponse {
    let item = json!({"user_id": user_id, "product_id": product_id});
    shop.post("/api/cart", &item).await
}

/// The stored cart items: user and product by id.
pub async fn stored_items(shop: &Shop) -> HashMap<i64, (i64, i64)> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        id: i32,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        user_id: i32,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        product_id: i32,
    }
    let sql = "SELECT id, user_id, product_id FROM cart";
    let rows = shop.sql(|session| session.load::<Row>(sql).unwrap()).await;
    let item = |row: Row| (row.id.into(), (row.user_id.into(), row.product_id.into()));
    rows.into_iter().map(item).collect()
}

/// The id of the item that was added, with its user and product.
pub fn added(response: &ClientResponse) -> (i64, (i64, i64)) {
    let item = response.expect(201);
    let number = |name: &str| item[name].as_i64().unwrap();
    (number("id"), (number("user_id"), number("product_id")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ids_that_a_trigger_sets_are_those_of_the_rows_in_the_responses() {
    let shop = shop_of(10).await;
    for table in ["users", "products", "cart"] {
        shop.execute(format!(
            "CREATE SEQUENCE {table}_ids START WITH 900000 INCREMENT BY -7 MINVALUE 1 MAXVALUE 900000;
             CREATE TRIGGER {table}_id BEFORE INSERT ON {table} FOR EACH ROW
             SET NEW.id = NEXT VALUE FOR {table}_ids"
        ))
        .await;
    }
    let user = shop.create_user("ada@example.com").await;
    let path = format!("/api/users/{user}");
    assert_eq!(
        shop.get(&path).await.expect(200)["email"],
        "ada@example.com"
    );
    let product = shop.create_product("Kettle").await;
    let path = format!("/api/products/{product}");
    assert_eq!(shop.get(&path).await.expect(200)["title"], "Kettle");
    let adding = (0..100).map(|n| add(&shop, 1 + n % 10, 1 + n % 7));
    let responses = join_all(adding).await;
    let stored = stored_items(&shop).await;
    for response in &responses {
        let (id, pair) = added(response);
        assert_eq!(stored.get(&id), Some(&pair), "item {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ids_are_right_while_the_distance_between_them_changes() {
    let shop = shop_of(10).await;
    // As when the number of nodes of a Galera cluster changes between an insert and the next
    // statement.
    shop.execute(
        "CREATE TRIGGER distance AFTER INSERT ON cart FOR EACH ROW
         SET SESSION auto_increment_increment = 1 + NEW.id % 5",
    )
    .await;
    let adding = (0..200).map(|n| add(&shop, 1 + n % 10, 1 + n % 7));
    let acknowledged: Vec<_> = join_all(adding).await.iter().map(added).collect();
    let mut stored = stored_items(&shop).await;
    stored.retain(|id, _| *id > 10);
    assert_eq!(acknowledged.len(), stored.len());
    assert_eq!(acknowledged.into_iter().collect::<HashMap<_, _>>(), stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_item_that_a_trigger_rejects_fails_alone() {
    let shop = shop_of(10).await;
    shop.execute(
        "CREATE TRIGGER rule BEFORE INSERT ON cart FOR EACH ROW
         IF NEW.user_id = 4 THEN SIGNAL SQLSTATE '45000'; END IF",
    )
    .await;
    let pairs: Vec<_> = (0..60).map(|n| (1 + n % 4, 1 + n % 3)).collect();
    let adding = pairs
        .iter()
        .map(|&(user, product)| add(&shop, user, product));
    let responses: Vec<ClientResponse> = join_all(adding).await;
    let stored = stored_items(&shop).await;
    for ((user, product), response) in pairs.into_iter().zip(responses) {
        if user == 4 {
            assert_eq!(response.json()["success"], Value::Bool(false));
        } else {
            let (id, pair) = added(&response);
            assert_eq!((pair, stored.get(&id)), ((user, product), Some(&pair)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_other_items_of_a_group_stay_grouped_when_one_is_rejected() {
    #[derive(diesel::QueryableByName)]
    struct Added {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        lock_wait: i32,
    }
    let shop = shop_of(40).await;
    // A connection of groups does not wait for locks; one for a single addition does.
    shop.execute(
        "ALTER TABLE cart ADD CONSTRAINT banned CHECK (user_id <> 4 OR product_id <> 1);
         CREATE TABLE added (lock_wait INT);
         CREATE TRIGGER note AFTER INSERT ON cart FOR EACH ROW
         INSERT INTO added VALUES (@@innodb_lock_wait_timeout)",
    )
    .await;
    let users: Vec<i64> = (0..90).map(|n| if n % 45 == 30 { 4 } else { 5 }).collect();
    let responses = join_all(users.iter().map(|&user| add(&shop, user, 1))).await;
    for (user, response) in users.into_iter().zip(responses) {
        if user == 4 {
            response.error(409);
        } else {
            added(&response);
        }
    }
    let added: Vec<Added> = shop
        .sql(|session| session.load("SELECT lock_wait FROM added").unwrap())
        .await;
    assert_eq!(added.len(), 88);
    let alone = added.iter().filter(|row| row.lock_wait > 0).count();
    assert_eq!(alone, 0, "additions that were not grouped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn additions_go_on_alone_when_their_group_loses_its_connection_before_the_insert() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    fill(&shop, 10).await;
    proxy.lose("0 /*M!100600 + 1 */", 1);
    for response in join_all((1..=8).map(|user| add(&shop, user, 1))).await {
        added(&response);
    }
    proxy.closed(1).await;
}

//! Rows and tables that another session has locked: only the requests that need them wait.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::future::{join_all, select_all};
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, JSON, Shop, connections, eventually};

/// Runs `body` while another session holds the locks of these statements, which it gives up
/// afterwards.
pub async fn while_locked<T>(
    shop: &Shop,
    statements: &'static str,
    body: impl Future<Output = T>,
) -> T {
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holding = shop.sql(move |session| {
        session.batch_execute(statements).unwrap();
        locked.send(()).unwrap();
        // An error when the test has panicked.
        let _ = released.recv();
        session.batch_execute("ROLLBACK; UNLOCK TABLES").unwrap();
    });
    let body = async {
        is_locked.await.unwrap();
        let result = body.await;
        release.send(()).unwrap();
        result
    };
    tokio::join!(holding, body).1
}

/// Runs `strangers` to its end. No request of `waiting` may end before it. Returns the requests and the
/// result of `strangers`.
async fn before_any<F: Future<Output = ClientResponse>, T>(
    waiting: impl Iterator<Item = F>,
    strangers: impl Future<Output = T>,
) -> (Vec<Pin<Box<F>>>, T) {
    let mut waiting: Vec<_> = waiting.map(Box::pin).collect();
    let result = tokio::select! {
        (response, ..) = select_all(&mut waiting) => {
            panic!("a request did not wait for the lock: {response:?}")
        }
        result = strangers => result,
    };
    (waiting, result)
}

/// A shop with `count` users and products. They are inserted by SQL, which needs no password hashing.
async fn shop_of(count: i64) -> Shop {
    let shop = Shop::open().await;
    shop.execute(format!(
        "INSERT INTO users (id, email, password)
         SELECT seq, CONCAT('user', seq, '@example.com'), 'x' FROM seq_1_to_{count};
         INSERT INTO products (id, title) SELECT seq, 'Pot' FROM seq_1_to_{count};
         INSERT INTO cart (user_id, product_id) SELECT seq, seq FROM seq_1_to_{count}"
    ))
    .await;
    shop
}

async fn add(shop: &Shop, user_id: i64, product_id: i64) -> ClientResponse {
    let item = json!({"user_id": user_id, "product_id": product_id});
    shop.post("/api/cart", &item).await
}

/// Whether a statement that matches `pattern` is being executed.
pub async fn is_running(shop: &Shop, pattern: &'static str) -> bool {
    let condition = format!("command <> 'Sleep' AND info LIKE '{pattern}'");
    let running = shop.sql(move |session| connections(session, &condition));
    !running.await.is_empty()
}

/// The stored cart items: user and product by id.
async fn stored_items(shop: &Shop) -> HashMap<i64, (i64, i64)> {
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
fn added(response: &ClientResponse) -> (i64, (i64, i64)) {
    let item = response.expect(201);
    let number = |name: &str| item[name].as_i64().unwrap();
    (number("id"), (number("user_id"), number("product_id")))
}

/// `clients` clients add to a locked cart, or add a locked product, while others add to other carts,
/// and add other products, in the same groups.
async fn additions_beside_a_lock(
    clients: usize,
    lock: &'static str,
    locked: (i64, i64),
    strangers: &[(i64, i64)],
) {
    let shop = shop_of(40).await;
    let (waiting, acknowledged) = while_locked(&shop, lock, async {
        let waiting = (0..clients).map(|_| add(&shop, locked.0, locked.1));
        let adding = async {
            let mut acknowledged = Vec::new();
            for _ in 0..4 {
                let adding = strangers
                    .iter()
                    .map(|&(user, product)| add(&shop, user, product));
                acknowledged.extend(join_all(adding).await.iter().map(added));
            }
            eventually("an addition waits for the lock", async || {
                is_running(&shop, "INSERT%cart%").await
            })
            .await;
            acknowledged
        };
        before_any(waiting, adding).await
    })
    .await;
    let mut acknowledged = acknowledged;
    acknowledged.extend(join_all(waiting).await.iter().map(added));
    let mut stored = stored_items(&shop).await;
    stored.retain(|id, _| *id > 40);
    assert_eq!(acknowledged.len(), stored.len());
    assert_eq!(acknowledged.into_iter().collect::<HashMap<_, _>>(), stored);
}

const LOCKED_USER: &str = "BEGIN; SELECT * FROM users WHERE id = 1 FOR UPDATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_addition_to_a_locked_cart_delays_no_addition_to_another() {
    // The others add the same product.
    let strangers: Vec<_> = (2..=30).map(|user| (user, 1)).collect();
    additions_beside_a_lock(1, LOCKED_USER, (1, 1), &strangers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_additions_to_a_locked_cart_delay_no_addition_to_another() {
    let strangers: Vec<_> = (2..=30).map(|user| (user, 1)).collect();
    additions_beside_a_lock(8, LOCKED_USER, (1, 1), &strangers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_product_that_is_being_deleted_delays_no_addition_of_another() {
    let delete = "BEGIN; SELECT * FROM products WHERE id = 20 FOR UPDATE;
                  DELETE FROM cart WHERE product_id = 20; DELETE FROM products WHERE id = 20";
    let strangers: Vec<_> = (1..=18).map(|product| (1, product)).collect();
    additions_beside_a_lock(8, delete, (1, 20), &strangers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_changes_of_a_locked_user_leave_connections_for_other_requests() {
    let shop = shop_of(40).await;
    let change = json!({"role": "ADMIN"});
    let (waiting, ()) = while_locked(&shop, LOCKED_USER, async {
        let waiting = (0..20).map(|_| shop.put("/api/users/1", &change));
        let strangers = async {
            eventually("a change waits for the lock", async || {
                is_running(&shop, "UPDATE%users%").await
            })
            .await;
            for id in 2..=20 {
                let user = format!("/api/users/{id}");
                assert_eq!(shop.get(&user).await.expect(200)["id"], id);
                shop.put(&user, &change).await.expect(200);
                shop.get(&format!("/api/products/{id}")).await.expect(200);
                shop.get(&format!("/api/cart/{id}")).await.expect(200);
                added(&add(&shop, id, id).await);
            }
        };
        before_any(waiting, strangers).await
    })
    .await;
    for response in join_all(waiting).await {
        assert_eq!(response.expect(200)["role"], "ADMIN");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_locked_table_leaves_connections_for_requests_to_other_tables() {
    let shop = shop_of(40).await;
    while_locked(&shop, "LOCK TABLES products WRITE", async {
        let waiting = (1..=30_i64).map(|id| {
            let shop = &shop;
            let product = format!("/api/products/{id}");
            let cart = format!("/api/users/{id}/cart");
            async move {
                match id % 3 {
                    0 => shop.get(&product).await,
                    1 => shop.get(&cart).await,
                    _ => shop.put(&product, &json!({"title": "Pan"})).await,
                }
            }
        });
        let strangers = async {
            for pattern in ["SELECT%products%", "UPDATE%products%"] {
                eventually("a request waits for the table", async || {
                    is_running(&shop, pattern).await
                })
                .await;
            }
            for id in 1..=20 {
                let user = format!("/api/users/{id}");
                assert_eq!(shop.get(&user).await.expect(200)["id"], id);
            }
        };
        before_any(waiting, strangers).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_locked_table_of_keys_leaves_connections_for_requests_without_a_key() {
    let shop = shop_of(20).await;
    while_locked(&shop, "LOCK TABLES idempotency_keys WRITE", async {
        let waiting = (1..=20).map(|number| {
            let shop = &shop;
            async move {
                let key = format!("key-{number}");
                let headers = [JSON, ("idempotency-key", key.as_str())];
                let body = json!({"title": "Pan"}).to_string().into_bytes();
                shop.send(Method::POST, "/api/products", &headers, body)
                    .await
            }
        });
        let strangers = async {
            eventually("a request waits for the table", async || {
                is_running(&shop, "SELECT%idempotency_keys%").await
            })
            .await;
            for id in 1..=20 {
                let user = format!("/api/users/{id}");
                assert_eq!(shop.get(&user).await.expect(200)["id"], id);
            }
        };
        before_any(waiting, strangers).await
    })
    .await;
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

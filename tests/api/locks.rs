//! Rows and tables that another session has locked: only the requests that need them wait.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::future::{join_all, select_all};
use hyper::Method;
use serde_json::json;

use crate::additions::{add, added, shop_of, stored_items};
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

/// Whether a statement that matches `pattern` is being executed.
pub async fn is_running(shop: &Shop, pattern: &'static str) -> bool {
    let condition = format!("command <> 'Sleep' AND info LIKE '{pattern}'");
    let running = shop.sql(move |session| connections(session, &condition));
    !running.await.is_empty()
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

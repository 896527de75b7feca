//! Connections to the database that fall silent without being closed.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Shop, eventually};
use crate::lossy_proxy::{LossyProxy, Part};

/// Three shares of a response to a statement: nothing, the beginning, and the statement is lost, too.
const PARTS: [Part; 3] = [
    Part::ResponseAfter(0),
    Part::ResponseAfter(20),
    Part::Statement,
];

/// How many connections the pool for requests has.
const POOL: usize = 8;

#[tokio::test]
async fn a_read_whose_response_is_lost_fails_alone_and_closes_its_connection() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    let id = shop.create_user("ada@example.com").await;
    let path = format!("/api/users/{id}");
    shop.get(&path).await.expect(200);
    for part in PARTS {
        // Its prepared statement is known, so that the packet has only the number of the statement.
        // A new connection prepares it.
        proxy.silence();
        eventually("a new connection is used", async || {
            shop.get(&path).await.status == 200
        })
        .await;
        proxy.silence();
        proxy.lose_part("`users`", 1, part);
        eventually("a read after the lost one succeeds", async || {
            shop.get(&path).await.status == 200
        })
        .await;
    }
}

#[tokio::test]
async fn a_write_whose_response_is_lost_is_a_503_and_gives_its_connection_up() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.create_user("ada@example.com").await;
    for part in PARTS {
        // More losses than the pool has connections.
        for _ in 0..=POOL {
            proxy.lose_part("UPDATE `users`", 1, part);
            let change = json!({"role": "ADMIN"});
            shop.put("/api/users/1", &change).await.error(503);
            proxy.closed(1).await;
        }
        shop.put("/api/users/1", &json!({"role": "USER"}))
            .await
            .expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losses_under_load_leave_the_pool_working() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.create_user("ada@example.com").await;
    shop.create_product("Kettle").await;
    for _ in 0..3 {
        let calls = (0..4 * POOL).map(async |call| {
            if call == POOL {
                proxy.silence();
            }
            match call % 3 {
                0 => shop.get("/api/users/1").await.status,
                1 => {
                    shop.put("/api/users/1", &json!({"role": "USER"}))
                        .await
                        .status
                }
                _ => {
                    let item = json!({"user_id": 1, "product_id": 1});
                    shop.post("/api/cart", &item).await.status
                }
            }
        });
        for status in join_all(calls).await {
            assert!(matches!(status.as_u16(), 200 | 201 | 503), "{status}");
        }
        let works = async || {
            let calls = (0..2 * POOL).map(async |_| {
                let change = shop.put("/api/users/1", &json!({"role": "USER"})).await;
                change.status == 200 && shop.get("/api/users/1").await.status == 200
            });
            let succeeded = join_all(calls).await;
            succeeded.into_iter().all(|it| it)
        };
        eventually("every connection works", works).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_succeed_soon_after_a_black_hole() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.create_user("ada@example.com").await;
    let change = json!({"role": "USER"});
    let changes = || join_all((0..POOL).map(|_| shop.put("/api/users/1", &change)));
    // Opens every connection of the pool.
    for response in changes().await {
        response.expect(200);
    }
    let opened = proxy.accepted();
    proxy.set_black_hole(true);
    let lost = async {
        for response in changes().await {
            response.error(503);
        }
    };
    let recovery = async {
        proxy.swallowed(opened).await;
        proxy.set_black_hole(false);
        eventually("reads, changes and /health succeed", async || {
            shop.put("/api/users/1", &change).await.status == 200
                && shop.get("/api/users/1").await.status == 200
                && shop.get("/health").await.status == 200
        })
        .await;
    };
    tokio::join!(lost, recovery);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_that_lasts_makes_the_database_count_as_away() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.create_user("ada@example.com").await;
    proxy.set_black_hole(true);
    let reads = (0..2 * POOL).map(|_| shop.get("/api/users/1"));
    for response in join_all(reads).await {
        response.error(503);
    }
    shop.get("/health").await.error(503);
    // From now on only the probe connects.
    eventually("requests fail without connecting", async || {
        let before = proxy.accepted();
        for _ in 0..50 {
            shop.get("/api/users/1").await.error(503);
        }
        proxy.accepted() - before < 10
    })
    .await;
    proxy.set_black_hole(false);
    eventually("a request succeeds", async || {
        shop.get("/api/users/1").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_write_whose_commit_is_lost_is_a_503_and_is_not_run_again() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    for (part, email, stored) in [
        (Part::ResponseAfter(0), "ada@example.com", 1),
        (Part::Statement, "eva@example.com", 0),
    ] {
        proxy.lose_part("COMMIT", 1, part);
        let user = json!({"email": email, "password": "secret", "role": "USER"});
        shop.post("/api/users", &user).await.error(503);
        proxy.closed(1).await;
        let users = shop.get("/api/users").await.expect(200);
        let users = users.as_array().unwrap().clone();
        let found = users.iter().filter(|user| user["email"] == email);
        assert_eq!(found.count(), stored, "{part:?}");
    }
}

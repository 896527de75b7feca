//! A database that is away, and `/health` while the service is busy.

use futures_util::future;
use serde_json::json;

use crate::harness::{Shop, connections, eventually};
use crate::lossy_proxy::LossyProxy;

/// How many requests are sent while the database is away.
const REQUESTS: usize = 200;

#[tokio::test]
async fn while_the_database_is_away_requests_fail_without_connecting() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.create_user("ada@example.com").await;
    proxy.set_away(true);
    shop.sql(|session| {
        for id in connections(session, "true") {
            session.batch_execute(&format!("KILL {id}")).unwrap();
        }
    })
    .await;
    for _ in 0..10 {
        shop.put("/api/users/1", &json!({"role": "USER"}))
            .await
            .error(503);
    }
    let before = proxy.accepted();
    for _ in 0..REQUESTS {
        let response = shop.get("/api/users/1").await;
        response.error(503);
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    let attempts = proxy.accepted() - before;
    assert!(attempts < REQUESTS / 2, "{attempts} attempts");
    shop.get("/health").await.error(503);
    for path in ["/", "/api/docs", "/api/openapi.yaml"] {
        assert_eq!(shop.get(path).await.status, 200, "{path}");
    }

    proxy.set_away(false);
    eventually("a request succeeds", async || {
        shop.get("/api/users/1").await.status == 200
    })
    .await;
    shop.get("/api/users").await.expect(200);
    assert_eq!(shop.get("/health").await.status, 200);
}

#[tokio::test]
async fn errors_of_statements_do_not_make_the_database_count_as_away() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.execute("ALTER TABLE products RENAME COLUMN title TO name_")
        .await;
    for _ in 0..10 {
        shop.get("/api/products/1").await.error(500);
        shop.get("/api/users/1").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_does_not_wait_for_a_connection_of_requests() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    let (locked, holding) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let lock = shop.sql(move |session| {
        session
            .batch_execute("LOCK TABLES users WRITE, products WRITE, cart WRITE")
            .unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        session.batch_execute("UNLOCK TABLES").unwrap();
    });
    let requests = async {
        holding.await.unwrap();
        // Changes have a share of the connections, and each kind of reads has one.
        let change = json!({"role": "USER"});
        let changes = (1..=8).map(async |id| shop.put(&format!("/api/users/{id}"), &change).await);
        let paths = [
            "/api/users/1",
            "/api/products/1",
            "/api/cart/1",
            "/api/users/1/cart",
        ];
        let reads = (0..4).flat_map(|_| paths).map(|path| shop.get(path));
        let requests = future::join(future::join_all(changes), future::join_all(reads));
        let health = async {
            eventually("every connection waits for a table", async || {
                let waiting =
                    shop.sql(|session| connections(session, "state LIKE 'Waiting for table%'"));
                waiting.await.len() == 8
            })
            .await;
            assert_eq!(shop.get("/health").await.status, 200);
            release.send(()).unwrap();
        };
        tokio::join!(requests, health);
    };
    tokio::join!(lock, requests);
}

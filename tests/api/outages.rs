//! Failures of the database, and clients that disconnect in the middle of a request.

mod away;
mod silent;
mod statements;

use std::time::{Duration, Instant};

use ecommerce_api::db::session::Session;
use futures_util::StreamExt;
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{JSON, Shop, connections, eventually};
use crate::lossy_proxy::LossyProxy;
use crate::validation::captured_log;

/// Opens several connections to the database and kills them.
async fn kill_connections(shop: &Shop) {
    let change = json!({"role": "USER"});
    // Each update uses a connection of its own.
    let updates = (0..8).map(|_| shop.put("/api/users/1", &change));
    futures_util::future::join_all(updates).await;
    shop.get("/api/users").await.expect(200);
    let killed = shop.sql(|session| {
        let ids = connections(session, "true");
        for id in &ids {
            session.batch_execute(&format!("KILL {id}")).unwrap();
        }
        ids.len()
    });
    assert!(killed.await >= 3, "the pools had several connections");
}

#[tokio::test]
async fn no_read_fails_after_every_database_connection_is_killed() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.create_product("Pot").await;
    shop.add_to_cart(1, 1).await;
    let reads = [
        "/api/users/1",
        "/api/products/1",
        "/api/cart/1",
        "/api/users/1/cart",
        "/api/users",
        "/api/products?sort=-id",
        "/api/cart?page=1",
        "/api/products?q=Po&page=1",
    ];
    for read in reads {
        kill_connections(&shop).await;
        for _ in 0..10 {
            shop.get(read).await.expect(200);
        }
    }
}

#[tokio::test]
async fn no_request_that_ends_with_a_read_fails_after_every_database_connection_is_killed() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    let body = json!({"title": "Pot"}).to_string().into_bytes();
    let keyed = [JSON, ("idempotency-key", "key")];
    let create = || shop.send(Method::POST, "/api/products", &keyed, body.clone());
    create().await.expect(201);
    let taken = json!({"email": "ada@example.com", "password": "secret", "role": "USER"});
    kill_connections(&shop).await;
    let replay = create().await;
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    replay.expect(201);
    kill_connections(&shop).await;
    shop.post("/api/users", &taken).await.error(409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_few_connections_gets_no_503() {
    let shop = Shop::open_with_few_connections(5).await;
    for number in 1..=20 {
        shop.create_user(&format!("user{number}@example.com")).await;
    }
    let change = json!({"role": "USER"});
    let requests = (0..600).map(|number| {
        let (shop, change) = (&shop, &change);
        async move {
            let user = format!("/api/users/{}", 1 + number % 20);
            let response = match number % 3 {
                0 => shop.get(&user).await,
                1 => shop.put(&user, change).await,
                _ => shop.get("/api/users").await,
            };
            response.status
        }
    });
    let statuses: Vec<_> = futures_util::stream::iter(requests)
        .buffer_unordered(100)
        .collect()
        .await;
    let failed = statuses.iter().filter(|status| **status != 200).count();
    assert_eq!(failed, 0, "of {}", statuses.len());
}

#[tokio::test]
async fn lists_and_other_requests_take_turns_on_a_single_connection() {
    let shop = Shop::open_with_few_connections(1).await;
    shop.create_user("ada@example.com").await;
    for _ in 0..5 {
        shop.get("/api/users").await.expect(200);
        shop.put("/api/users/1", &json!({"role": "USER"}))
            .await
            .expect(200);
    }
    let (list, user) = tokio::join!(shop.get("/api/users"), shop.get("/api/users/1"));
    list.expect(200);
    user.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_disconnects_affects_no_other_request() {
    let shop = Shop::open().await;
    for number in 1..=20 {
        shop.create_user(&format!("user{number}@example.com")).await;
    }
    // An update waits for a lock on the first user, and its client disconnects in the meantime.
    let (locked, holding) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let lock = shop.sql(move |session| {
        session
            .batch_execute("BEGIN; UPDATE users SET role = 'USER' WHERE id = 1")
            .unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        session.batch_execute("ROLLBACK").unwrap();
    });
    let disconnect = async {
        holding.await.unwrap();
        let body = json!({"role": "ADMIN"}).to_string();
        let mut stream = TcpStream::connect(&shop.address).await.unwrap();
        let head = "PUT /api/users/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        eventually("the update waits for the lock", async || {
            let waiting = shop.sql(|session| connections(session, "info LIKE 'UPDATE%users%'"));
            !waiting.await.is_empty()
        })
        .await;
        drop(stream);
        for id in 1..=20 {
            assert_eq!(
                shop.get(&format!("/api/users/{id}")).await.expect(200)["id"],
                id
            );
        }
        release.send(()).unwrap();
    };
    tokio::join!(lock, disconnect);
    eventually("the update is finished", async || {
        shop.get("/api/users/1").await.expect(200)["role"] == "ADMIN"
    })
    .await;
    // Every connection still returns the right rows to each request.
    for round in 0..5 {
        for id in 1..=20 {
            let user = shop.get(&format!("/api/users/{id}")).await.expect(200);
            assert_eq!(
                user["email"],
                format!("user{id}@example.com"),
                "round {round}"
            );
        }
    }
}

/// How many deadlocks the server has resolved.
fn deadlocks(session: &mut Session) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let sql = "SELECT CAST(variable_value AS SIGNED) AS count
               FROM information_schema.global_status WHERE variable_name = 'Innodb_deadlocks'";
    let rows: Vec<Row> = session.load(sql).unwrap();
    rows[0].count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_load_with_deadlocks_has_no_500() {
    let shop = Shop::open().await;
    let before = shop.sql(deadlocks).await;
    let deadline = Instant::now() + Duration::from_mins(1);
    while shop.sql(deadlocks).await == before {
        assert!(Instant::now() < deadline, "no deadlock within a minute");
        shop.execute(
            "DELETE FROM cart;
             INSERT IGNORE INTO users (id, email, password, role)
               SELECT seq, CONCAT(seq, '@example.com'), 'x', 'USER' FROM seq_1_to_2;
             INSERT IGNORE INTO products (id, title) SELECT seq, 'Pot' FROM seq_1_to_2;
             INSERT INTO cart (user_id, product_id)
               SELECT u.seq, p.seq FROM seq_1_to_2 u JOIN seq_1_to_2 p",
        )
        .await;
        let calls = (0..24).map(async |call| {
            let (user, product) = (call % 2 + 1, call % 3 % 2 + 1);
            match call / 2 % 4 {
                0 => shop.delete(&format!("/api/users/{user}")).await,
                1 => shop.delete(&format!("/api/products/{product}")).await,
                2 => shop.delete(&format!("/api/cart/user/{user}")).await,
                _ => {
                    let item = json!({"user_id": user, "product_id": product});
                    shop.post("/api/cart", &item).await
                }
            }
        });
        for response in futures_util::future::join_all(calls).await {
            assert!(response.status != 500, "{}", response.json());
        }
    }
}

#[tokio::test]
async fn the_cause_of_a_failure_is_logged_and_never_sent() {
    let broken = Shop::open().await;
    broken
        .execute("ALTER TABLE users RENAME COLUMN role TO rank_")
        .await;
    let unreachable = Shop::without_database().await;
    for (shop, status, level, message) in [
        (&broken, 500, "ERROR", "internal error"),
        (&unreachable, 503, "WARN", "database unavailable"),
    ] {
        let (log, _guard) = captured_log();
        let failed = shop.get("/api/users/1").await;
        failed.error(status);
        let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
        let mut lines = log.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line
        });
        let line = lines.find(|line| line["message"] == message);
        let line = line.unwrap_or_else(|| panic!("the cause is not logged: {log}"));
        assert_eq!(line["level"], level);
        let cause = line["cause"].as_str().unwrap();
        assert!(!cause.is_empty());
        assert!(!String::from_utf8_lossy(&failed.body).contains(cause));
    }
}

/// Requests as many pages as the list has workers, while `statement` is lost. Each response must have
/// `status`, and each connection must be closed.
async fn pages_without(shop: &Shop, proxy: &LossyProxy, statement: &'static str, status: u16) {
    const WORKERS: usize = 2;
    proxy.lose(statement, WORKERS);
    for _ in 0..WORKERS {
        let response = shop.get("/api/users?page=1").await;
        assert_eq!(response.status, status, "{statement}");
    }
    proxy.closed(WORKERS).await;
}

#[tokio::test]
async fn packets_that_are_lost_around_a_page_delay_no_other_page() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.create_user("ada@example.com").await;
    pages_without(&shop, &proxy, "START TRANSACTION READ ONLY", 503).await;
    shop.get("/api/users?page=1").await.expect(200);
    pages_without(&shop, &proxy, "COMMIT", 200).await;
    shop.get("/api/users?page=1").await.expect(200);
    shop.execute("ALTER TABLE users RENAME COLUMN role TO rank_")
        .await;
    pages_without(&shop, &proxy, "GET DIAGNOSTICS", 503).await;
    shop.execute("ALTER TABLE users RENAME COLUMN rank_ TO role")
        .await;
    shop.get("/api/users?page=1").await.expect(200);
}

#[tokio::test]
async fn a_list_whose_query_is_lost_closes_its_connection() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    proxy.lose("`users`", 3);
    let (list, sorted, page) = tokio::join!(
        shop.get("/api/users"),
        shop.get("/api/users?sort=email"),
        shop.get("/api/users?page=1"),
    );
    for response in [list, sorted, page] {
        response.error(503);
    }
    proxy.closed(3).await;
}

//! Statements that the database ends or refuses.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{JSON, Shop, connections, eventually};
use crate::lossy_proxy::LossyProxy;

/// Makes each INSERT of a product run `body`, in which `attempt` is the number of this attempt.
async fn before_each_product(shop: &Shop, body: &str) {
    // A sequence is not rolled back with a transaction.
    shop.execute(format!(
        "CREATE OR REPLACE SEQUENCE attempts NOCACHE;
         CREATE OR REPLACE TRIGGER attempt BEFORE INSERT ON products FOR EACH ROW BEGIN
           DECLARE attempt INT DEFAULT NEXTVAL(attempts);
           {body}
         END"
    ))
    .await;
}

/// How often an INSERT of a product was attempted.
async fn attempts(shop: &Shop) -> i64 {
    number(
        shop,
        "SELECT next_not_cached_value - 1 AS number FROM attempts",
    )
    .await
}

async fn rows(shop: &Shop, table: &str) -> i64 {
    number(shop, &format!("SELECT COUNT(*) AS number FROM {table}")).await
}

async fn number(shop: &Shop, sql: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    let sql = sql.to_owned();
    let rows: Vec<Row> = shop.sql(move |session| session.load(&sql).unwrap()).await;
    rows[0].number
}

#[tokio::test]
async fn a_full_table_is_a_503_and_nothing_is_run_again() {
    let shop = Shop::open().await;
    for number in [1114, 1021, 1041] {
        let full = format!("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number};");
        before_each_product(&shop, &full).await;
        let response = shop.post("/api/products", &json!({"title": "Pot"})).await;
        response.error(503);
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(attempts(&shop).await, 1, "{number}");
    }
}

#[tokio::test]
async fn a_statement_that_a_cluster_out_of_sync_refuses_is_run_again() {
    let shop = Shop::open().await;
    let refusal = "IF attempt < 3 THEN
                     SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047;
                   END IF;";
    before_each_product(&shop, refusal).await;
    shop.create_product("Pot").await;
    assert_eq!(attempts(&shop).await, 3);
    assert_eq!(rows(&shop, "products").await, 1);
}

#[tokio::test]
async fn a_statement_past_the_time_limit_is_a_503_and_is_not_run_again() {
    let shop = Shop::open().await;
    before_each_product(&shop, "DO SLEEP(60);").await;
    shop.post("/api/products", &json!({"title": "Pot"}))
        .await
        .error(503);
    assert_eq!(attempts(&shop).await, 1);
    assert_eq!(rows(&shop, "products").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_are_killed_at_any_time_are_never_a_500() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.create_product("Kettle").await;
    let is_over = AtomicBool::new(false);
    let kill = async {
        while !is_over.load(Relaxed) {
            shop.sql(|session| {
                for id in connections(session, "user = 'root'") {
                    // An error when the connection has been closed in the meantime.
                    let _ = session.batch_execute(&format!("KILL QUERY {id}"));
                }
            })
            .await;
        }
    };
    let calls = async {
        let mut acknowledged = 0;
        for _ in 0..200 {
            let calls = (0..16).map(async |call| match call % 4 {
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
            });
            for status in futures_util::future::join_all(calls).await {
                assert!(matches!(status.as_u16(), 200 | 201 | 503), "{status}");
                acknowledged += i64::from(status == 201);
            }
        }
        is_over.store(true, Relaxed);
        acknowledged
    };
    let ((), acknowledged) = tokio::join!(kill, calls);
    let stored = rows(&shop, "cart").await;
    assert!(stored >= acknowledged, "{acknowledged} of {stored}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_makes_only_its_own_requests_wait_and_not_for_long() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.create_product("Kettle").await;
    let (locked, holding) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let lock = shop.sql(move |session| {
        session.batch_execute("LOCK TABLES users WRITE").unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        session.batch_execute("UNLOCK TABLES").unwrap();
    });
    let requests = async {
        holding.await.unwrap();
        let change = json!({"role": "USER"});
        let waiting = async {
            let (read, list, change) = tokio::join!(
                shop.get("/api/users/1"),
                shop.get("/api/users"),
                shop.put("/api/users/1", &change),
            );
            for response in [read, list, change] {
                response.error(503);
            }
        };
        let others = async {
            eventually("the requests wait for the table", async || {
                let waiting = shop.sql(|session| connections(session, "info LIKE '%users%'"));
                waiting.await.len() == 3
            })
            .await;
            shop.get("/api/products/1").await.expect(200);
            shop.get("/api/products").await.expect(200);
            assert_eq!(shop.get("/health").await.status, 200);
        };
        tokio::join!(waiting, others);
        release.send(()).unwrap();
    };
    tokio::join!(lock, requests);
    shop.get("/api/users/1").await.expect(200);
}

#[tokio::test]
async fn an_insert_whose_row_is_followed_by_an_error_is_not_acknowledged() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.execute(
        "INSERT INTO users (id, email, password) VALUES (1, 'ada@example.com', 'x');
         INSERT INTO products (id, title) VALUES (1, 'Pot')",
    )
    .await;
    let create = async |path: &str, headers: &[(&str, &str)], body: Value| {
        let body = body.to_string().into_bytes();
        shop.send(Method::POST, path, headers, body).await
    };
    let user = json!({"email": "eva@example.com", "password": "secret", "role": "USER"});
    let product = json!({"title": "Kettle"});
    let item = json!({"user_id": 1, "product_id": 1});

    proxy.fail_after_rows("INSERT INTO `users`");
    create("/api/users", &[JSON], user).await.error(503);
    assert_eq!(rows(&shop, "users").await, 1);

    proxy.fail_after_rows("INSERT INTO `products`");
    create("/api/products", &[JSON], product).await.error(503);
    assert_eq!(rows(&shop, "products").await, 1);

    proxy.fail_after_rows("INSERT INTO `cart`");
    let with_key = [JSON, ("idempotency-key", "key-1")];
    create("/api/cart", &with_key, item.clone())
        .await
        .error(503);
    assert_eq!(rows(&shop, "cart").await, 0);

    // A group is no transaction, but a single statement, which the database has committed here.
    proxy.fail_after_rows("INSERT INTO cart");
    create("/api/cart", &[JSON], item).await.error(503);
    assert_eq!(rows(&shop, "cart").await, 1, "inserted again");
}

#[tokio::test]
async fn an_insert_with_a_warning_and_then_an_error_of_a_proxy_is_not_repeated() {
    let proxy = LossyProxy::start();
    let shop = Shop::open_behind(&proxy).await;
    shop.execute(
        "INSERT INTO users (id, email, password) VALUES (1, 'ada@example.com', 'x');
         INSERT INTO products (id, title) VALUES (1, 'Pot');
         ALTER TABLE cart ADD CHECK (CAST(CONCAT('truncated', user_id) AS CHAR(1)) = 't')",
    )
    .await;
    proxy.fail_after_rows("INSERT INTO cart");
    let item = json!({"user_id": 1, "product_id": 1});
    shop.post("/api/cart", &item).await.error(503);
    assert_eq!(rows(&shop, "cart").await, 1);
}

//! A database without the tables for sessions.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Shop, access_token, eventually};

use super::ADA;

const TABLES: [&str; 3] = [
    "auth_sessions",
    "auth_refresh_tokens",
    "auth_ended_sessions",
];

#[tokio::test]
async fn nobody_can_log_in_and_everything_else_works() {
    let shop = Shop::open().await;
    let id = shop.create_user(ADA).await;
    for table in TABLES {
        shop.execute(format!("DROP TABLE {table}")).await;
    }
    let token = access_token(1, 1);
    let refused = [
        shop.post(
            "/api/auth/login",
            &json!({"email": ADA, "password": "secret"}),
        )
        .await,
        shop.refresh("any").await,
        shop.post("/api/auth/logout", &json!({"refresh_token": "any"}))
            .await,
        shop.send_as(&token, Method::POST, "/api/auth/logout-all", &Value::Null)
            .await,
        super::me(&shop, &token).await,
    ];
    for refused in refused {
        let (code, message) = refused.error(503);
        assert_eq!(code, "SERVICE_UNAVAILABLE");
        assert!(message.contains("`ecommerce-api migrate run`"), "{message}");
    }
    let path = format!("/api/users/{id}");
    shop.put(&path, &json!({"password": "another", "role": "USER"}))
        .await
        .expect(200);
    shop.delete(&path).await.expect(200);
}

#[tokio::test]
async fn tables_that_are_created_while_the_service_runs_are_used() {
    let shop = Shop::open().await;
    shop.create_user(ADA).await;
    for table in TABLES {
        shop.execute(format!("RENAME TABLE {table} TO hidden_{table}"))
            .await;
    }
    super::me(&shop, &access_token(1, 1)).await.error(503);
    for table in TABLES {
        shop.execute(format!("RENAME TABLE hidden_{table} TO {table}"))
            .await;
    }
    let tokens = shop.log_in(ADA).await;
    eventually("the tables are found", async || {
        super::me(&shop, &tokens.access).await.status == 200
    })
    .await;
}

//! Tokens of sessions that have ended are refused, in every process.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Shop, Tokens, access_token, eventually};

use super::{ADA, me, shop_and_session};

/// The status of a request that also succeeds with the token of a user who was deleted.
async fn status(shop: &Shop, tokens: &Tokens) -> u16 {
    let list = shop.send_as(&tokens.access, Method::GET, "/api/cart", &Value::Null);
    list.await.status.as_u16()
}

/// Checks that the tokens are refused by `shop`, and soon by `another` over the same database.
async fn assert_ended(shop: &Shop, another: &Shop, tokens: &Tokens) {
    assert_eq!(status(shop, tokens).await, 401);
    me(shop, &tokens.access).await.error(401);
    eventually("the other process knows it", async || {
        status(another, tokens).await == 401
    })
    .await;
    for shop in [shop, another] {
        shop.refresh(&tokens.refresh).await.error(401);
    }
}

/// Ends the session of a user with this id, whose tokens are `tokens`.
async fn end(shop: &Shop, how: &str, id: i64, tokens: &Tokens) {
    let path = format!("/api/users/{id}");
    let response = match how {
        "logout" => {
            let body = json!({"refresh_token": tokens.refresh});
            shop.post("/api/auth/logout", &body).await
        }
        "logout everywhere" => {
            let path = "/api/auth/logout-all";
            shop.send_as(&tokens.access, Method::POST, path, &Value::Null)
                .await
        }
        "password" => shop.put(&path, &json!({"password": "another"})).await,
        "demotion" => shop.put(&path, &json!({"role": "USER"})).await,
        "deletion" => shop.delete(&path).await,
        _ => panic!("unknown: {how}"),
    };
    response.expect(200);
}

#[tokio::test]
async fn a_session_ends_here_at_once_and_elsewhere_soon() {
    for how in [
        "logout",
        "logout everywhere",
        "password",
        "demotion",
        "deletion",
    ] {
        let shop = Shop::open().await;
        let id = shop.create_user(ADA).await;
        let other = shop.create_user("bob@example.com").await;
        shop.execute("UPDATE users SET role = 'ADMIN'").await;
        let another = shop.another().await;
        let tokens = shop.log_in(ADA).await;
        let others = shop.log_in("bob@example.com").await;
        for shop in [&shop, &another] {
            assert_eq!(me(shop, &tokens.access).await.expect(200)["id"], id);
        }
        end(&shop, how, id, &tokens).await;
        assert_ended(&shop, &another, &tokens).await;
        for shop in [&shop, &another] {
            assert_eq!(me(shop, &others.access).await.expect(200)["id"], other);
        }
    }
}

#[tokio::test]
async fn other_changes_of_a_user_end_nothing() {
    let shop = Shop::open().await;
    let id = shop.create_user(ADA).await;
    let tokens = shop.log_in(ADA).await;
    let path = format!("/api/users/{id}");
    for change in [
        json!({"email": "new@example.com"}),
        json!({"role": "USER"}),
        json!({"role": "ADMIN"}),
        json!({}),
    ] {
        shop.put(&path, &change).await.expect(200);
        me(&shop, &tokens.access).await.expect(200);
    }
    // A change that fails ends nothing either.
    shop.create_user("taken@example.com").await;
    let taken = json!({"email": "taken@example.com", "password": "another"});
    shop.put(&path, &taken).await.error(409);
    let absent = [crate::harness::JSON, ("if-match", "\"old\"")];
    let body = json!({"password": "another"}).to_string();
    shop.send(Method::PUT, &path, &absent, body.into())
        .await
        .error(412);
    me(&shop, &tokens.access).await.expect(200);
}

#[tokio::test]
async fn a_process_that_starts_knows_which_sessions_have_ended() {
    let (shop, tokens) = shop_and_session().await;
    let body = json!({"refresh_token": tokens.refresh});
    shop.post("/api/auth/logout", &body).await.expect(200);
    let another = shop.another().await;
    me(&another, &tokens.access).await.error(401);
}

#[tokio::test]
async fn a_row_that_is_committed_long_after_its_time_is_not_missed() {
    let (shop, tokens) = shop_and_session().await;
    let bearer = crate::harness::keys().verify(&tokens.access, std::time::SystemTime::now());
    let session = bearer.unwrap().session;
    me(&shop, &tokens.access).await.expect(200);
    // Later rows have been read meanwhile.
    shop.execute("INSERT INTO auth_ended_sessions VALUES (1, UTC_TIMESTAMP())")
        .await;
    eventually("the later row is known", async || {
        me(&shop, &access_token(1, 1)).await.status == 401
    })
    .await;
    shop.execute(format!(
        "INSERT INTO auth_ended_sessions VALUES ({session}, UTC_TIMESTAMP() - INTERVAL 1 MINUTE)"
    ))
    .await;
    eventually("the earlier row is known", async || {
        me(&shop, &tokens.access).await.status == 401
    })
    .await;
}

#[tokio::test]
async fn tokens_are_503_when_the_table_could_not_be_read_for_ten_seconds() {
    let (shop, tokens) = shop_and_session().await;
    me(&shop, &tokens.access).await.expect(200);
    shop.execute("ALTER TABLE auth_ended_sessions CHANGE ended_at hidden DATETIME")
        .await;
    let since = Instant::now();
    while me(&shop, &tokens.access).await.status != 503 {
        assert!(since.elapsed() < Duration::from_secs(30), "still trusted");
    }
    // What needs no token works.
    shop.get("/api/products").await.expect(200);
    shop.execute("ALTER TABLE auth_ended_sessions CHANGE hidden ended_at DATETIME")
        .await;
    eventually("the table can be read again", async || {
        me(&shop, &tokens.access).await.status == 200
    })
    .await;
}

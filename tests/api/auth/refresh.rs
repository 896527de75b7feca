//! The exchange of refresh tokens.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Shop, Tokens, eventually};

use super::{ADA, me, shop_and_session};

/// Makes every used token have been used so many seconds earlier.
async fn age(shop: &Shop, seconds: u32) {
    shop.execute(format!(
        "UPDATE auth_refresh_tokens SET used_at = used_at - INTERVAL {seconds} SECOND"
    ))
    .await;
}

async fn count(shop: &Shop, table: &'static str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let sql = format!("SELECT COUNT(*) AS count FROM {table}");
    let rows = shop.sql(move |session| session.load::<Count>(&sql).unwrap());
    rows.await[0].count
}

async fn refreshed(shop: &Shop, token: &str) -> Tokens {
    Tokens::of(&shop.refresh(token).await)
}

#[tokio::test]
async fn a_token_is_exchanged_again_and_again() {
    let (shop, mut tokens) = shop_and_session().await;
    let mut seen = BTreeSet::from([tokens.refresh.clone()]);
    for _ in 0..5 {
        tokens = refreshed(&shop, &tokens.refresh).await;
        assert!(seen.insert(tokens.refresh.clone()));
        me(&shop, &tokens.access).await.expect(200);
    }
}

#[tokio::test]
async fn a_used_token_ends_the_session_when_its_successor_was_used() {
    let (shop, first) = shop_and_session().await;
    let second = refreshed(&shop, &first.refresh).await;
    let third = refreshed(&shop, &second.refresh).await;
    let other = shop.log_in(ADA).await;
    shop.refresh(&first.refresh).await.error(401);
    for tokens in [&first, &second, &third] {
        me(&shop, &tokens.access).await.error(401);
        shop.refresh(&tokens.refresh).await.error(401);
    }
    me(&shop, &other.access).await.expect(200);
    refreshed(&shop, &other.refresh).await;
}

#[tokio::test]
async fn a_client_that_got_no_response_may_send_its_token_again_for_30_seconds() {
    let (shop, first) = shop_and_session().await;
    let lost = refreshed(&shop, &first.refresh).await;
    age(&shop, 20).await;
    let lost_too = refreshed(&shop, &first.refresh).await;
    let second = refreshed(&shop, &first.refresh).await;
    let third = refreshed(&shop, &second.refresh).await;
    me(&shop, &third.access).await.expect(200);
    // A void token is a used one, whose owner is not the client that goes on.
    for void in [lost, lost_too] {
        shop.refresh(&void.refresh).await.error(401);
    }
    me(&shop, &third.access).await.error(401);
    shop.refresh(&third.refresh).await.error(401);
}

#[tokio::test]
async fn after_30_seconds_a_used_token_ends_the_session_although_its_successor_is_unused() {
    let (shop, first) = shop_and_session().await;
    let second = refreshed(&shop, &first.refresh).await;
    age(&shop, 31).await;
    shop.refresh(&first.refresh).await.error(401);
    me(&shop, &second.access).await.error(401);
    shop.refresh(&second.refresh).await.error(401);
}

/// The time runs from the first use, so that a thief cannot prolong it.
#[tokio::test]
async fn a_repeated_use_does_not_prolong_the_30_seconds() {
    let (shop, first) = shop_and_session().await;
    refreshed(&shop, &first.refresh).await;
    age(&shop, 20).await;
    let second = refreshed(&shop, &first.refresh).await;
    age(&shop, 11).await;
    shop.refresh(&first.refresh).await.error(401);
    me(&shop, &second.access).await.error(401);
}

#[tokio::test]
async fn of_many_clients_with_one_token_at_once_exactly_one_goes_on() {
    let (shop, first) = shop_and_session().await;
    let another = shop.another().await;
    let uses = (0..12).map(|number| {
        let shop = if number % 2 == 0 { &shop } else { &another };
        shop.refresh(&first.refresh)
    });
    let responses = join_all(uses).await;
    let all: Vec<Tokens> = responses.iter().map(Tokens::of).collect();
    let distinct: BTreeSet<_> = all.iter().map(|tokens| &tokens.refresh).collect();
    assert_eq!(distinct.len(), all.len());
    // Void tokens are used ones: only one is left.
    let unused = count(&shop, "auth_refresh_tokens WHERE used_at IS NULL").await;
    assert_eq!(unused, 1);
    assert_eq!(count(&shop, "auth_sessions").await, 1);
}

#[tokio::test]
async fn two_clients_with_the_newest_token_at_once_get_a_pair_each_and_one_of_them_goes_on() {
    for _ in 0..8 {
        let (shop, first) = shop_and_session().await;
        let (one, other) = tokio::join!(shop.refresh(&first.refresh), shop.refresh(&first.refresh));
        let (one, other) = (Tokens::of(&one), Tokens::of(&other));
        let one_goes_on = shop.refresh(&one.refresh).await.status == 200;
        let other_goes_on = shop.refresh(&other.refresh).await.status == 200;
        // If the first one was void, its use has ended the session.
        assert!(!(one_goes_on && other_goes_on));
        assert_eq!(count(&shop, "auth_sessions").await, 0);
    }
}

#[tokio::test]
async fn a_token_expires_after_24_hours_by_the_clock_of_the_database() {
    let (shop, first) = shop_and_session().await;
    let back = |minutes: u32| {
        format!(
            "UPDATE auth_refresh_tokens SET expires_at = expires_at - INTERVAL {minutes} MINUTE"
        )
    };
    shop.execute(back(1439)).await;
    let second = refreshed(&shop, &first.refresh).await;
    shop.execute(back(1440)).await;
    shop.refresh(&second.refresh).await.error(401);
}

#[tokio::test]
async fn new_tokens_have_the_present_role() {
    let (shop, first) = shop_and_session().await;
    shop.execute("UPDATE users SET role = 'ADMIN'").await;
    let second = refreshed(&shop, &first.refresh).await;
    let user = me(&shop, &second.access).await.expect(200);
    assert_eq!(user["role"], "ADMIN");
    let bearer = crate::harness::keys().verify(&second.access, std::time::SystemTime::now());
    assert!(bearer.unwrap().is_admin);
}

#[tokio::test]
async fn a_user_whom_another_program_has_deleted_gets_no_token() {
    let (shop, first) = shop_and_session().await;
    shop.execute("DELETE FROM users").await;
    shop.refresh(&first.refresh).await.error(401);
    assert_eq!(count(&shop, "auth_sessions").await, 0);
    me(&shop, &first.access).await.error(401);
}

#[tokio::test]
async fn expired_rows_are_deleted_in_batches() {
    let (shop, mut tokens) = shop_and_session().await;
    shop.execute(
        "INSERT INTO auth_sessions (id, user_id, expires_at)
             SELECT seq, 1, UTC_TIMESTAMP() FROM seq_1_to_150;
         INSERT INTO auth_refresh_tokens (hash, session_id, expires_at)
             SELECT UNHEX(SHA2(seq, 256)), seq, UTC_TIMESTAMP() FROM seq_1_to_150;
         INSERT INTO auth_ended_sessions (session_id, ended_at)
             SELECT seq, UTC_TIMESTAMP() - INTERVAL 30 MINUTE FROM seq_1_to_150;
         INSERT INTO auth_ended_sessions (session_id, ended_at)
             VALUES (1000, UTC_TIMESTAMP() - INTERVAL 29 MINUTE)",
    )
    .await;
    for _ in 0..64 {
        tokens = refreshed(&shop, &tokens.refresh).await;
    }
    for (table, left) in [
        ("auth_sessions", 1),
        ("auth_refresh_tokens", 65),
        ("auth_ended_sessions", 1),
    ] {
        eventually("all are deleted", async || {
            count(&shop, table).await == left
        })
        .await;
    }
    let body = json!({"refresh_token": tokens.refresh});
    let ended = shop.post("/api/auth/logout", &body).await.expect(200);
    assert_eq!(ended["sessions_ended"], 1);
}

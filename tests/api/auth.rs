//! Logging in and out, and the password.

mod ended;
mod refresh;
mod without_tables;

use ecommerce_api::db::session::Session;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, JSON, Shop, Tokens};

const ADA: &str = "ada@example.com";
const ME: &str = "/api/auth/me";

/// A shop with one user, who is logged in.
async fn shop_and_session() -> (Shop, Tokens) {
    let shop = Shop::open().await;
    shop.create_user(ADA).await;
    let tokens = shop.log_in(ADA).await;
    (shop, tokens)
}

/// `GET /api/auth/me` with an access token.
async fn me(shop: &Shop, access_token: &str) -> ClientResponse {
    shop.send_as(access_token, Method::GET, ME, &Value::Null)
        .await
}

async fn login(shop: &Shop, email: &str, password: &str) -> ClientResponse {
    let body = json!({"email": email, "password": password});
    shop.post("/api/auth/login", &body).await
}

#[tokio::test]
async fn a_login_returns_tokens_with_which_the_user_is_known() {
    let shop = Shop::open().await;
    let id = shop.create_user(ADA).await;
    let data = login(&shop, ADA, "secret").await.expect(200);
    assert_eq!(data["token_type"], "Bearer");
    assert_eq!(data["expires_in"], 900);
    assert_eq!(data["refresh_expires_in"], 86_400);
    let access = data["access_token"].as_str().unwrap();
    let user = me(&shop, access).await.expect(200);
    assert_eq!(user, json!({"id": id, "email": ADA, "role": "USER"}));
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_are_the_same_failure() {
    let (shop, _) = shop_and_session().await;
    let mut bodies = Vec::new();
    for (email, password) in [
        (ADA, "Secret"),
        (ADA, "secret "),
        ("bob@example.com", "secret"),
        // Equal in the collation.
        ("\u{e1}da@example.com", "secret"),
        ("ada@example.com ", "secret"),
        ("%", "secret"),
    ] {
        let refused = login(&shop, email, password).await;
        assert_eq!(refused.error(401).0, "UNAUTHENTICATED", "{email}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        bodies.push(refused.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[tokio::test]
async fn letter_case_of_an_email_does_not_count_unless_users_differ_in_it() {
    let (shop, _) = shop_and_session().await;
    login(&shop, "Ada@Example.COM", "secret").await.expect(200);
    // An existing shop may distinguish letter case.
    shop.execute(
        "ALTER TABLE users MODIFY email VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
    )
    .await;
    let other = shop.create_user("ADA@example.com").await;
    let tokens = shop.log_in("ADA@example.com").await;
    assert_eq!(me(&shop, &tokens.access).await.expect(200)["id"], other);
    login(&shop, "Ada@example.com", "secret").await.error(401);
}

#[tokio::test]
async fn a_stored_password_that_is_no_hash_is_the_hash_of_no_password() {
    let (shop, _) = shop_and_session().await;
    for stored in ["", "no hash", "$argon2id$v=19$m=19456,t=2,p=1$", "$"] {
        shop.execute(format!("UPDATE users SET password = '{stored}'"))
            .await;
        for password in ["a", "$", "secret"] {
            login(&shop, ADA, password).await.error(401);
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Stored {
    #[diesel(sql_type = diesel::sql_types::Text)]
    password: String,
}

/// The stored password of the only user.
async fn stored(shop: &Shop) -> String {
    let load = |session: &mut Session| session.load("SELECT password FROM users").unwrap();
    let rows: Vec<Stored> = shop.sql(load).await;
    rows[0].password.clone()
}

#[tokio::test]
async fn passwords_of_other_shops_are_accepted_and_replaced_by_a_hash_at_the_first_login() {
    let (shop, _) = shop_and_session().await;
    let bcrypt = bcrypt::hash("teapot", 4).unwrap();
    let php = bcrypt.replacen("$2b$", "$2y$", 1);
    for row in ["teapot", &bcrypt, &php] {
        shop.execute(format!("UPDATE users SET password = '{row}'"))
            .await;
        login(&shop, ADA, "Teapot").await.error(401);
        assert_eq!(stored(&shop).await, row, "a wrong password changes nothing");
        let tokens = Tokens::of(&login(&shop, ADA, "teapot").await);
        me(&shop, &tokens.access).await.expect(200);
        let replaced = stored(&shop).await;
        assert!(replaced.starts_with("$argon2id$"), "{row}: {replaced}");
        login(&shop, ADA, "teapot").await.expect(200);
        assert_eq!(stored(&shop).await, replaced);
        // The text of a hash is no password.
        if row != "teapot" {
            login(&shop, ADA, row).await.error(401);
        }
    }
}

#[tokio::test]
async fn after_many_failures_even_the_right_password_has_to_wait() {
    let (shop, _) = shop_and_session().await;
    for _ in 0..50 {
        login(&shop, ADA, "Secret").await.error(401);
    }
    let refused = login(&shop, ADA, "secret").await;
    let wait: u16 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    refused.error(429);
    shop.create_user("bob@example.com").await;
    shop.log_in("bob@example.com").await;
    // When the failures have expired.
    shop.execute("UPDATE auth_login_attempts SET expires_at = UTC_TIMESTAMP()".to_owned())
        .await;
    login(&shop, ADA, "secret").await.expect(200);
}

#[tokio::test]
async fn who_chooses_a_password_for_oneself_needs_a_good_one() {
    let open = Shop::open().await;
    let shop = open.requiring_tokens().await;
    let user = |password: &str| json!({"email": ADA, "password": password, "role": "USER"});
    let refused = async |body: &Value| {
        let response = shop.post("/api/users", body).await;
        response.error(400);
        response.json()["error"]["details"][0].clone()
    };
    let short = refused(&user("secret")).await;
    assert_eq!(short["field"], "/password");
    assert_eq!(short["message"], "must have at least 8 characters");
    let common = refused(&user("Password1")).await;
    assert_eq!(common["field"], "/password");
    shop.post("/api/users", &user("a good secret"))
        .await
        .expect(201);
    // Administrators choose passwords for others, who change them.
    let root = json!({"email": "root@example.com", "password": "secret", "role": "ADMIN"});
    open.post("/api/users", &root).await.expect(201);
    let tokens = open.log_in("root@example.com").await;
    let other = json!({"email": "bob@example.com", "password": "secret", "role": "USER"});
    let created = shop.send_as(&tokens.access, Method::POST, "/api/users", &other);
    created.await.expect(201);
}

#[tokio::test]
async fn a_token_is_needed_and_has_to_be_valid() {
    let (shop, tokens) = shop_and_session().await;
    let forged = format!("{}x", tokens.access);
    for header in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Basic YWRhOnNlY3JldA=="),
        Some(tokens.access.as_str()),
        Some(&format!("Bearer {forged}")),
        Some(&format!("Bearer {}", tokens.refresh)),
    ] {
        let headers: Vec<_> = header
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        for (method, path) in [(Method::GET, ME), (Method::POST, "/api/auth/logout-all")] {
            let refused = shop.send(method, path, &headers, Vec::new()).await;
            assert_eq!(refused.error(401).0, "UNAUTHENTICATED", "{header:?}");
            let challenge = refused.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
        }
    }
    let headers = [("authorization", &*format!("bearer {}", tokens.access))];
    let known = shop.send(Method::GET, ME, &headers, Vec::new()).await;
    known.expect(200);
}

#[tokio::test]
async fn tokens_are_never_cached() {
    let (shop, tokens) = shop_and_session().await;
    for response in [
        login(&shop, ADA, "secret").await,
        shop.refresh(&tokens.refresh).await,
        me(&shop, &tokens.access).await,
    ] {
        response.expect(200);
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_new_password_needs_the_present_one_and_ends_every_session() {
    let (shop, tokens) = shop_and_session().await;
    let other = shop.log_in(ADA).await;
    let change = async |present: &str, new: &str| {
        let body = json!({"current_password": present, "new_password": new});
        shop.send_as(&tokens.access, Method::PUT, "/api/auth/password", &body)
            .await
    };
    let refused = change("Secret", "much more secret").await;
    assert_eq!(refused.error(403).0, "FORBIDDEN");
    assert_eq!(refused.json()["error"]["reason"], "WRONG_PASSWORD");
    let short = change("secret", "1234567").await.violations();
    assert_eq!(short.len(), 1, "{short:?}");
    assert!(short[0].starts_with("/new_password "), "{short:?}");
    me(&shop, &other.access).await.expect(200);

    let changed = change("secret", "much more secret").await.expect(200);
    assert_eq!(changed, json!({"sessions_ended": 2}));
    for tokens in [&tokens, &other] {
        me(&shop, &tokens.access).await.error(401);
        shop.refresh(&tokens.refresh).await.error(401);
    }
    login(&shop, ADA, "secret").await.error(401);
    login(&shop, ADA, "much more secret").await.expect(200);
}

#[tokio::test]
async fn nothing_that_can_be_used_is_stored() {
    let (shop, tokens) = shop_and_session().await;
    let dump = shop
        .sql(|session| {
            #[derive(diesel::QueryableByName)]
            struct Row {
                #[diesel(sql_type = diesel::sql_types::Text)]
                line: String,
            }
            let rows: Vec<Row> = session
                .load(
                    "SELECT CONCAT_WS(' ', HEX(hash), HEX(successor)) AS line FROM auth_refresh_tokens",
                )
                .unwrap();
            rows.into_iter().map(|row| row.line).collect::<String>()
        })
        .await;
    assert!(!dump.is_empty());
    let bytes = tokens.refresh.bytes();
    let hex = bytes.map(|byte| format!("{byte:02X}")).collect::<Vec<_>>();
    let hex = hex.concat();
    assert!(!dump.contains(&hex));
}

#[tokio::test]
async fn a_logout_needs_no_access_token_and_a_token_of_no_session_is_no_failure() {
    let (shop, tokens) = shop_and_session().await;
    let logout = async |token: &str| {
        let body = json!({"refresh_token": token}).to_string();
        let sent = shop.send(Method::POST, "/api/auth/logout", &[JSON], body.into_bytes());
        sent.await.expect(200)["sessions_ended"].clone()
    };
    assert_eq!(logout("unknown").await, 0);
    me(&shop, &tokens.access).await.expect(200);
    assert_eq!(logout(&tokens.refresh).await, 1);
    assert_eq!(logout(&tokens.refresh).await, 0);
    me(&shop, &tokens.access).await.error(401);
}

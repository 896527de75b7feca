//! The operations of users.

use ecommerce_api::api::validation::Validation;
use ecommerce_api::contract::email::is_email;
use ecommerce_api::db::session::Session;
use serde_json::json;

use crate::harness::Shop;

#[derive(diesel::QueryableByName)]
struct Password {
    #[diesel(sql_type = diesel::sql_types::Text)]
    password: String,
}

fn passwords(session: &mut Session) -> Vec<String> {
    let rows: Vec<Password> = session
        .load("SELECT password FROM users ORDER BY id")
        .unwrap();
    rows.into_iter().map(|row| row.password).collect()
}

#[tokio::test]
async fn a_created_user_is_at_its_location() {
    let shop = Shop::open().await;
    let user = json!({"email": "test@example.com", "password": "secret", "role": "USER"});
    let created = shop.post("/api/users", &user).await;
    let data = created.expect(201);
    assert_eq!(
        data,
        json!({"id": data["id"], "email": "test@example.com", "role": "USER"})
    );
    assert_eq!(
        created.header("location"),
        Some(&*format!("/api/users/{}", data["id"]))
    );
    assert_eq!(
        shop.get(created.header("location").unwrap())
            .await
            .expect(200),
        data
    );
    assert_eq!(shop.get("/api/users").await.expect(200), json!([data]));
}

#[tokio::test]
async fn the_walk_through_of_the_readme_works() {
    let shop = Shop::open().await;
    let user = shop.create_user("test@example.com").await;
    let product = shop.create_product("Moka pot").await;
    let item = shop.add_to_cart(user, product).await;
    let cart = shop
        .get(&format!("/api/users/{user}/cart"))
        .await
        .expect(200);
    assert_eq!(cart[0]["product"]["title"], "Moka pot");
    let deleted = shop.delete(&format!("/api/users/{user}")).await;
    assert_eq!(deleted.expect(200), json!({"cart_items_removed": 1}));
    assert_eq!(
        deleted.json()["message"],
        "User deleted, 1 cart item removed"
    );
    shop.get(&format!("/api/cart/{item}")).await.error(404);
    shop.get(&format!("/api/products/{product}"))
        .await
        .expect(200);
}

#[tokio::test]
async fn emails_are_unique_without_regard_to_letter_case() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    let other = shop.create_user("bob@example.com").await;
    let taken = json!({"email": "ADA@example.com", "password": "secret", "role": "USER"});
    let conflict = (
        "CONFLICT".to_owned(),
        "Another user has this email".to_owned(),
    );
    assert_eq!(shop.post("/api/users", &taken).await.error(409), conflict);
    let changes = json!({"email": "Ada@Example.com"});
    assert_eq!(
        shop.put(&format!("/api/users/{other}"), &changes)
            .await
            .error(409),
        conflict
    );
    let own = shop
        .put(
            &format!("/api/users/{other}"),
            &json!({"email": "BOB@example.com"}),
        )
        .await;
    assert_eq!(own.expect(200)["email"], "BOB@example.com");
}

/// Strings that are not email addresses, although they contain or resemble one.
const NOT_EMAILS: [&str; 21] = [
    "\"Ada\r\nBcc: x@y.z <v@c.co>\"",
    "Ada\r\nBcc: x@y.z <v@c.co>",
    "\"Ada\r\nBcc: x\"@c.co",
    "Ada <v@c.co>",
    " <v@c.co>",
    "<v@c.co>",
    "v@c.co (Ada)",
    "v@c.co\n",
    " v@c.co",
    "\"\"@c.co",
    "\"a\tb\"@c.co",
    "\"a\"b\"@c.co",
    "v\u{0}@c.co",
    "é@c.co",
    "v@é.co",
    "v@c_d.co",
    "v@c..co",
    "v@[192.0.2.256]",
    "v@[IPv6:x]",
    "v@c.co,w@c.co",
    "mailto:<v@c.co>",
];

#[tokio::test]
async fn an_email_is_an_address_without_a_display_name() {
    let shop = Shop::open().await;
    let path = format!("/api/users/{}", shop.create_user("ada@example.com").await);
    for email in [
        "a@b",
        "Ada.O'Neil+shop@example.com",
        "\"a b\"@c.co",
        "\"Ada <a@b.co>\"@c.co",
        "\"a\\\"b\"@c.co",
        "a@xn--bcher-kva.example",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
    ] {
        assert!(is_email(email), "{email}");
        let user = shop.put(&path, &json!({"email": email})).await.expect(200);
        assert_eq!(user["email"], email);
    }
    let problem = ["/email must be an email address"];
    for invalid in NOT_EMAILS {
        assert!(!is_email(invalid), "{invalid:?}");
        let changes = json!({"email": invalid});
        let rejected = shop.put(&path, &changes).await.violations();
        assert_eq!(rejected, problem, "{invalid:?}");
        let draft = json!({"email": invalid, "password": "secret", "role": "USER"});
        let rejected = shop.post("/api/users", &draft).await.violations();
        assert_eq!(rejected, problem, "{invalid:?}");
    }
}

#[tokio::test]
async fn an_invalid_email_that_is_already_stored_is_shown_unchanged() {
    let shop = Shop::open_with(Validation::Enforce).await;
    let id = shop.create_user("ada@example.com").await;
    let path = format!("/api/users/{id}");
    for stored in NOT_EMAILS {
        let bytes: Vec<String> = stored.bytes().map(|byte| byte.to_string()).collect();
        let literal = format!("CHAR({} USING utf8mb4)", bytes.join(","));
        let update = format!("UPDATE users SET email = {literal} WHERE id = {id}");
        shop.execute(update).await;
        let user = shop.get(&path).await.expect(200);
        assert_eq!(user["email"], stored);
        let users = shop.get("/api/users").await.expect(200);
        assert_eq!(users[0]["email"], stored);
        let changed = shop.put(&path, &json!({"role": "ADMIN"})).await.expect(200);
        assert_eq!(changed["email"], stored);
        let sent_back = shop.put(&path, &user).await.violations();
        assert_eq!(sent_back, ["/email must be an email address"]);
    }
}

#[tokio::test]
async fn an_update_changes_only_the_properties_that_it_contains() {
    let shop = Shop::open().await;
    let path = format!("/api/users/{}", shop.create_user("ada@example.com").await);
    let before = shop.sql(passwords).await;

    let admin = shop.put(&path, &json!({"role": "ADMIN"})).await.expect(200);
    assert_eq!(
        (&admin["email"], &admin["role"]),
        (&json!("ada@example.com"), &json!("ADMIN"))
    );
    assert_eq!(
        shop.put(&path, &json!({})).await.expect(200),
        admin,
        "an empty object changes nothing"
    );
    assert_eq!(
        shop.put(&path, &json!({"role": "ADMIN"})).await.expect(200),
        admin,
        "the same value changes nothing"
    );
    assert_eq!(shop.sql(passwords).await, before);

    shop.put(&path, &json!({"password": "another"}))
        .await
        .expect(200);
    assert_ne!(shop.sql(passwords).await, before);
    shop.put("/api/users/999", &json!({})).await.error(404);
    shop.put("/api/users/999", &json!({"role": "USER"}))
        .await
        .error(404);
}

#[tokio::test]
async fn passwords_are_stored_as_argon2id_and_are_in_no_response() {
    let shop = Shop::open().await;
    let user = json!({"email": "ada@example.com", "password": "pAssw0rd-to-hide", "role": "USER"});
    let created = shop.post("/api/users", &user).await;
    let path = created.header("location").unwrap().to_owned();
    let stored = shop.sql(passwords).await;
    assert!(
        stored[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{stored:?}"
    );
    let updated = shop
        .put(&path, &json!({"password": "pAssw0rd-to-hide-2", "role": 7}))
        .await;
    for response in [
        created,
        shop.get(&path).await,
        shop.get("/api/users").await,
        updated,
    ] {
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert!(
            !text.contains("pAssw0rd") && !text.contains("argon2"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn stored_plain_text_passwords_are_kept_and_never_shown() {
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO users (email, password, role) VALUES ('old@example.com', 'plaintext', 'USER')",
    )
    .await;
    let list = shop.get("/api/users").await;
    assert_eq!(list.expect(200)[0]["email"], "old@example.com");
    assert!(!String::from_utf8_lossy(&list.body).contains("plaintext"));
    shop.put("/api/users/1", &json!({"role": "ADMIN"}))
        .await
        .expect(200);
    assert_eq!(
        shop.sql(passwords).await,
        ["plaintext"],
        "the password is unchanged until a new one is set"
    );
}

#[tokio::test]
async fn a_user_that_other_tables_refer_to_cannot_be_deleted() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Kettle").await;
    let item = shop.add_to_cart(user, product).await;
    shop.execute(format!(
        "CREATE TABLE orders (user_id INT, FOREIGN KEY (user_id) REFERENCES users (id));
         INSERT INTO orders VALUES ({user})"
    ))
    .await;
    let (code, message) = shop.delete(&format!("/api/users/{user}")).await.error(409);
    assert_eq!(
        (&*code, &*message),
        ("CONFLICT", "Other data of the shop refers to it")
    );
    shop.get(&format!("/api/cart/{item}")).await.expect(200);
}

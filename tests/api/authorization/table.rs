//! The table of who may call which operation, with which status each caller is answered.

use std::collections::BTreeSet;

use ecommerce_api::api::contracts::operations;
use ecommerce_api::contract::Operation;
use serde_json::{Value, json};

use super::{path, send};
use crate::harness::{Shop, token};

/// The rows that each request is about: a user, an item in the cart of the user, and a product. Also what the
/// user can prove: an email, and a refresh token if the request needs one.
struct Rows {
    user: i64,
    email: String,
    refresh_token: Option<String>,
    item: i64,
    product: i64,
}

/// The body of a request about these rows.
type Body = fn(&Rows) -> Value;

/// Who sends a request about what belongs to a user.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sender {
    Anonymous,
    /// The user.
    User,
    /// Another user.
    Other,
    Admin,
}

use Sender::{Admin, Anonymous, Other, User};

/// The senders, in the order of the statuses in [`TABLE`].
const SENDERS: [Sender; 4] = [Anonymous, User, Other, Admin];

/// The password of every user in this test.
const PASSWORD: &str = "secret";

/// An operation, a body, and the status of the response to each of [`SENDERS`].
type Row = (&'static str, Body, [u16; 4]);

#[rustfmt::skip]
const TABLE: [Row; 37] = [
    ("listUsers",       none,            [401, 403, 403, 200]),
    ("createUser",      a_user,          [201, 201, 201, 201]),
    ("createUser",      an_admin,        [401, 403, 403, 201]),
    ("getUser",         none,            [401, 200, 404, 200]),
    ("updateUser",      |_| json!({}),   [401, 200, 404, 200]),
    ("updateUser",      role("USER"),    [401, 200, 404, 200]),
    ("updateUser",      role("ADMIN"),   [401, 403, 404, 200]),
    ("updateUser",      email,           [401, 400, 404, 200]),
    ("updateUser",      password,        [401, 400, 404, 200]),
    ("updateUser",      |rows| with("secret", email(rows)),    [401, 200, 404, 200]),
    ("updateUser",      |rows| with("secret", password(rows)), [401, 200, 404, 200]),
    ("updateUser",      |rows| with("Secret", email(rows)),    [401, 403, 404, 200]),
    ("updateUser",      |rows| with("Secret", password(rows)), [401, 403, 404, 200]),
    ("updateUser",      |rows| with("secret", role("ADMIN")(rows)), [401, 403, 404, 200]),
    ("deleteUser",      none,            [401, 200, 404, 200]),
    ("getUserCart",     none,            [401, 200, 404, 200]),
    ("listProducts",    none,            [200, 200, 200, 200]),
    ("createProduct",   a_title,         [401, 403, 403, 201]),
    ("getProduct",      none,            [200, 200, 200, 200]),
    ("updateProduct",   a_title,         [401, 403, 403, 200]),
    ("deleteProduct",   none,            [401, 403, 403, 200]),
    ("getProductCarts", none,            [401, 403, 403, 200]),
    ("listCartItems",   none,            [401, 200, 200, 200]),
    ("addCartItem",     an_item,         [401, 201, 403, 201]),
    ("addCartItem",     an_item_of_nobody, [401, 403, 403, 409]),
    ("getCartItem",     none,            [401, 200, 404, 200]),
    ("removeCartItem",  none,            [401, 200, 404, 200]),
    ("clearUserCart",   none,            [401, 200, 403, 200]),
    ("login",           login("secret"), [200, 200, 200, 200]),
    ("login",           login("Secret"), [401, 401, 401, 401]),
    ("refresh",         a_token,         [200, 200, 200, 200]),
    ("refresh",         an_unknown_token, [401, 401, 401, 401]),
    ("logout",          a_token,         [200, 200, 200, 200]),
    ("logoutAll",       none,            [401, 200, 200, 200]),
    ("getMe",           none,            [401, 200, 200, 200]),
    ("changePassword",  new_password("Secret"), [401, 403, 403, 403]),
    ("changePassword",  new_password("secret"), [401, 200, 200, 200]),
];

fn none(_: &Rows) -> Value {
    Value::Null
}

/// A body with an email that no user has.
fn new_user(role: &str, password: &str) -> Value {
    let email = format!("{:032x}@example.com", rand::random::<u128>());
    json!({"email": email, "password": password, "role": role})
}

fn a_user(_: &Rows) -> Value {
    new_user("USER", "another secret")
}

fn an_admin(_: &Rows) -> Value {
    new_user("ADMIN", "another secret")
}

const fn role(role: &'static str) -> Body {
    match role.as_bytes() {
        b"ADMIN" => |_| json!({"role": "ADMIN"}),
        _ => |_| json!({"role": "USER"}),
    }
}

fn email(_: &Rows) -> Value {
    json!({"email": new_user("USER", PASSWORD)["email"]})
}

fn password(_: &Rows) -> Value {
    json!({"password": "another secret"})
}

fn with(current_password: &str, mut body: Value) -> Value {
    body["current_password"] = current_password.into();
    body
}

const fn login(password: &'static str) -> Body {
    match password.as_bytes() {
        b"secret" => |rows| json!({"email": rows.email, "password": "secret"}),
        _ => |rows| json!({"email": rows.email, "password": "Secret"}),
    }
}

fn a_token(rows: &Rows) -> Value {
    json!({"refresh_token": rows.refresh_token})
}

fn an_unknown_token(_: &Rows) -> Value {
    json!({"refresh_token": "unknown"})
}

const fn new_password(present: &'static str) -> Body {
    match present.as_bytes() {
        b"secret" => |_| json!({"current_password": "secret", "new_password": "another secret"}),
        _ => |_| json!({"current_password": "Secret", "new_password": "another secret"}),
    }
}

fn a_title(_: &Rows) -> Value {
    json!({"title": "Kettle"})
}

fn an_item(rows: &Rows) -> Value {
    json!({"user_id": rows.user, "product_id": rows.product})
}

fn an_item_of_nobody(rows: &Rows) -> Value {
    json!({"user_id": i32::MAX, "product_id": rows.product})
}

/// The path of a request of this operation about these rows.
fn path_about(operation: &Operation, rows: &Rows) -> String {
    let id = match operation.path.split('/').nth(2) {
        Some("products") => rows.product,
        Some("cart") if !operation.path.contains("user_id") => rows.item,
        _ => rows.user,
    };
    path(operation, id)
}

/// Rows for one request of this operation.
async fn rows(shop: &Shop, operation: &Operation) -> Rows {
    let user = shop.post("/api/users", &new_user("USER", PASSWORD)).await;
    let user = user.expect(201);
    let email = user["email"].as_str().unwrap().to_owned();
    let user = user["id"].as_i64().unwrap();
    let refresh_token = match operation.id.as_str() {
        "refresh" | "logout" => Some(shop.log_in(&email).await.refresh),
        _ => None,
    };
    let product = shop.create_product("Moka pot").await;
    let item = shop.add_to_cart(user, product).await;
    Rows {
        user,
        email,
        refresh_token,
        item,
        product,
    }
}

#[tokio::test]
async fn every_caller_may_do_what_the_table_says() {
    let open = Shop::open().await;
    let shop = open.requiring_tokens().await;
    let admin = open.post("/api/users", &new_user("ADMIN", PASSWORD)).await;
    let admin = admin.expect(201)["id"].as_i64().unwrap();
    let other = open.create_user("other@example.com").await;
    let mut found = Vec::new();
    for (id, body, expected) in TABLE {
        let operation = operations().find(|operation| operation.id == id).unwrap();
        for (sender, expected) in SENDERS.into_iter().zip(expected) {
            let rows = rows(&open, operation).await;
            let token = match sender {
                Anonymous => None,
                User => Some(token(rows.user, false)),
                Other => Some(token(other, false)),
                Admin => Some(token(admin, true)),
            };
            let path = path_about(operation, &rows);
            let body = body(&rows);
            let response = send(&shop, &operation.method, &path, token.as_deref(), &body).await;
            let status = response.status.as_u16();
            if status != expected {
                found.push(format!(
                    "{id} {body} by {sender:?}: {status}, not {expected}"
                ));
            }
            let challenge = response.header("www-authenticate");
            assert_eq!(challenge, (status == 401).then_some("Bearer"), "{id}");
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_table_has_every_operation_of_every_contract() {
    let in_table: BTreeSet<&str> = TABLE.iter().map(|(id, ..)| *id).collect();
    let all: BTreeSet<&str> = operations()
        .map(|operation| operation.id.as_str())
        .collect();
    assert_eq!(in_table, all);
}

/// The security in the contract says the same: optional where a caller without a token succeeds.
#[test]
fn the_security_of_the_contract_is_that_of_the_table() {
    for operation in operations() {
        let mut rows = TABLE.iter().filter(|(id, ..)| *id == operation.id);
        let is_public = rows.any(|(_, _, [anonymous, ..])| *anonymous < 300);
        let security = &operation.security;
        assert_eq!(security.is_optional(), is_public, "{}", operation.id);
        let schemes: Vec<_> = security.schemes().collect();
        // The others look at no token: their callers prove in the body who they are.
        let takes_token = !["login", "refresh", "logout"].contains(&operation.id.as_str());
        let expected: &[&str] = if takes_token { &["bearerAuth"] } else { &[] };
        assert_eq!(schemes, expected, "{}", operation.id);
        let mut rows = TABLE.iter().filter(|(id, ..)| *id == operation.id);
        let is_forbidden = rows.any(|(.., statuses)| statuses.contains(&403));
        let documented = operation.statuses().any(|status| status == 403);
        assert_eq!(documented, is_forbidden, "{}", operation.id);
    }
}

#[tokio::test]
async fn without_required_tokens_everyone_may_do_everything_and_a_token_restricts_its_bearer() {
    let shop = Shop::open().await;
    let other = shop.create_user("other@example.com").await;
    for (id, body, expected) in TABLE {
        let operation = operations().find(|operation| operation.id == id).unwrap();
        // What is about the bearer of a token needs one also here.
        let is_about_bearer = ["logoutAll", "getMe", "changePassword"].contains(&id);
        let without = if is_about_bearer { 401 } else { expected[3] };
        for (token, expected) in [
            (None, without),
            (Some("Basic eDp5".to_owned()), without),
            (Some(token(other, false)), expected[2]),
        ] {
            let rows = rows(&shop, operation).await;
            let path = path_about(operation, &rows);
            let body = body(&rows);
            let response = send(&shop, &operation.method, &path, token.as_deref(), &body).await;
            assert_eq!(response.status, expected, "{id} {body} {token:?}");
        }
    }
}

#[tokio::test]
async fn a_user_who_confirms_it_has_a_new_password_and_no_other_role() {
    let open = Shop::open().await;
    let shop = open.requiring_tokens().await;
    let user = open.create_user("ada@example.com").await;
    let own = token(user, false);
    let path = format!("/api/users/{user}");
    let put = async |body: Value| send(&shop, "PUT", &path, Some(&own), &body).await;
    let change = json!({
        "id": user, "role": "USER", "password": "another secret", "current_password": "secret",
    });
    put(change.clone()).await.expect(200);
    let (_, message) = put(change).await.error(403);
    assert_eq!(message, "The current password is another one");
    let back = json!({"password": "a third secret", "current_password": "another secret"});
    let changed = put(back).await.expect(200);
    assert_eq!(changed["role"], "USER");
    // An administrator since the token was issued: the user's own request takes nothing away.
    open.put(&path, &json!({"role": "ADMIN"})).await.expect(200);
    let unchanged = put(json!({"role": "USER"})).await.expect(200);
    assert_eq!(unchanged["role"], "ADMIN");
}

//! Each example of an error, with the request and the fault that cause it.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::Value;

use super::contract::{OperationExamples, Request, examples, open_sample, operations};
use super::{compare, send};
use crate::harness::{JSON, Shop, dump, token};

/// A change of the example request of the operation, which has only the required parameters.
enum Change {
    /// Replaces the value in the path.
    Path(&'static str),
    Query(&'static str),
    Header(&'static str, &'static str),
    /// Adds a token of the user with this id, who is no administrator.
    User(i64),
    Body(&'static str),
    /// A body that is one byte larger than a mebibyte.
    LargeBody,
}

/// The state of the shop.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Sample,
    /// Each operation with an `Idempotency-Key` has had a request with the key `used`.
    WithUsedKeys,
    /// Orders refer to every user and product.
    WithOrders,
    /// Triggers reject changes of products and the removal of cart items.
    WithRules,
    WithoutTables,
    WithoutDatabase,
}

/// The operations, the status, the name of the example (empty for an example without a name), the shop, and
/// the changes. An empty list of operations means all that have such an example and are in no other line.
type Recorded = (
    &'static [&'static str],
    u16,
    &'static str,
    State,
    &'static [Change],
);

use Change::{Body, Header, LargeBody, Path, Query, User};
use State::{Sample, WithOrders, WithRules, WithUsedKeys, WithoutDatabase, WithoutTables};

const RECORDED: [Recorded; 36] = [
    // ── 400 ──
    (&[], 400, "id", Sample, &[Path("0")]),
    (&[], 400, "page", Sample, &[Query("?page=0&limit=1001")]),
    (&[], 400, "search", Sample, &[Query("?q=jo")]),
    (&[], 400, "parameter", Sample, &[Query("?limt=1")]),
    (
        &["createUser"],
        400,
        "body",
        Sample,
        &[Body(
            r#"{"email": "nobody", "password": "short", "rolle": "USER"}"#,
        )],
    ),
    (
        &["updateUser"],
        400,
        "body",
        Sample,
        &[Body(r#"{"email": "nobody"}"#)],
    ),
    (
        &["updateUser", "updateProduct"],
        400,
        "id",
        Sample,
        &[Body(r#"{"id": 3}"#)],
    ),
    (
        &["createProduct"],
        400,
        "body",
        Sample,
        &[Body(r#"{"title": ""}"#)],
    ),
    (
        &["updateProduct"],
        400,
        "body",
        Sample,
        &[Body(r#"{"title": null}"#)],
    ),
    (
        &["addCartItem"],
        400,
        "body",
        Sample,
        &[Body(r#"{"user_id": 0, "product_id": "1"}"#)],
    ),
    (
        &["login"],
        400,
        "body",
        Sample,
        &[Body(
            r#"{"email": "jonas.lindqvist@example.com", "username": "jonas"}"#,
        )],
    ),
    (
        &["refresh", "logout"],
        400,
        "body",
        Sample,
        &[Body(r#"{"refresh_token": ""}"#)],
    ),
    (
        &["changePassword"],
        400,
        "body",
        Sample,
        &[Body(
            r#"{"current_password": "moka pot, 3 cups", "new_password": "mug"}"#,
        )],
    ),
    (
        &["updateUser"],
        400,
        "password",
        Sample,
        &[User(2), Body(r#"{"email": "new@example.com"}"#)],
    ),
    // ── 401 and 403 ──
    (
        &["login"],
        401,
        "",
        Sample,
        &[Body(
            r#"{"email": "jonas.lindqvist@example.com", "password": "moka pot"}"#,
        )],
    ),
    (
        &["refresh"],
        401,
        "",
        Sample,
        &[Body(r#"{"refresh_token": "unknown"}"#)],
    ),
    (&[], 401, "", Sample, &[Header("Authorization", "Bearer x")]),
    (&[], 403, "", Sample, &[User(2)]),
    (
        &["changePassword"],
        403,
        "",
        Sample,
        &[Body(
            r#"{"current_password": "moka pot", "new_password": "enamel mug, 350 ml"}"#,
        )],
    ),
    (
        &["createUser"],
        403,
        "",
        Sample,
        &[
            User(2),
            Body(r#"{"email": "test@example.com", "password": "secret", "role": "ADMIN"}"#),
        ],
    ),
    (
        &["updateUser"],
        403,
        "role",
        Sample,
        &[User(2), Body(r#"{"role": "ADMIN"}"#)],
    ),
    (
        &["updateUser"],
        403,
        "password",
        Sample,
        &[
            User(2),
            Body(r#"{"password": "another secret", "current_password": "Secret"}"#),
        ],
    ),
    (
        &["addCartItem"],
        403,
        "",
        Sample,
        &[User(2), Body(r#"{"user_id": 3, "product_id": 1}"#)],
    ),
    // ── 404 ──
    (&[], 404, "", Sample, &[Path("2147483647")]),
    // ── 409 ──
    (
        &["createUser"],
        409,
        "",
        Sample,
        &[Body(
            r#"{"email": "YUKI.tanaka@example.com", "password": "secret", "role": "USER"}"#,
        )],
    ),
    (
        &["updateUser"],
        409,
        "",
        Sample,
        &[Body(r#"{"email": "YUKI.tanaka@example.com"}"#)],
    ),
    (&["deleteUser", "deleteProduct"], 409, "", WithOrders, &[]),
    (
        &["addCartItem"],
        409,
        "user",
        Sample,
        &[Body(r#"{"user_id": 6, "product_id": 1}"#)],
    ),
    (
        &["addCartItem"],
        409,
        "product",
        Sample,
        &[Body(r#"{"user_id": 2, "product_id": 13}"#)],
    ),
    (
        &[
            "createProduct",
            "updateProduct",
            "removeCartItem",
            "clearUserCart",
        ],
        409,
        "",
        WithRules,
        &[],
    ),
    // ── 412 ──
    (&[], 412, "", Sample, &[Header("If-Match", "\"0\"")]),
    // ── 413 and 415 ──
    (&[], 413, "", Sample, &[LargeBody]),
    (
        &[],
        415,
        "",
        Sample,
        &[Header("content-type", "text/plain")],
    ),
    // ── 422 ──
    (
        &[],
        422,
        "",
        WithUsedKeys,
        &[Header("Idempotency-Key", "used")],
    ),
    // ── 500 and 503 ──
    (&[], 500, "", WithoutTables, &[]),
    (&[], 503, "", WithoutDatabase, &[]),
];

/// The status that the tests in `rates` provoke.
const ELSEWHERE: u16 = 429;

/// The index of the only line for an example.
fn recorded(operation: &str, status: u16, example: &str) -> Option<usize> {
    let of_example = |line: &Recorded| line.1 == status && line.2 == example;
    let find = |has: &dyn Fn(&Recorded) -> bool| {
        let lines = RECORDED.iter().enumerate();
        let mut found = lines.filter(|(_, line)| of_example(line) && has(line));
        let first = found.next().map(|(index, _)| index);
        assert!(
            found.next().is_none(),
            "two lines: {operation} {status} {example}"
        );
        first
    };
    find(&|line| line.0.contains(&operation)).or_else(|| find(&|line| line.0.is_empty()))
}

fn request(operation: &OperationExamples, changes: &[Change]) -> Request {
    let mut request = operation.request(false, "");
    for change in changes {
        match change {
            Path(value) => {
                // The only value in a path is a number.
                let segments = request.path.split('/').map(|segment| {
                    let is_value = segment.parse::<u32>().is_ok();
                    if is_value { value } else { segment }
                });
                request.path = segments.collect::<Vec<_>>().join("/");
            }
            Query(query) => (*query).clone_into(&mut request.query),
            Header(name, value) => {
                request.headers.retain(|(known, _)| known != name);
                request
                    .headers
                    .push(((*name).to_owned(), (*value).to_owned()));
            }
            User(id) => request
                .headers
                .push(("Authorization".to_owned(), token(*id, false))),
            Body(body) => request.body = (*body).into(),
            LargeBody => request.body = vec![b' '; 1024 * 1024 + 1],
        }
    }
    request
}

async fn open(state: State) -> Shop {
    if state == WithoutDatabase {
        return Shop::without_database().await;
    }
    let shop = open_sample().await;
    match state {
        WithUsedKeys => {
            for (path, body) in [
                (
                    "/api/users",
                    r#"{"email": "used@example.com", "password": "secret", "role": "USER"}"#,
                ),
                ("/api/products", r#"{"title": "Used"}"#),
                ("/api/cart", r#"{"user_id": 5, "product_id": 12}"#),
            ] {
                let headers = [JSON, ("idempotency-key", "used")];
                let used = shop.send(Method::POST, path, &headers, body.into()).await;
                used.expect(201);
            }
        }
        WithOrders => {
            shop.execute(
                "CREATE TABLE orders (user_id INT, product_id INT,
                    FOREIGN KEY (user_id) REFERENCES users (id),
                    FOREIGN KEY (product_id) REFERENCES products (id));
                 INSERT INTO orders SELECT users.id, products.id FROM users, products",
            )
            .await;
        }
        WithRules => {
            for event in ["INSERT ON products", "UPDATE ON products", "DELETE ON cart"] {
                let name = event.replace(' ', "_");
                shop.execute(format!(
                    "CREATE TRIGGER {name} BEFORE {event} FOR EACH ROW SIGNAL SQLSTATE '45000'"
                ))
                .await;
            }
        }
        WithoutTables => {
            shop.execute("ALTER TABLE auth_sessions CHANGE user_id hidden INT")
                .await;
            for table in ["cart", "products", "users"] {
                shop.execute(format!("RENAME TABLE {table} TO hidden_{table}"))
                    .await;
            }
        }
        _ => {}
    }
    shop
}

#[tokio::test]
async fn every_example_of_an_error_is_the_response_to_a_recorded_request() {
    let mut used = BTreeSet::new();
    for state in [
        Sample,
        WithUsedKeys,
        WithOrders,
        WithRules,
        WithoutTables,
        WithoutDatabase,
    ] {
        let shop = open(state).await;
        let has_tables = [Sample, WithUsedKeys, WithOrders, WithRules].contains(&state);
        let before = if has_tables {
            Some(shop.sql(dump).await)
        } else {
            None
        };
        for operation in operations() {
            for (status, documented) in &operation.responses {
                let errors = examples(operation.document, &documented["content"]).into_iter();
                for (name, body) in errors.filter(|_| *status >= 400) {
                    // A logout looks at no access token.
                    let is_unreachable = (operation.id, *status) == ("logout", 401);
                    if *status == ELSEWHERE || is_unreachable {
                        continue;
                    }
                    let of = format!("{} {status} {name}", operation.id);
                    let line = recorded(operation.id, *status, name);
                    let line = line.unwrap_or_else(|| panic!("no line is for {of}"));
                    used.insert((line, operation.id));
                    if RECORDED[line].3 == state {
                        check_error(&shop, &operation, RECORDED[line].4, &of, documented, body)
                            .await;
                    }
                }
            }
        }
        if let Some(before) = before {
            assert_eq!(shop.sql(dump).await, before, "an error has changed rows");
        }
    }
    for (line, (operations, status, name, ..)) in RECORDED.iter().enumerate() {
        let is_used = |operation: &str| used.contains(&(line, operation));
        for operation in *operations {
            assert!(
                is_used(operation),
                "{operation} {status} {name} is no example"
            );
        }
        let any = used.iter().any(|(used, _)| *used == line);
        assert!(any, "{status} {name} is no example");
    }
}

/// Sends the changed request and compares the response with the example.
async fn check_error(
    shop: &Shop,
    operation: &OperationExamples,
    changes: &[Change],
    of: &str,
    documented: &'static Value,
    body: &Value,
) {
    let request = request(operation, changes);
    let response = send(shop, &request).await;
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(
        of.contains(&format!(" {} ", response.status.as_u16())),
        "{of}: {text}"
    );
    compare(
        of,
        &response,
        &request,
        (operation.document, documented),
        body,
    );
}

//! The sample shop, and made-up rows in bulk.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use ecommerce_api::db::check::mismatches;
use ecommerce_api::db::migrations;
use ecommerce_api::db::seed::{self, Error, Plan};
use ecommerce_api::db::session::Session;

use crate::server::empty_database;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    line: Option<String>,
}

fn shop() -> Session {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
}

fn number(session: &mut Session, sql: &str) -> i64 {
    let rows: Vec<Number> = session.load(&format!("SELECT ({sql}) AS number")).unwrap();
    rows[0].number.unwrap()
}

fn count(session: &mut Session, table: &str) -> i64 {
    number(session, &format!("SELECT COUNT(*) FROM {table}"))
}

/// All rows of the three tables, as text.
fn contents(session: &mut Session) -> Vec<Option<String>> {
    let rows: Vec<Line> = session
        .load(
            "SELECT CONCAT_WS('|', 'u', id, email, password, role) AS line FROM users \
             UNION ALL SELECT CONCAT_WS('|', 'p', id, title, image_url, description) FROM products \
             UNION ALL SELECT CONCAT_WS('|', 'c', id, user_id, product_id) FROM cart",
        )
        .unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

fn bulk(session: &mut Session, plan: &Plan) -> Result<(), Error> {
    seed::bulk(session, plan, "a hash", &mut |_, _, _| ())
}

#[test]
fn the_sample_shop_fills_empty_tables_once() {
    let mut session = shop();
    assert!(seed::sample_shop(&mut session, "hash").unwrap());
    assert_eq!(count(&mut session, "users"), 5);
    assert_eq!(count(&mut session, "products"), 12);
    assert_eq!(count(&mut session, "cart"), 7);
    assert_eq!(
        number(
            &mut session,
            "SELECT COUNT(*) FROM users WHERE password = 'hash'"
        ),
        5
    );
    assert_eq!(
        number(
            &mut session,
            "SELECT COUNT(*) FROM users WHERE role = 'ADMIN'"
        ),
        1
    );
    let before = contents(&mut session);
    assert!(before.iter().flatten().any(|line| line.contains("高山")));

    assert!(!seed::sample_shop(&mut session, "hash").unwrap());
    assert_eq!(contents(&mut session), before);
}

#[test]
fn one_row_in_any_table_prevents_the_sample_shop() {
    let mut session = shop();
    session
        .batch_execute("INSERT INTO products (title) VALUES ('t')")
        .unwrap();
    assert!(!seed::sample_shop(&mut session, "hash").unwrap());
    assert_eq!(count(&mut session, "users"), 0);
}

#[test]
fn bulk_adds_the_planned_rows_and_reports_its_progress() {
    let mut session = shop();
    let plan = Plan {
        users: 1_001,
        products: 12_345,
        cart: 2_000,
        rng_seed: None,
    };
    let mut progress = Vec::new();
    seed::bulk(&mut session, &plan, "a hash", &mut |table, done, total| {
        progress.push((table, done, total));
    })
    .unwrap();
    assert_eq!(count(&mut session, "users"), 1_001);
    assert_eq!(count(&mut session, "products"), 12_345);
    assert_eq!(count(&mut session, "cart"), 2_000);
    assert!(
        progress.contains(&("users", 1_000, 1_001)) && progress.contains(&("users", 1_001, 1_001))
    );
    assert_eq!(progress.last(), Some(&("cart", 2_000, 2_000)));
    assert!(number(&mut session, "SELECT COUNT(DISTINCT title) FROM products") > 10_000);
    assert!(
        number(
            &mut session,
            "SELECT COUNT(*) FROM products WHERE CHAR_LENGTH(title) <> LENGTH(title)"
        ) > 0
    );
    assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new());
}

#[test]
fn the_same_seed_makes_the_same_rows() {
    let plan = |users, rng_seed| Plan {
        users,
        products: 50,
        cart: 30,
        rng_seed: Some(rng_seed),
    };
    let fill = |plan: &Plan| {
        let mut session = shop();
        bulk(&mut session, plan).unwrap();
        contents(&mut session)
    };
    let first = fill(&plan(20, 7));
    assert_eq!(first, fill(&plan(20, 7)));
    assert_ne!(first, fill(&plan(20, 8)));
    // Fixed rows, which no new release may change.
    assert_eq!(
        first[0].as_deref(),
        Some("u|1|zoe.costa.1@example.com|a hash|USER")
    );
    assert_eq!(
        first[20].as_deref(),
        Some(
            "p|1|Provençal cast-iron coffee mill, no. 3837|/images/cast-iron-3837.jpg|\
             A present for people who have everything 🎁. Usable between −20 °C and 220 °C. \
             Fits into every cupboard that we have tried."
        )
    );
    let products = |rows: &[Option<String>]| {
        let products = rows.iter().flatten().filter(|line| line.starts_with("p|"));
        products.cloned().collect::<Vec<_>>()
    };
    assert_eq!(products(&first), products(&fill(&plan(3, 7))));
}

#[test]
fn bulk_adds_to_existing_rows() {
    let mut session = shop();
    seed::sample_shop(&mut session, "hash").unwrap();
    session
        .batch_execute("DELETE FROM users WHERE id = 2")
        .unwrap();
    let plan = Plan {
        users: 100,
        products: 0,
        cart: 500,
        rng_seed: Some(1),
    };
    for round in 1..=3 {
        bulk(&mut session, &plan).unwrap();
        assert_eq!(count(&mut session, "users"), 4 + 100 * round);
    }
}

#[test]
fn cart_rows_need_users_and_products() {
    let mut session = shop();
    let plan = Plan {
        users: 5,
        cart: 1,
        ..Plan::default()
    };
    let error = bulk(&mut session, &plan).unwrap_err();
    assert!(matches!(error, Error::Missing("products")), "{error}");
    assert_eq!(count(&mut session, "users"), 0);
}

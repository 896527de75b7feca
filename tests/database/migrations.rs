//! Migrations: what they create, adopt, drop and leave alone.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use ecommerce_api::db::check::misfits;
use ecommerce_api::db::migrations::{self, Error};
use ecommerce_api::db::session::Session;

use crate::server::empty_database;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
}

fn tables(session: &mut Session) -> Vec<String> {
    let rows: Vec<Row> = session
        .load(
            "SELECT table_name AS name FROM information_schema.tables \
             WHERE table_schema = DATABASE() ORDER BY BINARY table_name",
        )
        .unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

#[test]
fn the_tables_that_a_run_creates_fit_the_program() {
    let mut session = empty_database().session();
    assert_eq!(
        migrations::run(&mut session).unwrap(),
        ["2026-11-21-000000_baseline"]
    );
    assert_eq!(misfits(&mut session).unwrap(), Vec::<String>::new());
    assert_eq!(migrations::run(&mut session).unwrap(), Vec::<String>::new());
}

#[test]
fn status_only_reads() {
    let mut session = empty_database().session();
    let status = migrations::status(&mut session).unwrap();
    assert_eq!(status.len(), 1);
    assert!(!status[0].applied);
    assert_eq!(tables(&mut session), Vec::<String>::new());
    migrations::run(&mut session).unwrap();
    assert!(migrations::status(&mut session).unwrap()[0].applied);
}

#[test]
fn reverting_drops_empty_tables_and_allows_another_run() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    let reverted = migrations::revert(&mut session, false).unwrap().unwrap();
    assert_eq!(reverted.name, "2026-11-21-000000_baseline");
    let dropped: Vec<&str> = reverted
        .dropped
        .iter()
        .map(|table| table.table.as_str())
        .collect();
    assert_eq!(dropped, ["cart", "products", "users"]);
    assert_eq!(tables(&mut session), ["__diesel_schema_migrations"]);
    assert_eq!(migrations::revert(&mut session, false).unwrap(), None);
    assert_eq!(migrations::run(&mut session).unwrap().len(), 1);
}

#[test]
fn reverting_refuses_to_lose_rows_unless_told_to() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute(
            "INSERT INTO users (email, password) VALUES ('a', 'x'), ('b', 'x');
             INSERT INTO products (title) VALUES ('t');",
        )
        .unwrap();
    let error = migrations::revert(&mut session, false).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cart: 0 rows, products: 1 row, users: 2 rows"),
        "{error}"
    );
    assert_eq!(tables(&mut session).len(), 4);
    let reverted = migrations::revert(&mut session, true).unwrap().unwrap();
    assert_eq!(reverted.dropped[2].rows, 2);
    assert_eq!(tables(&mut session), ["__diesel_schema_migrations"]);
}

#[test]
fn existing_tables_stay_as_they_are_and_are_never_dropped() {
    let mut session = empty_database().session();
    session
        .batch_execute(
            "CREATE TABLE users (
                 id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
                 email VARCHAR(320) CHARACTER SET utf8mb4 NOT NULL UNIQUE,
                 password VARCHAR(255) NOT NULL,
                 role ENUM('USER', 'ADMIN') NOT NULL,
                 created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
             );
             INSERT INTO users (email, password, role) VALUES ('old@example.com', 'plain', 'USER');",
        )
        .unwrap();
    migrations::run(&mut session).unwrap();
    assert_eq!(misfits(&mut session).unwrap(), Vec::<String>::new());

    let reverted = migrations::revert(&mut session, true).unwrap().unwrap();
    assert_eq!(reverted.kept, ["users"]);
    assert_eq!(
        tables(&mut session),
        ["__diesel_schema_migrations", "users"]
    );
}

#[test]
fn an_existing_table_that_cannot_be_referred_to_is_a_clear_error() {
    let mut session = empty_database().session();
    session
        .batch_execute("CREATE TABLE users (id INT PRIMARY KEY) ENGINE = Aria")
        .unwrap();
    let error = migrations::run(&mut session).unwrap_err();
    assert!(matches!(error, Error::Failed(..)));
    let text = error.to_string();
    assert!(text.contains("2026-11-21-000000_baseline failed"), "{text}");
    assert!(
        text.contains("Foreign key constraint is incorrectly formed"),
        "{text}"
    );
    // Not recorded, and mended by running again.
    assert!(!migrations::status(&mut session).unwrap()[0].applied);
    session.batch_execute("DROP TABLE users").unwrap();
    assert_eq!(migrations::run(&mut session).unwrap().len(), 1);
}

#[test]
fn reverting_stops_before_a_table_that_others_refer_to() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute(
            "CREATE TABLE orders (id INT PRIMARY KEY, user_id INT, FOREIGN KEY (user_id) REFERENCES users (id))",
        )
        .unwrap();
    let error = migrations::revert(&mut session, true).unwrap_err();
    assert!(error.to_string().contains("orders -> users"), "{error}");
    assert_eq!(tables(&mut session).len(), 5);
}

#[test]
fn versions_that_another_program_recorded_are_left_alone() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .unwrap();
    assert_eq!(migrations::run(&mut session).unwrap(), Vec::<String>::new());
    assert!(migrations::revert(&mut session, false).unwrap().is_some());
    let versions: Vec<Row> = session
        .load("SELECT version AS name FROM __diesel_schema_migrations")
        .unwrap();
    assert_eq!(versions[0].name, "29990101000000");
}

#[test]
fn processes_that_migrate_at_once_take_turns() {
    let database = empty_database();
    let start = std::sync::Barrier::new(4);
    let applied: usize = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut session = database.session();
                    start.wait();
                    migrations::run(&mut session).unwrap().len()
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(applied, 1);
    assert_eq!(
        misfits(&mut database.session()).unwrap(),
        Vec::<String>::new()
    );
}

//! Migrations: the tables and indexes that they create, adopt, drop and keep.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use ecommerce_api::db::check::{mismatches, warnings};
use ecommerce_api::db::migrations::{self, Error};
use ecommerce_api::db::session::Session;

use crate::server::empty_database;

const BASELINE: &str = "2026-11-21-000000_baseline";
const SEARCH: &str = "2026-11-25-000000_search";
const KEYS: &str = "2026-11-25-120000_idempotency_keys";
const SESSIONS: &str = "2026-11-25-180000_sessions";
const LOGINS: &str = "2026-11-25-190000_login_attempts";

/// Reverts the four newest migrations, which drop no table of the shop.
fn revert_search(session: &mut Session) {
    for name in [LOGINS, SESSIONS, KEYS, SEARCH] {
        let reverted = migrations::revert(session, false).unwrap().unwrap();
        assert_eq!(reverted.name, name);
        assert!(reverted.dropped.is_empty() && reverted.kept.is_empty());
    }
}

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
        [BASELINE, SEARCH, KEYS, SESSIONS, LOGINS]
    );
    assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new());
    assert_eq!(migrations::run(&mut session).unwrap(), Vec::<String>::new());
}

#[test]
fn status_only_reads() {
    let mut session = empty_database().session();
    let status = migrations::status(&mut session).unwrap();
    assert_eq!(status.len(), 5);
    assert!(status.iter().all(|migration| !migration.applied));
    assert_eq!(tables(&mut session), Vec::<String>::new());
    migrations::run(&mut session).unwrap();
    let status = migrations::status(&mut session).unwrap();
    assert!(status.iter().all(|migration| migration.applied));
}

#[test]
fn reverting_drops_empty_tables_and_allows_another_run() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    revert_search(&mut session);
    let reverted = migrations::revert(&mut session, false).unwrap().unwrap();
    assert_eq!(reverted.name, BASELINE);
    let dropped: Vec<&str> = reverted
        .dropped
        .iter()
        .map(|table| table.table.as_str())
        .collect();
    assert_eq!(dropped, ["cart", "products", "users"]);
    assert_eq!(tables(&mut session), ["__diesel_schema_migrations"]);
    assert_eq!(migrations::revert(&mut session, false).unwrap(), None);
    assert_eq!(migrations::run(&mut session).unwrap().len(), 5);
}

#[test]
fn reverting_drops_tables_with_rows_only_if_that_is_allowed() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute(
            "INSERT INTO users (email, password) VALUES ('a', 'x'), ('b', 'x');
             INSERT INTO products (title) VALUES ('t');",
        )
        .unwrap();
    revert_search(&mut session);
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
    assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new());

    revert_search(&mut session);
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
    // The failed migration is not recorded, and can be run again.
    assert!(!migrations::status(&mut session).unwrap()[0].applied);
    session.batch_execute("DROP TABLE users").unwrap();
    assert_eq!(migrations::run(&mut session).unwrap().len(), 5);
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
    revert_search(&mut session);
    let error = migrations::revert(&mut session, true).unwrap_err();
    assert!(error.to_string().contains("orders -> users"), "{error}");
    assert_eq!(tables(&mut session).len(), 5);
}

#[test]
fn versions_that_another_program_recorded_are_kept() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .unwrap();
    assert_eq!(migrations::run(&mut session).unwrap(), Vec::<String>::new());
    revert_search(&mut session);
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
    assert_eq!(applied, 5);
    assert_eq!(
        mismatches(&mut database.session()).unwrap(),
        Vec::<String>::new()
    );
}

/// The names of the indexes for searching and sorting.
fn search_indexes(session: &mut Session) -> Vec<String> {
    let rows: Vec<Row> = session
        .load(
            "SELECT DISTINCT CONCAT(table_name, '.', index_name) AS name \
             FROM information_schema.statistics \
             WHERE table_schema = DATABASE() AND column_name IN ('title', 'role') ORDER BY 1",
        )
        .unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

/// Creates a table of products as another program may have done.
fn products(session: &mut Session, title: &str, rest: &str) {
    let text = format!(
        "CREATE TABLE products (id INT AUTO_INCREMENT PRIMARY KEY, title {title} NOT NULL,
             image_url VARCHAR(500), description TEXT{rest} CHARACTER SET utf8mb4"
    );
    session.batch_execute(&text).unwrap();
}

#[test]
fn the_indexes_for_searching_are_created_and_dropped_by_their_migration() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    let all = [
        "products.products_title",
        "users.users_role",
        "users.users_role_email",
    ];
    assert_eq!(search_indexes(&mut session), all);
    assert_eq!(warnings(&mut session).unwrap(), Vec::<String>::new());
    revert_search(&mut session);
    assert_eq!(search_indexes(&mut session), Vec::<String>::new());
    let warned = warnings(&mut session).unwrap();
    assert_eq!(warned.len(), 3, "{warned:?}");
    assert!(warned[0].starts_with("products.title: "), "{warned:?}");
    assert!(warned[1].starts_with("idempotency_keys: "), "{warned:?}");
    assert!(warned[2].starts_with("auth_sessions, "), "{warned:?}");
    assert_eq!(
        migrations::run(&mut session).unwrap(),
        [SEARCH, KEYS, SESSIONS, LOGINS]
    );
    assert_eq!(search_indexes(&mut session), all);
}

#[test]
fn an_existing_index_that_serves_is_kept_and_never_dropped() {
    let mut session = empty_database().session();
    products(
        &mut session,
        "VARCHAR(255)",
        ", KEY by_title (title, id)) ENGINE = InnoDB",
    );
    migrations::run(&mut session).unwrap();
    let all = [
        "products.by_title",
        "users.users_role",
        "users.users_role_email",
    ];
    assert_eq!(search_indexes(&mut session), all);
    revert_search(&mut session);
    assert_eq!(search_indexes(&mut session), ["products.by_title"]);
}

#[test]
fn an_index_in_which_another_column_follows_the_title_does_not_serve() {
    let mut session = empty_database().session();
    let rest = ", KEY by_title (title, image_url)) ENGINE = InnoDB";
    products(&mut session, "VARCHAR(255)", rest);
    let warned = warnings(&mut session).unwrap();
    let is_of_titles = |line: &String| line.starts_with("products.title");
    assert!(warned.iter().any(is_of_titles), "{warned:?}");
    migrations::run(&mut session).unwrap();
    let indexes = search_indexes(&mut session);
    assert!(
        indexes.contains(&"products.products_title".to_owned()),
        "{indexes:?}"
    );
    assert_eq!(warnings(&mut session).unwrap(), Vec::<String>::new());
}

#[test]
fn an_existing_index_of_the_same_name_is_kept() {
    let mut session = empty_database().session();
    products(
        &mut session,
        "VARCHAR(255)",
        ", KEY products_title (title(10))) ENGINE = InnoDB",
    );
    migrations::run(&mut session).unwrap();
    assert_eq!(
        warnings(&mut session).unwrap().len(),
        1,
        "an index on a part of the title does not serve"
    );
    revert_search(&mut session);
    assert_eq!(search_indexes(&mut session), ["products.products_title"]);
}

#[test]
fn titles_that_no_index_can_hold_cause_a_warning() {
    for (title, rest) in [
        ("TEXT", ") ENGINE = InnoDB"),
        ("VARCHAR(1000)", ") ENGINE = InnoDB"),
        ("VARCHAR(255)", ") ENGINE = InnoDB ROW_FORMAT = COMPACT"),
    ] {
        let mut session = empty_database().session();
        products(&mut session, title, rest);
        migrations::run(&mut session).unwrap();
        let others = ["users.users_role", "users.users_role_email"];
        assert_eq!(search_indexes(&mut session), others, "{title}");
        assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new());
        let warnings = warnings(&mut session).unwrap();
        assert!(warnings[0].starts_with("products.title: no index that"));
    }
}

#[test]
fn existing_tables_of_the_same_names_as_those_of_keys_and_logins_are_kept() {
    let mut session = empty_database().session();
    let names = ["idempotency_keys", "auth_login_attempts"];
    for name in names {
        let create = format!("CREATE TABLE {name} (id INT PRIMARY KEY)");
        session.batch_execute(&create).unwrap();
    }
    migrations::run(&mut session).unwrap();
    revert_search(&mut session);
    let tables = tables(&mut session);
    for name in names {
        assert!(tables.contains(&name.to_owned()), "{tables:?}");
    }
}

#[test]
fn existing_tables_of_the_same_names_as_those_of_sessions_are_kept() {
    let mut session = empty_database().session();
    let names = [
        "auth_ended_sessions",
        "auth_refresh_tokens",
        "auth_sessions",
    ];
    for name in names {
        session
            .batch_execute(&format!("CREATE TABLE {name} (id INT PRIMARY KEY)"))
            .unwrap();
    }
    migrations::run(&mut session).unwrap();
    revert_search(&mut session);
    let tables = tables(&mut session);
    for name in names {
        assert!(tables.contains(&name.to_owned()), "{tables:?}");
    }
}

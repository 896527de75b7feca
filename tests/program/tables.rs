//! The subcommands `migrate`, `check` and `seed` with `DATABASE_URL`.

use crate::database::Database;
use crate::process::{Outcome, run};

const BASELINE: &str = "2026-11-21-000000_baseline";
const SEARCH: &str = "2026-11-25-000000_search";
const KEYS: &str = "2026-11-25-120000_idempotency_keys";
const SESSIONS: &str = "2026-11-25-180000_sessions";
const LOGINS: &str = "2026-11-25-190000_login_attempts";

fn on(database: &Database, arguments: &[&str]) -> Outcome {
    run(arguments, &[database.setting()])
}

#[test]
fn migrating_and_reverting() {
    let database = Database::empty("migrating");
    let on = |arguments: &[&str]| on(&database, arguments);
    let names = [BASELINE, SEARCH, KEYS, SESSIONS, LOGINS];
    // The first migrations are applied, and the others pending.
    let status = |applied: usize| {
        let lines = names.iter().enumerate().map(|(index, name)| {
            let state = if index < applied {
                "applied"
            } else {
                "pending"
            };
            format!("{state}  {name}\n")
        });
        let expected: String = lines.collect();
        assert_eq!(on(&["migrate", "status"]).success(), expected);
    };
    status(0);
    let applied: String = names.map(|name| format!("applied {name}\n")).concat();
    assert_eq!(on(&["migrate", "run"]).success(), applied);
    status(5);
    let idle = "nothing to do: every migration is applied\n";
    assert_eq!(on(&["migrate", "run"]).success(), idle);
    let fits = on(&["check"]).success();
    assert!(fits.ends_with("database migrating fit\n"), "{fits}");
    assert_eq!(fits.lines().count(), 1, "no warning: {fits}");

    let logins = format!("reverted {LOGINS}\n");
    assert_eq!(on(&["migrate", "revert"]).success(), logins);
    status(4);

    let sessions = format!("reverted {SESSIONS}\n");
    assert_eq!(on(&["migrate", "revert"]).success(), sessions);
    status(3);
    let warned = on(&["check"]).success();
    assert!(warned.starts_with("warning: auth_sessions, "), "{warned}");
    assert!(warned.ends_with("database migrating fit\n"), "{warned}");

    let keys = format!("reverted {KEYS}\n");
    assert_eq!(on(&["migrate", "revert"]).success(), keys);
    status(2);
    let warned = on(&["check"]).success();
    assert!(
        warned.starts_with("warning: idempotency_keys: there is no such table"),
        "{warned}"
    );
    assert!(warned.ends_with("database migrating fit\n"), "{warned}");

    let search = format!("reverted {SEARCH}\n");
    assert_eq!(on(&["migrate", "revert"]).success(), search);
    status(1);
    let warned = on(&["check"]).success();
    assert!(
        warned.starts_with("warning: products.title: no index"),
        "{warned}"
    );
    assert!(warned.ends_with("database migrating fit\n"), "{warned}");

    assert_eq!(
        on(&["migrate", "revert"]).success(),
        format!(
            "reverted {BASELINE}\ndropped cart: 0 rows\ndropped products: 0 rows\ndropped users: 0 rows\n"
        )
    );
    status(0);
    let idle = "nothing to do: no migration is applied\n";
    assert_eq!(on(&["migrate", "revert"]).success(), idle);
}

#[test]
fn reverting_drops_tables_with_rows_only_with_the_flag() {
    let database = Database::empty("reverting");
    let on = |arguments: &[&str]| on(&database, arguments);
    on(&["migrate", "run"]).success();
    on(&["seed", "--users", "2", "--products=1", "--cart=3"]).success();
    for _ in [LOGINS, SESSIONS, KEYS, SEARCH] {
        on(&["migrate", "revert"]).success();
    }
    let message = on(&["migrate", "revert"]).failure(1);
    let counts = "cart: 3 rows, products: 1 row, users: 2 rows";
    assert!(message.contains(counts), "{message}");
    assert!(message.contains("--drop-tables"), "{message}");
    assert_eq!(database.number("(SELECT COUNT(*) FROM cart)"), 3);

    let report = on(&["migrate", "revert", "--drop-tables"]).success();
    assert!(report.contains("dropped users: 2 rows\n"), "{report}");
    let message = on(&["check"]);
    assert_eq!(message.stdout.matches("the table is missing").count(), 3);
    message.failure(1);
}

#[test]
fn tables_that_no_migration_created_stay() {
    let database = Database::empty("adopting");
    let on = |arguments: &[&str]| on(&database, arguments);
    database.execute(
        "CREATE TABLE products (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL,
             image_url VARCHAR(500), description TEXT)
             ENGINE = InnoDB CHARACTER SET utf8mb4;
         INSERT INTO products (title) VALUES ('Oldest teapot')",
    );
    on(&["migrate", "run"]).success();
    on(&["check"]).success();
    for _ in [LOGINS, SESSIONS, KEYS, SEARCH] {
        on(&["migrate", "revert"]).success();
    }
    let report = on(&["migrate", "revert", "--drop-tables"]).success();
    assert!(
        report.contains("kept products, which was there before\n"),
        "{report}"
    );
    assert!(report.contains("dropped users"), "{report}");
    assert_eq!(database.number("(SELECT COUNT(*) FROM products)"), 1);
}

#[test]
fn checking_prints_one_line_for_each_mismatch() {
    let database = Database::empty("checking");
    on(&database, &["migrate", "run"]).success();
    database.execute(
        "ALTER TABLE products MODIFY title VARCHAR(100) NOT NULL;
         ALTER TABLE users DROP COLUMN role",
    );
    let outcome = on(&database, &["check"]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{outcome:?}");
    assert!(lines[0].starts_with("users.role"), "{outcome:?}");
    assert!(lines[1].starts_with("products.title"), "{outcome:?}");
    let message = outcome.failure(1);
    assert!(message.contains("do not fit in 2 places"), "{message}");
}

#[test]
fn seeding_adds_the_requested_rows() {
    let database = Database::empty("seeding");
    on(&database, &["migrate", "run"]).success();
    let plan = [
        "seed",
        "--users=20",
        "--products=30",
        "--cart=40",
        "--rng-seed=7",
    ];
    let report = on(&database, &plan).success();
    let expected = "added 20 users, 30 products and 40 cart items to ";
    assert!(report.starts_with(expected), "{report}");
    let counts = ["users", "products", "cart"]
        .map(|table| database.number(&format!("(SELECT COUNT(*) FROM {table})")));
    assert_eq!(counts, [20, 30, 40]);
    let hashed = "(SELECT COUNT(*) FROM users WHERE password LIKE '$argon2id$%')";
    assert_eq!(database.number(hashed), 20);
}

#[test]
fn seeding_needs_tables() {
    let database = Database::empty("seeding_nothing");
    let message = on(&database, &["seed", "--users=1"]).failure_in_lines(1);
    assert!(
        message.contains("\n  users: the table is missing"),
        "{message}"
    );
    assert!(message.contains("migrate run"), "{message}");
}

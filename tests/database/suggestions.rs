//! The SQL that the check suggests, run on data that it could harm, in a session whose settings let
//! the server cut and replace values: nothing stored may change.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use ecommerce_api::db::check::{mismatches, warnings};
use ecommerce_api::db::migrations;
use ecommerce_api::db::session::Session;

use crate::check::suggestion;
use crate::server::empty_database;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    value: String,
}

#[derive(QueryableByName)]
struct Created {
    #[diesel(sql_type = Text, column_name = "Create Table")]
    value: String,
}

/// What happens when a suggestion is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The tables fit.
    Repaired,
    /// The server rejects the statement.
    Rejected,
    /// There is no statement, but a sentence with this text.
    Said(&'static str),
}
use Outcome::{Rejected, Repaired, Said};

/// New tables with two rows each, which are then changed.
fn changed(change: &str) -> Session {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute(
            "INSERT INTO users (email, password, role) VALUES
                 ('ada@example.com', 'x', 'ADMIN'), ('größe@example.com', 'y', 'USER');
             INSERT INTO products (title, image_url, description) VALUES
                 ('Größe 🎁', '/ö.jpg', 'schön'), ('名前', NULL, NULL);
             INSERT INTO cart (user_id, product_id) VALUES (1, 1), (2, 2);
             SET SESSION sql_mode = '', foreign_key_checks = 0",
        )
        .unwrap();
    session
        .batch_execute(change)
        .unwrap_or_else(|error| panic!("{change}: {error}"));
    session
}

/// Every value of the three tables, as text.
fn values(session: &mut Session) -> Vec<String> {
    let columns: Vec<Row> = session
        .load(
            "SELECT CONCAT('SELECT COALESCE(CONVERT(`', column_name, '` USING utf8mb4), ''NULL'') \
                 AS value FROM ', table_name, ' ORDER BY CAST(id AS SIGNED)') AS value
             FROM information_schema.columns WHERE table_schema = DATABASE()
               AND table_name IN ('users', 'products', 'cart')
             ORDER BY table_name, column_name",
        )
        .unwrap();
    let values = columns.into_iter().flat_map(|query| {
        let values: Vec<Row> = session.load(&query.value).unwrap();
        values.into_iter().map(|row| row.value)
    });
    values.collect()
}

fn created(session: &mut Session, table: &str) -> String {
    let created: Vec<Created> = session.load(&format!("SHOW CREATE TABLE {table}")).unwrap();
    created.into_iter().next().unwrap().value
}

/// Runs a suggestion in a lax session, and asserts the outcome and that no value has changed.
fn assert_harmless(session: &mut Session, change: &str, line: &str, outcome: Outcome) {
    let before = values(session);
    assert!(before.len() > 12, "{change}: {before:?}");
    match (outcome, suggestion(line)) {
        (Said(text), None) => {
            assert!(line.contains(text), "{change}\n  {line}");
            assert!(!line.contains("ALTER"), "{change}\n  {line}");
        }
        (Repaired | Rejected, Some(sql)) => {
            session
                .batch_execute("SET SESSION sql_mode = '', foreign_key_checks = 0")
                .unwrap();
            let result = session.batch_execute(sql);
            assert_eq!(
                result.is_ok(),
                outcome == Repaired,
                "{change}\n  {sql}\n  {result:?}"
            );
        }
        _ => panic!("{change}\n  {line}"),
    }
    assert_eq!(values(session), before, "{change}\n  {line}");
}

/// Applies each change to tables with rows. It has to cause one line, with this beginning, whose
/// suggestion has the outcome, and leaves these texts in the definition of the table.
fn assert_each_is_harmless(cases: &[(&str, &str, Outcome, &[&str])]) {
    for (change, expected, outcome, kept) in cases {
        let mut session = changed(change);
        let found = mismatches(&mut session).unwrap();
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{change}\n  expected {expected}\n  found {found:#?}"
        );
        assert_harmless(&mut session, change, &found[0], *outcome);
        let table = expected.split(['.', ':']).next().unwrap();
        let definition = created(&mut session, table);
        for text in *kept {
            assert!(
                definition.contains(text),
                "{change}\n  {text} in {definition}"
            );
        }
        if *outcome == Repaired {
            let left = mismatches(&mut session).unwrap();
            assert_eq!(left, Vec::<String>::new(), "{change}");
        }
    }
}

#[test]
fn no_suggestion_narrows_a_column_or_loses_an_attribute() {
    assert_each_is_harmless(&[
        (
            "ALTER TABLE products MODIFY description LONGTEXT COLLATE utf8mb4_bin NOT NULL COMMENT 'it''s\nlong';
             UPDATE products SET description = REPEAT('🎁', 100000)",
            "products.description: NOT NULL",
            Repaired,
            &["`description` longtext", "COLLATE utf8mb4_bin", r"COMMENT 'it''s\nlong'"],
        ),
        (
            "ALTER TABLE products MODIFY description LONGBLOB COMMENT 'keep';
             UPDATE products SET description = REPEAT('d', 100000)",
            "products.description: longblob",
            Repaired,
            &["`description` longtext", "COMMENT 'keep'"],
        ),
        (
            "ALTER TABLE products MODIFY description BLOB; UPDATE products SET description = X'C3'",
            "products.description: blob",
            Rejected,
            &["`description` blob"],
        ),
        (
            "ALTER TABLE products DROP INDEX products_title, MODIFY title VARBINARY(1000) NOT NULL;
             UPDATE products SET title = REPEAT('x', 900)",
            "products.title: varbinary(1000)",
            Repaired,
            &["`title` varchar(1000)"],
        ),
        (
            "ALTER TABLE products MODIFY title CHAR(255) COLLATE utf8mb4_bin NOT NULL DEFAULT 'Ding' COMMENT 'keep'",
            "products.title: char(255)",
            Repaired,
            &["varchar(255)", "COLLATE utf8mb4_bin", "NOT NULL DEFAULT 'Ding' COMMENT 'keep'"],
        ),
        (
            "ALTER TABLE products DEFAULT CHARACTER SET latin1,
                 MODIFY title VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL CHECK (title <> '')",
            "products.title: varchar(100)",
            Repaired,
            &["CHARACTER SET utf8mb4", "CHECK (`title` <> '')"],
        ),
        (
            "ALTER TABLE users DEFAULT CHARACTER SET latin1,
                 ADD name VARCHAR(20) CHARACTER SET utf8mb4 NOT NULL COMMENT 'keep';
             UPDATE users SET name = '名前'",
            "users.name: NOT NULL without a default",
            Repaired,
            &["`name` varchar(20) CHARACTER SET utf8mb4", "COMMENT 'keep'"],
        ),
        (
            "ALTER TABLE users MODIFY password BLOB NOT NULL; UPDATE users SET password = REPEAT('x', 300)",
            "users.password: blob",
            Repaired,
            &["`password` text", "NOT NULL"],
        ),
        (
            "ALTER TABLE cart MODIFY id DECIMAL(20) COMMENT 'keep'",
            "cart.id: decimal(20,0)",
            Repaired,
            &["`id` bigint(20) NOT NULL AUTO_INCREMENT COMMENT 'keep'"],
        ),
        (
            "ALTER TABLE cart MODIFY id DECIMAL(10,2); UPDATE cart SET id = 1.75 WHERE id = 1",
            "cart.id: decimal(10,2)",
            Said("no statement converts it without a possible loss"),
            &["decimal(10,2)"],
        ),
    ]);
}

#[test]
fn a_suggestion_keeps_to_the_limits_of_the_row_format() {
    assert_each_is_harmless(&[
        (
            "ALTER TABLE users DROP INDEX users_role_email, ROW_FORMAT = COMPACT, MODIFY email VARCHAR(100) NOT NULL",
            "users.email: varchar(100)",
            Repaired,
            &["`email` varchar(255)", "ROW_FORMAT=DYNAMIC"],
        ),
        (
            "ALTER TABLE products MODIFY image_url VARCHAR(100), ADD notes VARCHAR(15800)",
            "products.image_url: varchar(100)",
            Repaired,
            &["`image_url` text"],
        ),
    ]);
}

#[test]
fn values_that_a_repair_would_replace_are_named_before() {
    assert_each_is_harmless(&[
        (
            "ALTER TABLE users MODIFY role ENUM('ADMIN', 'USER', 'GUEST') NOT NULL; UPDATE users SET role = 'GUEST' WHERE id = 2",
            "users.role: enum('ADMIN','USER','GUEST')",
            Said("1 row has a role that is neither ADMIN nor USER"),
            &["'GUEST'"],
        ),
        (
            "ALTER TABLE users MODIFY role ENUM('GUEST', 'USER', 'ADMIN') NOT NULL DEFAULT 'GUEST' COMMENT 'keep'",
            "users.role: enum('GUEST','USER','ADMIN')",
            Repaired,
            &["enum('ADMIN','USER') NOT NULL COMMENT 'keep'"],
        ),
        (
            "ALTER TABLE users MODIFY role VARCHAR(20) NOT NULL; UPDATE users SET role = 'MANAGER'",
            "users.role: varchar(20)",
            Said("2 rows have a role that is neither ADMIN nor USER"),
            &["`role` varchar(20)"],
        ),
        (
            "ALTER TABLE users MODIFY role VARCHAR(20) NULL DEFAULT 'USER'; UPDATE users SET role = NULL WHERE id = 1",
            "users.role: varchar(20)",
            Said("1 row has NULL there"),
            &["`role` varchar(20)"],
        ),
        // What a careless conversion leaves: a role that is an empty text.
        (
            "UPDATE users SET role = 'GUEST' WHERE id = 2",
            "users.role: 1 row has a role that is neither ADMIN nor USER",
            Said("SELECT * FROM users WHERE role = ''"),
            &[],
        ),
        (
            "ALTER TABLE users MODIFY password VARCHAR(255) NULL; UPDATE users SET password = NULL WHERE id = 2",
            "users.password: nullable",
            Said("1 row has NULL there"),
            &[],
        ),
        (
            "ALTER TABLE products COMMENT = '', MODIFY description LONGTEXT; UPDATE products SET description = REPEAT('d', 20000)",
            "products.description: a row has 20000 characters",
            Said("shorten it: SELECT * FROM products"),
            &[],
        ),
        (
            "ALTER TABLE users DROP INDEX users_email; UPDATE users SET email = 'ada@example.com'",
            "users.email: no unique index",
            Rejected,
            &[],
        ),
    ]);
}

#[test]
fn a_foreign_key_is_suggested_only_where_one_is_possible() {
    let free = "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_1;";
    assert_each_is_harmless(&[
        (
            &format!("{free} INSERT INTO cart (user_id, product_id) VALUES (77, 1)"),
            "cart.user_id: no foreign key to users.id",
            Said("1 row refers to no row of users"),
            &[],
        ),
        (
            &format!(
                "{free} ALTER TABLE users MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT;
                      ALTER TABLE cart MODIFY user_id INT NOT NULL COMMENT 'keep'"
            ),
            "cart.user_id: no foreign key to users.id",
            Repaired,
            &["`user_id` bigint(20) unsigned NOT NULL COMMENT 'keep'"],
        ),
        (
            &format!("{free} ALTER TABLE cart MODIFY user_id BIGINT NOT NULL"),
            "cart.user_id: no foreign key to users.id",
            Said("both have to have the wider one first"),
            &["`user_id` bigint(20)"],
        ),
        (
            &format!(
                "{free} ALTER TABLE cart ADD CONSTRAINT k FOREIGN KEY (user_id) REFERENCES users (id) ON UPDATE CASCADE"
            ),
            "cart.user_id: foreign key ON DELETE RESTRICT",
            Repaired,
            &["ON DELETE CASCADE ON UPDATE CASCADE"],
        ),
    ]);
    let mut session =
        changed("RENAME TABLE users TO people; CREATE VIEW users AS SELECT DISTINCT * FROM people");
    assert_eq!(
        mismatches(&mut session).unwrap(),
        [
            "users: is a view that is not updatable, so that nothing can be stored through it",
            "cart.user_id: no foreign key to users.id is possible: see users"
        ]
    );
}

#[test]
fn ids_past_the_contract_s_are_said_to_be_beyond_repair() {
    let mut session = changed(
        "ALTER TABLE cart MODIFY id BIGINT NOT NULL AUTO_INCREMENT;
         INSERT INTO cart (id, user_id, product_id) VALUES (3000000000, 1, 1)",
    );
    let found = mismatches(&mut session).unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("cart.id: there is a row 3000000000"),
        "{found:#?}"
    );
    assert!(found[0].contains("No statement repairs that"), "{found:#?}");
    assert!(found[1].contains("no statement lowers it"), "{found:#?}");
    assert!(
        found.iter().all(|line| suggestion(line).is_none()),
        "{found:#?}"
    );
}

/// The server gives a row with the id 0 a new one when the column becomes `AUTO_INCREMENT`.
#[test]
fn the_id_0_is_kept_when_a_column_becomes_auto_increment() {
    let change = "ALTER TABLE cart MODIFY id INT NOT NULL; UPDATE cart SET id = 0 WHERE id = 1";
    let mut session = changed(change);
    let found = mismatches(&mut session).unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("cart.id: must be AUTO_INCREMENT"),
        "{found:#?}"
    );
    assert!(
        found[1].starts_with("cart.id: there is a row 0"),
        "{found:#?}"
    );
    assert_harmless(&mut session, change, &found[0], Repaired);
}

#[test]
fn a_column_that_lacks_characters_is_a_warning_whose_sql_keeps_every_value() {
    for (change, column, kept) in [
        (
            "UPDATE products SET title = 'Größe'; ALTER TABLE products
                 MODIFY title VARCHAR(255) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL DEFAULT 'ä' COMMENT 'keep'",
            "products.title: character set latin1",
            &["`title` varchar(255)", "NOT NULL DEFAULT 'ä' COMMENT 'keep'"][..],
        ),
        (
            "UPDATE products SET title = 'Größe', description = REPEAT('ü', 16000);
             ALTER TABLE products MODIFY description TEXT CHARACTER SET latin1 COLLATE latin1_bin, COMMENT = ''",
            "products.description: character set latin1",
            &["`description` mediumtext", "utf8mb4_bin"],
        ),
        (
            "ALTER TABLE users DROP INDEX users_role_email, ROW_FORMAT = COMPACT,
                 MODIFY email VARCHAR(255) CHARACTER SET utf8mb3 NOT NULL",
            "users.email: character set utf8mb3",
            &["ROW_FORMAT=DYNAMIC"],
        ),
    ] {
        let mut session = changed(change);
        assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new(), "{change}");
        let warnings = warnings(&mut session).unwrap();
        let line = warnings.iter().find(|line| line.starts_with(column));
        let line = line.unwrap_or_else(|| panic!("{change}\n  {warnings:#?}"));
        assert_harmless(&mut session, change, line, Repaired);
        let definition = created(&mut session, column.split('.').next().unwrap());
        for text in kept {
            assert!(definition.contains(text), "{text} in {definition}");
        }
    }
}

//! The check of the tables: tables that fit, and every rule broken once.

use ecommerce_api::db::check::mismatches;
use ecommerce_api::db::migrations;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};
use ecommerce_api::db::schema::{cart, products, users};

use crate::server::empty_database;

/// Applies each change to new tables, and asserts that it causes exactly the expected line.
fn assert_each_change_is_one_mismatch(changes: &[(&str, &str)]) {
    for (change, expected) in changes {
        let mut session = empty_database().session();
        migrations::run(&mut session).unwrap();
        session
            .batch_execute(change)
            .unwrap_or_else(|error| panic!("{change}: {error}"));
        let found = mismatches(&mut session).unwrap();
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{change}\n  expected {expected}\n  found {found:#?}"
        );
        assert!(!found[0].contains('\n'));
        // The SQL in the line repairs the mismatch.
        if let Some(repair) = suggestion(&found[0]) {
            session
                .batch_execute(repair)
                .unwrap_or_else(|error| panic!("{change}\n  {repair}: {error}"));
            assert_eq!(
                mismatches(&mut session).unwrap(),
                Vec::<String>::new(),
                "{change}"
            );
        }
    }
}

/// The statements that a line of the check suggests.
pub fn suggestion(line: &str) -> Option<&str> {
    let (_, repair) = line.split_once(": SET SESSION ")?;
    let start = line.len() - repair.len() - "SET SESSION ".len();
    Some(&line[start..])
}

#[test]
fn an_empty_database_misses_all_tables() {
    let found = mismatches(&mut empty_database().session()).unwrap();
    assert_eq!(
        found,
        ["users", "products", "cart"].map(|table| format!(
            "{table}: the table is missing; `ecommerce-api migrate run` creates it"
        ))
    );
}

#[test]
fn tables_must_be_tables_of_innodb() {
    assert_each_change_is_one_mismatch(&[
        (
            "DROP TABLE cart; CREATE VIEW cart AS SELECT 1 AS id",
            "cart: is a view that is not updatable",
        ),
        (
            "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_1, DROP FOREIGN KEY cart_ibfk_2; DROP TABLE cart",
            "cart: the table is missing",
        ),
    ]);
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute(
            "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_1, DROP FOREIGN KEY cart_ibfk_2;
             ALTER TABLE cart ENGINE = Aria;",
        )
        .unwrap();
    let found = mismatches(&mut session).unwrap();
    assert!(
        found[0].starts_with("cart: engine Aria; must be InnoDB"),
        "{found:#?}"
    );
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn columns_must_exist_with_types_that_hold_what_the_contract_allows() {
    assert_each_change_is_one_mismatch(&[
        (
            "ALTER TABLE products DROP title",
            "products.title: the column is missing; needed: VARCHAR(255)",
        ),
        (
            "ALTER TABLE products MODIFY title VARCHAR(254) NOT NULL",
            "products.title: varchar(254), for 254 characters; must hold 255",
        ),
        (
            "ALTER TABLE products MODIFY title CHAR(255) NOT NULL",
            "products.title: char(255); must be VARCHAR",
        ),
        (
            "ALTER TABLE products MODIFY title VARBINARY(1000) NOT NULL",
            "products.title: varbinary(1000); must be text",
        ),
        (
            "ALTER TABLE products MODIFY image_url VARCHAR(255)",
            "products.image_url: varchar(255), for 255",
        ),
        (
            "ALTER TABLE products MODIFY description VARCHAR(1000)",
            "products.description: varchar(1000), for 1000",
        ),
        (
            "ALTER TABLE products MODIFY description TINYTEXT",
            "products.description: tinytext, for 63",
        ),
        (
            "ALTER TABLE users MODIFY email VARCHAR(100) NOT NULL",
            "users.email: varchar(100), for 100",
        ),
        (
            "ALTER TABLE users MODIFY password CHAR(96) NOT NULL",
            "users.password: char(96); must be text of 97",
        ),
        (
            "ALTER TABLE users MODIFY password BLOB NOT NULL",
            "users.password: blob; must be text of 97",
        ),
        (
            "ALTER TABLE users MODIFY role VARCHAR(5) NOT NULL",
            "users.role: varchar(5); must be ENUM",
        ),
        (
            "ALTER TABLE users MODIFY role ENUM('ADMIN', 'USER', 'GUEST') NOT NULL",
            "users.role: enum('ADMIN','USER','GUEST'); must be ENUM",
        ),
        (
            "ALTER TABLE users MODIFY role ENUM('ADMIN') NOT NULL",
            "users.role: enum('ADMIN'); must be",
        ),
        (
            "ALTER TABLE users MODIFY role ENUM('admin', 'user') NOT NULL",
            "users.role: enum('admin','user'); must be",
        ),
        (
            "ALTER TABLE cart MODIFY id DECIMAL(10)",
            "cart.id: decimal(10,0); must be an integer",
        ),
    ]);
}

#[test]
fn nullability_defaults_and_generation_must_suit_inserts() {
    assert_each_change_is_one_mismatch(&[
        (
            "ALTER TABLE users MODIFY password VARCHAR(255) NULL",
            "users.password: nullable; must be NOT NULL",
        ),
        (
            "ALTER TABLE products MODIFY description TEXT NOT NULL",
            "products.description: NOT NULL; must be nullable",
        ),
        (
            "ALTER TABLE cart MODIFY user_id INT NULL",
            "cart.user_id: nullable; must be NOT NULL",
        ),
        (
            "ALTER TABLE products DROP image_url, ADD image_url VARCHAR(500) AS (title) VIRTUAL",
            "products.image_url: is generated",
        ),
        (
            "ALTER TABLE products MODIFY id INT NOT NULL",
            "products.id: must be AUTO_INCREMENT",
        ),
        (
            "ALTER TABLE products ADD price DECIMAL(8,2) NOT NULL",
            "products.price: NOT NULL without a default",
        ),
    ]);
}

#[test]
fn foreign_keys_and_unique_indexes_must_fit() {
    assert_each_change_is_one_mismatch(&[
        (
            "ALTER TABLE users DROP INDEX users_email",
            "users.email: no unique index on it alone",
        ),
        (
            "ALTER TABLE users DROP INDEX users_email, ADD UNIQUE (email, role)",
            "users.email: no unique index on it alone",
        ),
        (
            "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_2",
            "cart.product_id: no foreign key to products.id",
        ),
        (
            "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_1, ADD CONSTRAINT k FOREIGN KEY (user_id) REFERENCES users (id)",
            "cart.user_id: foreign key ON DELETE RESTRICT; must be ON DELETE CASCADE",
        ),
        (
            "ALTER TABLE cart ADD UNIQUE once (user_id, product_id)",
            "cart: unique index once on user_id, product_id would reject",
        ),
        (
            "ALTER TABLE products ADD UNIQUE one_title (title(10))",
            "products: unique index one_title on title",
        ),
        (
            "ALTER TABLE products ADD sku INT NOT NULL DEFAULT 0, ADD UNIQUE one_sku (sku)",
            "products: unique index one_sku on sku",
        ),
    ]);
    // A table without a primary key, with an ordinary index instead, since AUTO_INCREMENT needs an
    // index.
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute("ALTER TABLE cart DROP PRIMARY KEY, ADD INDEX (id)")
        .unwrap();
    let found = mismatches(&mut session).unwrap();
    assert_eq!(
        found,
        [
            "cart.id: no unique index on it alone: SET SESSION sql_mode = \
          'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', \
          foreign_key_checks = 1, unique_checks = 1; ALTER TABLE cart ADD PRIMARY KEY (id)"
        ]
    );
}

#[test]
fn stored_ids_and_texts_must_be_within_the_contract() {
    let free = "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_2; ALTER TABLE cart MODIFY product_id BIGINT NOT NULL;
                ALTER TABLE products MODIFY id BIGINT NOT NULL AUTO_INCREMENT;
                ALTER TABLE cart ADD FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE;";
    let adopted = "ALTER TABLE products COMMENT = '';";
    assert_each_change_is_one_mismatch(&[
        (
            &format!("{free} ALTER TABLE products AUTO_INCREMENT = 3000000000"),
            "products.id: the next one would be 3000000000",
        ),
        (
            "INSERT INTO products (id, title) VALUES (-5, 't')",
            "products.id: there is a row -5",
        ),
        (
            &format!(
                "{free} INSERT INTO products (id, title) VALUES (3000000000, 't'); DELETE FROM products; INSERT INTO products (id, title) VALUES (1, 't')"
            ),
            "products.id: the next one would be 3000000001",
        ),
        (
            &format!(
                "{adopted} ALTER TABLE products MODIFY title VARCHAR(300) NOT NULL; INSERT INTO products (title) VALUES ('t'), (REPEAT('ü', 256))"
            ),
            "products.title: a row has 256 characters, more than the contract's 255",
        ),
        (
            &format!(
                "{adopted} INSERT INTO products (title, description) VALUES ('t', REPEAT('d', 16384))"
            ),
            "products.description: a row has 16384 characters",
        ),
    ]);
}

#[test]
fn a_trigger_that_sets_ids_fits_where_the_server_returns_the_stored_rows() {
    let mut session = empty_database().session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute(
            "CREATE TRIGGER own_ids BEFORE INSERT ON cart FOR EACH ROW SET NEW.id = NEW.user_id",
        )
        .unwrap();
    assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new());
}

#[test]
fn additions_of_an_existing_shop_fit() {
    for change in [
        "ALTER TABLE products ADD price DECIMAL(8,2) NULL, ADD stock INT NOT NULL DEFAULT 0,
         ADD made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, ADD upper_title VARCHAR(255) AS (UPPER(title)) STORED",
        "ALTER TABLE products ADD sku VARCHAR(20) NULL, ADD UNIQUE (sku), ADD UNIQUE (id, title), ADD INDEX (title)",
        "ALTER TABLE products MODIFY title VARCHAR(1000) NOT NULL, MODIFY image_url TEXT, MODIFY description LONGTEXT, COMMENT = ''",
        "ALTER TABLE products COMMENT = ''; INSERT INTO products (title, description) VALUES (REPEAT('🎁', 255), REPEAT('🎁', 16383))",
        "ALTER TABLE users MODIFY password CHAR(97) CHARACTER SET ascii NOT NULL, ADD UNIQUE (email, role)",
        "ALTER TABLE users MODIFY role ENUM('USER', 'ADMIN') NOT NULL",
        "ALTER TABLE users DROP INDEX users_email, DROP PRIMARY KEY, ADD UNIQUE (id), ADD PRIMARY KEY (email)",
        "ALTER TABLE cart MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT",
        "ALTER TABLE cart MODIFY id SMALLINT NOT NULL AUTO_INCREMENT",
        "CREATE TRIGGER t BEFORE INSERT ON products FOR EACH ROW SET NEW.title = TRIM(NEW.title)",
    ] {
        let mut session = empty_database().session();
        migrations::run(&mut session).unwrap();
        session
            .batch_execute(&format!("SET foreign_key_checks = 0; {change}"))
            .unwrap_or_else(|error| panic!("{change}: {error}"));
        assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new(), "{change}");
    }
}

/// The check accepts these types, so the driver that serves requests must read and write them.
#[tokio::test]
async fn columns_of_every_accepted_type_are_read_and_written() {
    for id in [
        "TINYINT",
        "SMALLINT UNSIGNED",
        "MEDIUMINT",
        "INT UNSIGNED",
        "BIGINT",
        "BIGINT UNSIGNED",
    ] {
        let database = tokio::task::spawn_blocking(empty_database).await.unwrap();
        let url = database.url.clone();
        let tables = format!(
            "CREATE TABLE users (id {id} AUTO_INCREMENT PRIMARY KEY, email MEDIUMTEXT NOT NULL UNIQUE,
                 password CHAR(100) CHARACTER SET latin1 NOT NULL, role ENUM('USER', 'ADMIN') NOT NULL) CHARACTER SET utf8mb4;
             CREATE TABLE products (id {id} AUTO_INCREMENT PRIMARY KEY, title VARCHAR(300) NOT NULL,
                 image_url TEXT, description LONGTEXT) CHARACTER SET utf8mb4;"
        );
        let found = tokio::task::spawn_blocking(move || {
            let mut session = database.session();
            session.batch_execute(&tables).unwrap();
            migrations::run(&mut session).unwrap();
            mismatches(&mut session).unwrap()
        });
        assert_eq!(found.await.unwrap(), Vec::<String>::new(), "{id}");

        let connection = mysql_async::Conn::new(url.async_opts()).await.unwrap();
        let mut connection = AsyncMysqlConnection::try_from(connection).await.unwrap();
        diesel::insert_into(users::table)
            .values((
                users::email.eq("a@example.com"),
                users::password.eq("$argon2id$…".replace('…', "hash")),
                users::role.eq(diesel::dsl::sql("'ADMIN'")),
            ))
            .execute(&mut connection)
            .await
            .unwrap();
        diesel::insert_into(products::table)
            .values((
                products::title.eq("Crêpe 🎁"),
                products::description.eq("d"),
            ))
            .execute(&mut connection)
            .await
            .unwrap();
        diesel::insert_into(cart::table)
            .values((cart::user_id.eq(1), cart::product_id.eq(1)))
            .execute(&mut connection)
            .await
            .unwrap();
        let row: (
            i32,
            i32,
            i32,
            String,
            String,
            Option<String>,
            Option<String>,
        ) = cart::table
            .inner_join(users::table)
            .inner_join(products::table)
            .filter(users::id.eq(1))
            .select((
                cart::id,
                users::id,
                products::id,
                users::email,
                products::title,
                products::image_url,
                products::description,
            ))
            .first(&mut connection)
            .await
            .unwrap();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            row,
            (
                1,
                1,
                1,
                text("a@example.com"),
                text("Crêpe 🎁"),
                None,
                Some(text("d"))
            ),
            "{id}"
        );
    }
}

//! Tables under other names: in another letter case, and behind views.

use ecommerce_api::db::cart::NewCartItem;
use ecommerce_api::db::check::mismatches;
use ecommerce_api::db::session::Session;
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::users::{self, NewUser, Role, UserChanges};
use ecommerce_api::db::{Database, ListRange, Order, migrations};
use ecommerce_api::error::{Conflict, Error};
use futures_util::TryStreamExt;

use crate::check::suggestion;
use crate::server::{SERVER, empty_database};

fn changed(change: &str) -> (Session, DatabaseUrl) {
    let database = empty_database();
    let mut session = database.session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute(change)
        .unwrap_or_else(|error| panic!("{change}: {error}"));
    (session, database.url)
}

#[test]
fn a_table_in_another_letter_case_is_named_with_both_ways_out() {
    for way in ["RENAME TABLE", "CREATE VIEW"] {
        let (mut session, _) = changed("RENAME TABLE products TO Products");
        let found = mismatches(&mut session).unwrap();
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].starts_with(
            "products: the table is missing, but there is Products, and this server \
             distinguishes letter case: RENAME TABLE `Products` TO products (or, "
        ));
        let (_, rest) = found[0].split_once(way).unwrap();
        let end = rest.find([')', '(']).unwrap();
        let sql = format!("{way}{}", &rest[..end]);
        session.batch_execute(&sql).unwrap();
        let left = mismatches(&mut session).unwrap();
        assert_eq!(left, Vec::<String>::new(), "{sql}");
    }
}

/// People of another program, behind a view with the names of this one.
const PEOPLE: &str = "DROP TABLE cart; DROP TABLE users;
    CREATE TABLE people (uid INT AUTO_INCREMENT PRIMARY KEY, `e mail` VARCHAR(255) NOT NULL UNIQUE,
        pass VARCHAR(255) NOT NULL, rank ENUM('ADMIN', 'USER') NOT NULL, email INT NULL);
    CREATE VIEW users AS
        SELECT p.uid AS id, p.`e mail` AS email, p.pass AS password, p.rank AS role FROM people p;
    CREATE TABLE cart (id INT AUTO_INCREMENT PRIMARY KEY, user_id INT NOT NULL, product_id INT NOT NULL,
        FOREIGN KEY (user_id) REFERENCES people (uid) ON DELETE CASCADE,
        FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE)";

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_plain_columns_of_one_table_is_served() {
    let url = tokio::task::spawn_blocking(|| {
        let (mut session, url) = changed(PEOPLE);
        assert_eq!(mismatches(&mut session).unwrap(), Vec::<String>::new());
        session
            .batch_execute("INSERT INTO products (title) VALUES ('Pot')")
            .unwrap();
        url
    });
    let db = Database::new(&url.await.unwrap().async_opts(), 2, 1);
    let new = |email: &str| NewUser {
        email: email.into(),
        password: "hash".into(),
        role: Role::User,
    };
    let user = db.create_user(new("ada@example.com")).await.unwrap();
    assert_eq!((user.id, user.email.as_str()), (1, "ada@example.com"));
    let twice = db.create_user(new("ada@example.com")).await;
    assert!(matches!(twice, Err(Error::Conflict(Conflict::EmailTaken))));
    let changes = UserChanges {
        role: Some(Role::Admin),
        ..UserChanges::default()
    };
    db.update_user(1, changes, None).await.unwrap();
    let item = NewCartItem {
        user_id: 1,
        product_id: 1,
    };
    assert_eq!(db.add_to_cart(item).await.unwrap().1.role, Role::Admin);
    let filter = users::Filter {
        email: Some("ada@example.com".into()),
        ..users::Filter::default()
    };
    let mut conn = db.list_connection().await.unwrap();
    let list = users::list(&mut conn, &filter, Order::default(), ListRange::After(0));
    let rows: Vec<_> = list.await.unwrap().rows.try_collect().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(db.delete_user(1, None).await.unwrap(), 1);
}

#[test]
fn what_is_wrong_behind_a_view_is_found_and_repaired_in_the_table() {
    for (change, expected) in [
        (
            "ALTER TABLE people MODIFY `e mail` VARCHAR(100) NOT NULL COMMENT 'keep'",
            "users.email: varchar(100), for 100 characters",
        ),
        (
            "ALTER TABLE people DROP INDEX `e mail`",
            "users.email: no unique index",
        ),
        (
            "ALTER TABLE people ADD born DATE NOT NULL",
            "users.born: NOT NULL without a default",
        ),
        (
            "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_1",
            "cart.user_id: no foreign key to users.id",
        ),
    ] {
        let (mut session, _) = changed(PEOPLE);
        session.batch_execute(change).unwrap();
        let found = mismatches(&mut session).unwrap();
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{change}: {found:#?}"
        );
        let sql = suggestion(&found[0]).unwrap();
        session
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(
            mismatches(&mut session).unwrap(),
            Vec::<String>::new(),
            "{change}"
        );
    }
}

#[test]
fn a_view_that_cannot_be_served_is_refused_with_the_reason() {
    for (view, reason) in [
        ("SELECT * FROM goods LIMIT 5", "is not updatable"),
        (
            "SELECT * FROM goods WHERE id > 0",
            "with a WHERE a new row could be invisible",
        ),
        (
            "SELECT id, CONCAT(title) AS title, image_url, description FROM goods",
            "an expression is not writable",
        ),
        (
            "SELECT * FROM more_goods",
            "of the view more_goods; must be a view of a table",
        ),
    ] {
        let (mut session, _) = changed(&format!(
            "RENAME TABLE products TO goods; CREATE VIEW more_goods AS SELECT * FROM goods;
             CREATE VIEW products AS {view}"
        ));
        let found = mismatches(&mut session).unwrap();
        assert!(found[0].starts_with("products: is a view "), "{found:#?}");
        assert!(found[0].contains(reason), "{found:#?}");
    }
}

#[test]
fn a_view_whose_definition_is_hidden_names_the_right_that_is_missing() {
    let (mut session, url) =
        changed("RENAME TABLE products TO goods; CREATE VIEW products AS SELECT * FROM goods");
    let name = url.database();
    let clerk = format!("clerk_{name}");
    session
        .batch_execute(&format!("CREATE USER {clerk}"))
        .unwrap();
    for table in ["users", "products", "cart"] {
        let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.{table} TO {clerk}");
        session.batch_execute(&grant).unwrap();
    }
    let socket = SERVER.directory.join("sock");
    let url = format!(
        "mysql://{clerk}@localhost/{name}?socket={}",
        socket.display()
    );
    let url = DatabaseUrl::parse(&url).unwrap();
    let check = || {
        let mut clerk = ecommerce_api::db::session::connect(&url).unwrap();
        mismatches(&mut clerk).unwrap()
    };
    assert!(check()[0].contains("GRANT SHOW VIEW ON products"));
    session
        .batch_execute(&format!("GRANT SHOW VIEW ON {name}.products TO {clerk}"))
        .unwrap();
    assert!(
        check()[0].contains("of goods, which this user cannot see in this database: GRANT SELECT")
    );
    session
        .batch_execute(&format!("GRANT SELECT ON {name}.goods TO {clerk}"))
        .unwrap();
    assert_eq!(check(), Vec::<String>::new());
}

//! A database user that has rights on single tables only.

use ecommerce_api::db::cart::NewCartItem;
use ecommerce_api::db::check::{mismatches, warnings};
use ecommerce_api::db::products::NewProduct;
use ecommerce_api::db::session::{self, Session};
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::users::{self, NewUser, Role, UserChanges};
use ecommerce_api::db::{Database, ListRange, Order, Scope, migrations};
use futures_util::TryStreamExt;

use crate::server::{SERVER, empty_database};

/// Migrated tables, and a user with these rights on each of the three tables.
fn shop(user: &str) -> (Session, DatabaseUrl) {
    let database = empty_database();
    let mut root = database.session();
    migrations::run(&mut root).unwrap();
    let name = database.url.database();
    root.batch_execute(&format!("CREATE USER {user}")).unwrap();
    for table in ["users", "products", "cart"] {
        let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.{table} TO {user}");
        root.batch_execute(&grant).unwrap();
    }
    let socket = SERVER.directory.join("sock");
    let url = format!(
        "mysql://{user}@localhost/{name}?socket={}",
        socket.display()
    );
    (root, DatabaseUrl::parse(&url).unwrap())
}

#[test]
fn a_user_with_rights_on_the_three_tables_can_check_them() {
    let (mut root, url) = shop("checker");
    let mut session = session::connect(&url).unwrap();
    let fits = Vec::<String>::new();
    assert_eq!(mismatches(&mut session).unwrap(), fits);
    let [keys, sessions] = &warnings(&mut session).unwrap()[..] else {
        panic!("two warnings");
    };
    assert!(keys.starts_with("idempotency_keys: "), "{keys}");
    assert!(sessions.starts_with("auth_sessions, "), "{sessions}");
    for table in [
        "idempotency_keys",
        "auth_sessions",
        "auth_refresh_tokens",
        "auth_ended_sessions",
        "auth_login_attempts",
    ] {
        root.batch_execute(&format!("GRANT SELECT ON {table} TO checker"))
            .unwrap();
    }
    assert_eq!(warnings(&mut session).unwrap(), fits);
    // The check sees what is wrong, too.
    root.batch_execute(
        "ALTER TABLE cart DROP FOREIGN KEY cart_ibfk_1, DROP FOREIGN KEY cart_ibfk_2,
         ADD CONSTRAINT lax FOREIGN KEY (product_id) REFERENCES products (id)",
    )
    .unwrap();
    let found = mismatches(&mut session).unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("cart.user_id: no foreign key to users.id"));
    assert!(found[1].starts_with("cart.product_id: foreign key ON DELETE"));
}

#[test]
fn nothing_pending_needs_no_right_but_to_read_the_record() {
    let (mut root, url) = shop("migrator");
    let mut session = session::connect(&url).unwrap();
    let error = migrations::run(&mut session).unwrap_err().to_string();
    assert!(
        error.contains("needs SELECT on the table __diesel_schema_migrations"),
        "{error}"
    );
    let name = url.database();
    root.batch_execute(&format!(
        "GRANT SELECT ON {name}.__diesel_schema_migrations TO migrator"
    ))
    .unwrap();
    let mut session = session::connect(&url).unwrap();
    assert_eq!(migrations::run(&mut session).unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_rights_on_the_three_tables_can_serve() {
    let (_root, url) = tokio::task::spawn_blocking(|| shop("server"))
        .await
        .unwrap();
    let db = Database::new(&url.async_opts(), 2, 1);
    let user = db
        .create_user(NewUser {
            email: "ada@example.com".into(),
            password: "hash".into(),
            role: Role::User,
        })
        .await
        .unwrap();
    let changes = UserChanges {
        role: Some(Role::Admin),
        ..UserChanges::default()
    };
    db.update_user(user.id, changes, None).await.unwrap();
    let product = db
        .create_product(NewProduct {
            title: "Kettle".into(),
            image_url: None,
            description: None,
        })
        .await
        .unwrap();
    let item = NewCartItem {
        user_id: user.id,
        product_id: product.id,
    };
    let (item, ..) = db.add_to_cart(item).await.unwrap();
    assert_eq!(
        db.cart_item(item.id, Scope::Everyone).await.unwrap().1.role,
        Role::Admin
    );
    let mut conn = db.list_connection().await.unwrap();
    let filter = users::Filter::default();
    let list = users::list(&mut conn, &filter, Order::default(), ListRange::After(0));
    let rows: Vec<_> = list.await.unwrap().rows.try_collect().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(db.clear_cart(user.id).await.unwrap(), 1);
    assert_eq!(db.delete_product(product.id, None).await.unwrap(), 0);
    assert_eq!(db.delete_user(user.id, None).await.unwrap(), 0);
}

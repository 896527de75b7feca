//! A server with hostile settings: the service overrides them in each of its sessions.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use ecommerce_api::db::products::{self, NewProduct, ProductChanges};
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::{Connection, Database, ListRange, Order, migrations, session};
use ecommerce_api::error::Error;
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

use crate::server::own_server;

/// The options of the server. Each sets a global variable, whose value is the default of new sessions.
const HOSTILE: [&str; 17] = [
    "--autocommit=0",
    "--completion-type=RELEASE",
    "--sql-mode=ANSI_QUOTES,NO_AUTO_VALUE_ON_ZERO,PAD_CHAR_TO_FULL_LENGTH",
    "--transaction-isolation=READ-UNCOMMITTED",
    "--transaction-read-only=1",
    "--sql-safe-updates=1",
    "--max-join-size=1",
    "--max-error-count=0",
    "--innodb-lock-wait-timeout=1000",
    "--lock-wait-timeout=100000",
    "--net-write-timeout=1",
    "--max-statement-time=0.5",
    "--character-set-server=latin1",
    "--skip-character-set-client-handshake",
    "--default-time-zone=+13:00",
    "--lc-messages=de_DE",
    "--group-concat-max-len=4",
];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
}

#[test]
fn a_server_with_hostile_settings_works_like_any_other() {
    let server = own_server("hostile", &HOSTILE);
    server.sql(
        "mysql",
        "SET SESSION tx_read_only = 0; SET GLOBAL sql_select_limit = 3; SET GLOBAL foreign_key_checks = 0;
         SET GLOBAL unique_checks = 0; CREATE DATABASE shop",
    );
    let socket = server.directory.join("sock");
    let url = format!("mysql://root@localhost/shop?socket={}", socket.display());
    let url = DatabaseUrl::parse(&url).unwrap();
    let mut root = session::connect(&url).unwrap();
    migrations::run(&mut root).unwrap();
    root.batch_execute("INSERT INTO products (title) SELECT 'Pot' FROM seq_1_to_10")
        .unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let db = Database::new(&url.async_opts(), 1, 1);
        let kettle = NewProduct {
            title: "Kessel 炒鍋".into(),
            image_url: None,
            description: None,
        };
        let id = db.create_product(kettle).await.unwrap().id;
        let changes = ProductChanges {
            description: Some(Some("schön".into())),
            ..ProductChanges::default()
        };
        db.update_product(id, changes, None).await.unwrap();
        // The change is committed: another session sees it.
        let other = Database::new(&url.async_opts(), 1, 1);
        let seen = other.product(id).await.unwrap();
        assert_eq!(seen.description.as_deref(), Some("schön"));
        let missing = db.product(id + 1).await;
        assert!(matches!(missing, Err(Error::NotFound("Product"))));

        let mut conn = db.list_connection().await.unwrap();
        let filter = products::Filter::default();
        let list = products::list(&mut conn, &filter, Order::default(), ListRange::After(0));
        let rows: Vec<_> = list.await.unwrap().rows.try_collect().await.unwrap();
        assert_eq!(rows.len(), 11, "every row, whatever sql_select_limit is");
        for (variable, expected) in [
            ("autocommit", "ON"),
            ("completion_type", "NO_CHAIN"),
            ("sql_mode", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"),
            ("tx_isolation", "REPEATABLE-READ"),
            ("tx_read_only", "OFF"),
            ("foreign_key_checks", "ON"),
            ("unique_checks", "ON"),
            ("sql_big_selects", "ON"),
            ("sql_safe_updates", "OFF"),
            ("max_error_count", "64"),
            ("innodb_lock_wait_timeout", "5"),
            ("lock_wait_timeout", "5"),
            ("net_write_timeout", "600"),
            ("max_statement_time", "0.000000"),
            ("character_set_client", "utf8mb4"),
            ("character_set_connection", "utf8mb4"),
            ("character_set_results", "utf8mb4"),
            ("time_zone", "+00:00"),
        ] {
            assert_eq!(value(&mut conn, variable).await, expected, "{variable}");
        }
    });
    let rows: Vec<Row> = root
        .load("SELECT CONCAT(@@sql_mode, ' ', @@max_statement_time) AS name")
        .unwrap();
    assert_eq!(
        rows[0].name,
        "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION 0.000000"
    );
}

async fn value(conn: &mut Connection, variable: &str) -> String {
    let query = format!(
        "SELECT variable_value AS name FROM information_schema.session_variables
         WHERE variable_name = '{variable}'"
    );
    let rows = diesel_async::RunQueryDsl::load::<Row>(diesel::sql_query(query), conn);
    rows.await.unwrap()[0].name.clone()
}

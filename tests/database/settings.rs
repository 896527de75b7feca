//! A server with hostile settings: the service overrides them in each of its sessions.

use std::collections::BTreeSet;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use ecommerce_api::db::cart::NewCartItem;
use ecommerce_api::db::check;
use ecommerce_api::db::products::{self, NewProduct, ProductChanges};
use ecommerce_api::db::session::Session;
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::users::{NewUser, Role};
use ecommerce_api::db::{
    Connection, Database, Known, List, ListRange, Order, Page, Scope, migrations, session,
};
use ecommerce_api::error::{Conflict, Error};
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

use crate::server::{Server, own_server};

/// Every variable that a session inherits from the server and that could change what the statements
/// of this program mean, with a value that does.
const WRONG: &[(&str, &str)] = &[
    ("autocommit", "0"),
    ("auto_increment_increment", "7"),
    ("auto_increment_offset", "3"),
    ("alter_algorithm", "'INSTANT'"),
    ("big_tables", "1"),
    ("character_set_client", "'latin1'"),
    ("character_set_connection", "'latin1'"),
    ("character_set_results", "'latin1'"),
    ("character_set_server", "'latin1'"),
    ("check_constraint_checks", "0"),
    ("collation_connection", "'latin1_german2_ci'"),
    ("completion_type", "'RELEASE'"),
    ("default_regex_flags", "'EXTENDED'"),
    ("default_storage_engine", "'Aria'"),
    ("default_tmp_storage_engine", "'Aria'"),
    ("default_week_format", "5"),
    ("div_precision_increment", "0"),
    ("explicit_defaults_for_timestamp", "0"),
    ("foreign_key_checks", "0"),
    ("group_concat_max_len", "4"),
    ("idle_readonly_transaction_timeout", "1"),
    ("idle_transaction_timeout", "1"),
    ("idle_write_transaction_timeout", "1"),
    ("innodb_lock_wait_timeout", "1000"),
    ("innodb_snapshot_isolation", "1"),
    ("innodb_strict_mode", "0"),
    ("innodb_table_locks", "0"),
    ("interactive_timeout", "1"),
    ("lc_messages", "'de_DE'"),
    ("lc_time_names", "'de_DE'"),
    ("lock_wait_timeout", "100000"),
    ("low_priority_updates", "1"),
    ("max_error_count", "0"),
    ("max_join_size", "1"),
    ("max_recursive_iterations", "0"),
    ("max_sort_length", "64"),
    ("max_statement_time", "0.5"),
    ("net_read_timeout", "1"),
    ("net_write_timeout", "1"),
    ("old_mode", "'ZERO_DATE_TIME_CAST'"),
    ("sql_auto_is_null", "1"),
    ("sql_big_selects", "0"),
    ("sql_buffer_result", "1"),
    ("sql_if_exists", "1"),
    (
        "sql_mode",
        "'ANSI_QUOTES,NO_AUTO_VALUE_ON_ZERO,PAD_CHAR_TO_FULL_LENGTH,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'",
    ),
    ("sql_notes", "0"),
    ("sql_quote_show_create", "0"),
    ("sql_safe_updates", "1"),
    ("sql_select_limit", "3"),
    ("sql_warnings", "1"),
    ("standard_compliant_cte", "0"),
    ("system_versioning_asof", "'2001-01-01 00:00:00'"),
    ("time_zone", "'+13:00'"),
    ("tx_isolation", "'READ-UNCOMMITTED'"),
    ("tx_read_only", "1"),
    ("unique_checks", "0"),
    ("updatable_views_with_limit", "'NO'"),
    ("wait_timeout", "1"),
];

/// Why the other variables cannot change what a statement means. A name that ends in `*` stands for
/// all that begin so.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "decides how a statement is executed and what that costs",
        &[
            "analyze_*",
            "aria_*",
            "bulk_insert_buffer_size",
            "column_compression_*",
            "deadlock_*",
            "eq_range_index_dive_limit",
            "expensive_subquery_limit",
            "histogram_*",
            "in_predicate_conversion_threshold",
            "innodb_compression_default",
            "innodb_default_encryption_key_id",
            "innodb_tmpdir",
            "join_*",
            "keep_files_on_create",
            "max_delayed_threads",
            "max_heap_table_size",
            "max_insert_delayed_threads",
            "max_length_for_sort_data",
            "max_rowid_filter_size",
            "max_seeks_for_key",
            "max_tmp_tables",
            "mrr_buffer_size",
            "myisam_*",
            "net_retry_count",
            "optimizer_*",
            "preload_buffer_size",
            "profiling",
            "profiling_history_size",
            "progress_report_time",
            "query_*",
            "range_alloc_block_size",
            "read_*",
            "rowid_merge_buff_size",
            "sort_buffer_size",
            "tcp_nodelay",
            "thread_pool_priority",
            "tmp_*",
            "transaction_*",
            "use_stat_tables",
            "net_buffer_length",
        ],
    ),
    (
        "is about the server's logs and warnings",
        &[
            "log_*",
            "long_query_time",
            "min_examined_row_limit",
            "note_verbosity",
            "slow_query_log",
            "sql_log_off",
        ],
    ),
    (
        "is about replication or a cluster, which are the operator's",
        &[
            "binlog_*",
            "gtid_domain_id",
            "max_relay_log_size",
            "server_id",
            "sql_log_bin",
            "sql_slave_skip_counter",
            "wsrep_*",
        ],
    ),
    (
        "restricts a session as the operator wants",
        &[
            "enforce_storage_engine",
            "max_allowed_packet",
            "max_session_mem_used",
            "max_user_connections",
        ],
    ),
    (
        "is about something that this program does not use: stored routines, full-text indexes, files, \
         history, the old protocol",
        &[
            "character_set_filesystem",
            "innodb_ft_*",
            "max_sp_recursion_depth",
            "old",
            "old_passwords",
            "system_versioning_alter_history",
            "system_versioning_insert_history",
        ],
    ),
    (
        "is derived from another variable or from the database",
        &[
            "character_set_database",
            "collation_database",
            "collation_server",
            "old_alter_table",
            "storage_engine",
        ],
    ),
    (
        "adds to responses what the driver ignores",
        &["session_track_*"],
    ),
];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
}

/// A server on which every variable of [`WRONG`] is set, also by what the server runs at login, and
/// the URL of a user for whom it does so.
fn hostile_server(name: &str, init_connect: &str) -> (Server, DatabaseUrl) {
    let server = own_server(name, &["--skip-character-set-client-handshake"]);
    let assignments = WRONG
        .iter()
        .map(|(variable, value)| format!("GLOBAL {variable} = {value}"));
    let assignments: Vec<String> = assignments.collect();
    let sql = format!(
        "CREATE DATABASE shop; CREATE USER clerk; GRANT ALL ON shop.* TO clerk;
         SET GLOBAL init_connect = '{init_connect}', {}",
        assignments.join(", ")
    );
    server.sql("mysql", &sql);
    let socket = server.directory.join("sock");
    let url = format!("mysql://clerk@localhost/shop?socket={}", socket.display());
    (server, DatabaseUrl::parse(&url).unwrap())
}

#[test]
fn every_variable_of_the_server_is_set_wrongly_or_left_out_for_a_reason() {
    let server = own_server("variables", &[]);
    let socket = server.directory.join("sock");
    let url = format!("mysql://root@localhost/mysql?socket={}", socket.display());
    let mut session = session::connect(&DatabaseUrl::parse(&url).unwrap()).unwrap();
    let version: Vec<Row> = session.load("SELECT VERSION() AS name").unwrap();
    if !version[0].name.starts_with("10.11.") {
        // The variables are those of the server in CI.
        return;
    }
    let variables: Vec<Row> = session
        .load(
            "SELECT LOWER(variable_name) AS name FROM information_schema.system_variables
             WHERE variable_scope = 'SESSION'",
        )
        .unwrap();
    let variables: BTreeSet<String> = variables.into_iter().map(|row| row.name).collect();
    let is_meant = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    let left_out: Vec<&str> = LEFT_OUT
        .iter()
        .flat_map(|(_, names)| *names)
        .copied()
        .collect();
    let wrong: Vec<&str> = WRONG.iter().map(|(name, _)| *name).collect();
    let ways = |name: &str| {
        let lists = [&left_out, &wrong].into_iter();
        let is_in = |list: &&Vec<&str>| list.iter().any(|pattern| is_meant(pattern, name));
        lists.filter(is_in).count()
    };
    let unclear: Vec<_> = variables.iter().filter(|name| ways(name) != 1).collect();
    assert!(
        unclear.is_empty(),
        "must be in one of WRONG and LEFT_OUT: {unclear:?}"
    );
    for pattern in left_out.iter().chain(&wrong) {
        assert!(
            variables.iter().any(|name| is_meant(pattern, name)),
            "{pattern} is no variable of the server"
        );
    }
}

#[test]
fn a_server_with_hostile_settings_works_like_any_other() {
    let (_server, url) = hostile_server("hostile", "SET autocommit = 0, completion_type = 1");
    let mut session = session::connect(&url).unwrap();
    assert_eq!(migrations::run(&mut session).unwrap().len(), 5);
    for lines in [
        check::mismatches(&mut session),
        check::warnings(&mut session),
    ] {
        assert_eq!(lines.unwrap(), Vec::<String>::new());
    }
    session
        .batch_execute(
            "INSERT INTO products (title) SELECT CONCAT(REPEAT('x', 200), seq) FROM seq_10_to_19;
             CREATE TABLE orders (product_id INT, FOREIGN KEY (product_id) REFERENCES products (id)) ENGINE = InnoDB;
             ALTER TABLE products ADD CONSTRAINT honest CHECK (title <> 'Perpetuum mobile')",
        )
        .unwrap();
    assert_session(&mut session);
    let runtime = Runtime::new().unwrap();
    let db = Database::new(&url.async_opts(), 1, 1);
    // With connections of its own: it sees only what is committed.
    let other = Database::new(&url.async_opts(), 1, 1);
    let (user_id, product_id) = runtime.block_on(assert_additions(&db, &other));
    runtime.block_on(assert_lists(&db));
    session
        .batch_execute(&format!("INSERT INTO orders VALUES ({product_id})"))
        .unwrap();
    let delete = runtime.block_on(db.delete_product(product_id, None));
    assert!(matches!(
        delete,
        Err(Error::Conflict(Conflict::HasDependents))
    ));
    session.batch_execute("DELETE FROM orders").unwrap();
    runtime.block_on(async {
        assert_eq!(db.delete_product(product_id, None).await.unwrap(), 1);
        assert_eq!(db.clear_cart(user_id).await.unwrap(), 0);
        assert_eq!(db.delete_user(user_id, None).await.unwrap(), 0);
        let gone = other.user(user_id).await;
        assert!(matches!(gone, Err(Error::NotFound("User"))));
    });
}

/// Adds and changes rows; returns the ids of a user and a product that is in the user's cart.
async fn assert_additions(db: &Database, other: &Database) -> (i32, i32) {
    let new = |title: &str| NewProduct {
        title: title.into(),
        image_url: None,
        description: None,
    };
    let kettle = db.create_product(new("Kessel 炒鍋")).await.unwrap().id;
    let changes = ProductChanges {
        description: Some(Some("schön".into())),
        ..ProductChanges::default()
    };
    db.update_product(kettle, changes, None).await.unwrap();
    let seen = other.product(kettle).await.unwrap();
    assert_eq!(seen.title, "Kessel 炒鍋");
    assert_eq!(seen.description.as_deref(), Some("schön"));
    let missing = db.product(kettle + 1).await;
    assert!(matches!(missing, Err(Error::NotFound("Product"))));
    let rule = db.create_product(new("Perpetuum mobile")).await;
    assert!(matches!(rule, Err(Error::RuleViolated(_))), "{rule:?}");

    let user = |email: &str| NewUser {
        email: email.into(),
        password: "hash".into(),
        role: Role::User,
    };
    let ada = db.create_user(user("ada@example.com")).await.unwrap().id;
    let twice = db.create_user(user("ada@example.com")).await;
    assert!(matches!(twice, Err(Error::Conflict(Conflict::EmailTaken))));
    let item = NewCartItem {
        user_id: ada,
        product_id: kettle,
    };
    let (item, ..) = db.add_to_cart(item).await.unwrap();
    assert_eq!(
        other
            .cart_item(item.id, Scope::Everyone)
            .await
            .unwrap()
            .2
            .id,
        kettle
    );
    let orphan = NewCartItem {
        user_id: ada + 1,
        product_id: kettle,
    };
    let orphan = db.add_to_cart(orphan).await;
    assert!(matches!(
        orphan,
        Err(Error::Conflict(Conflict::UserMissing))
    ));

    (ada, kettle)
}

/// Reads lists in full, and asserts the settings of their connection.
async fn assert_lists(db: &Database) {
    let mut conn = db.list_connection().await.unwrap();
    let filter = products::Filter::default();
    let list = products::list(&mut conn, &filter, Order::default(), ListRange::After(0));
    let rows: Vec<_> = list.await.unwrap().rows.try_collect().await.unwrap();
    assert_eq!(rows.len(), 11, "every row, whatever sql_select_limit is");
    let page = Page { number: 1, size: 8 };
    let by_title = Order {
        by: products::Column::Title,
        is_reversed: true,
    };
    let page = ListRange::Page(page, Known::default());
    let list = products::list(&mut conn, &filter, by_title, page);
    let List { rows, page } = list.await.unwrap();
    assert_eq!(page.map(|(_, total)| total), Some(11));
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    let ends: Vec<&str> = rows
        .iter()
        .map(|row| &row.title[row.title.len() - 2..])
        .collect();
    assert_eq!(ends, ["19", "18", "17", "16", "15", "14", "13", "12"]);
    for (variable, expected) in [
        ("autocommit", "ON"),
        ("completion_type", "NO_CHAIN"),
        ("sql_mode", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"),
        ("tx_isolation", "REPEATABLE-READ"),
        ("tx_read_only", "OFF"),
        ("foreign_key_checks", "ON"),
        ("unique_checks", "ON"),
        ("check_constraint_checks", "ON"),
        ("sql_big_selects", "ON"),
        ("sql_safe_updates", "OFF"),
        ("sql_auto_is_null", "OFF"),
        ("sql_buffer_result", "OFF"),
        ("system_versioning_asof", "DEFAULT"),
        ("max_sort_length", "1024"),
        ("max_error_count", "64"),
        ("innodb_lock_wait_timeout", "5"),
        ("lock_wait_timeout", "5"),
        ("net_write_timeout", "600"),
        ("net_read_timeout", "600"),
        ("wait_timeout", "28800"),
        ("idle_transaction_timeout", "0"),
        ("idle_readonly_transaction_timeout", "0"),
        ("idle_write_transaction_timeout", "0"),
        ("max_statement_time", "0.000000"),
        ("character_set_client", "utf8mb4"),
        ("character_set_connection", "utf8mb4"),
        ("character_set_results", "utf8mb4"),
        ("time_zone", "+00:00"),
    ] {
        assert_eq!(value(&mut conn, variable).await, expected, "{variable}");
    }
}

/// The sessions of migrations and checks have their own limits.
fn assert_session(session: &mut Session) {
    let rows: Vec<Row> = session
        .load(
            "SELECT CONCAT_WS(' ', @@autocommit + 0, @@in_transaction, @@sql_mode, @@max_statement_time,
                 @@lock_wait_timeout, @@wait_timeout, @@time_zone) AS name",
        )
        .unwrap();
    assert_eq!(
        rows[0].name,
        "1 0 STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION 0.000000 60 28800 +00:00"
    );
}

/// A table that keeps its history is read as it is now, whatever time the server's sessions read,
/// and by a session that begins outside of a transaction.
#[test]
fn a_versioned_table_is_read_as_it_is_now() {
    let init_connect = "SET autocommit = 1; START TRANSACTION";
    let (_server, url) = hostile_server("versioned", init_connect);
    let mut session = session::connect(&url).unwrap();
    assert_session(&mut session);
    migrations::run(&mut session).unwrap();
    session
        .batch_execute("ALTER TABLE users ADD SYSTEM VERSIONING")
        .unwrap();
    assert_eq!(
        check::mismatches(&mut session).unwrap(),
        Vec::<String>::new()
    );
    Runtime::new().unwrap().block_on(async {
        let db = Database::new(&url.async_opts(), 1, 1);
        let user = NewUser {
            email: "ada@example.com".into(),
            password: "hash".into(),
            role: Role::User,
        };
        let id = db.create_user(user).await.unwrap().id;
        assert_eq!(db.user(id).await.unwrap().email, "ada@example.com");
    });
}

async fn value(conn: &mut Connection, variable: &str) -> String {
    let query = format!(
        "SELECT variable_value AS name FROM information_schema.session_variables
         WHERE variable_name = '{variable}'"
    );
    let rows = diesel_async::RunQueryDsl::load::<Row>(diesel::sql_query(query), conn);
    rows.await.unwrap()[0].name.clone()
}

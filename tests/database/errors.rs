//! The translation of MySQL's errors, on a server with German messages: only their numbers may
//! decide.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use diesel::QueryableByName;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use ecommerce_api::db::cart::NewCartItem;
use ecommerce_api::db::products::{self, NewProduct};
use ecommerce_api::db::session::Session;
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::users::{self, NewUser, Role, UserChanges};
use ecommerce_api::db::{Database, Known, ListRange, Order, Page, Scope, migrations, session};
use ecommerce_api::deadlines::Limits;
use ecommerce_api::error::{Conflict, Error};
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::server::{Server, own_server};

/// How long a test waits for a condition.
const PATIENCE: Duration = Duration::from_mins(1);

static GERMAN: LazyLock<Server> = LazyLock::new(|| german_server("german", &[]));

fn german_server(name: &str, options: &[&str]) -> Server {
    let mut all = vec!["--lc-messages=de_DE"];
    all.extend(options);
    let server = own_server(name, &all);
    server.sql(
        "mysql",
        "CREATE USER clerk IDENTIFIED BY 'secret'; GRANT ALL ON `test\\_%`.* TO clerk",
    );
    server
}

/// A shop with user 1 and product 1, with a `Database` as an ordinary user and a session as root.
struct Shop {
    runtime: Runtime,
    db: Database,
    root: Session,
    url: DatabaseUrl,
}

impl Shop {
    fn on(server: &Server, name: &str) -> Self {
        let socket = server.directory.join("sock");
        let url = |user: &str| {
            let url = format!(
                "mysql://{user}@localhost/test_{name}?socket={}",
                socket.display()
            );
            DatabaseUrl::parse(&url).unwrap()
        };
        server.sql("mysql", &format!("CREATE DATABASE test_{name}"));
        let mut root = session::connect(&url("root")).unwrap();
        migrations::run(&mut root).unwrap();
        let url = url("clerk:secret");
        let shop = Self {
            runtime: Runtime::new().unwrap(),
            db: Database::new(&url.async_opts(), 8, 2),
            root,
            url,
        };
        let user = shop.db.create_user(new_user("ada@example.com"));
        assert_eq!(shop.runtime.block_on(user).unwrap().id, 1);
        let product = shop.db.create_product(NewProduct {
            title: "Kettle".into(),
            image_url: None,
            description: None,
        });
        assert_eq!(shop.runtime.block_on(product).unwrap().id, 1);
        shop
    }

    fn execute(&mut self, sql: &str) {
        self.root.batch_execute(sql).unwrap();
    }

    fn number(&mut self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let rows: Vec<Row> = self.root.load(sql).unwrap();
        rows[0].number
    }

    /// Starts a change of user 1, and returns when the change waits for a lock that root holds.
    fn change_until_it_waits(&mut self) -> JoinHandle<Result<users::User, Error>> {
        let db = self.db.clone();
        let changes = UserChanges {
            role: Some(Role::Admin),
            ..UserChanges::default()
        };
        let change = self
            .runtime
            .spawn(async move { db.update_user(1, changes, None).await });
        self.eventually("the change waits", |shop| shop.number(WAITING_CHANGES) > 0);
        change
    }

    fn eventually(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "timed out: {what}");
        }
    }

    /// The ids of the clerk's connections that match a condition.
    fn connections(&mut self, condition: &str) -> Vec<i64> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            id: i64,
        }
        let rows: Vec<Row> = self
            .root
            .load(&format!(
                "SELECT id FROM information_schema.processlist
                 WHERE db = DATABASE() AND user = 'clerk' AND {condition}"
            ))
            .unwrap();
        rows.into_iter().map(|row| row.id).collect()
    }
}

const WAITING_CHANGES: &str = "SELECT COUNT(*) AS number FROM information_schema.processlist
     WHERE db = DATABASE() AND info LIKE 'UPDATE%users%' AND user = 'clerk'";

fn new_user(email: &str) -> NewUser {
    NewUser {
        email: email.into(),
        password: "hash".into(),
        role: Role::User,
    }
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, Error>, number: &str) {
    match result {
        Err(Error::Unavailable(cause)) => {
            assert!(cause.to_string().contains(number), "{cause}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_server_s_messages_are_in_german() {
    let mut shop = Shop::on(&GERMAN, "language");
    let error = shop
        .root
        .batch_execute("SELECT * FROM nothing")
        .unwrap_err();
    assert!(error.to_string().contains("existiert nicht"), "{error}");
}

#[test]
fn a_transaction_that_loses_a_deadlock_is_run_again() {
    let mut shop = Shop::on(&GERMAN, "deadlock");
    shop.execute(
        "INSERT INTO cart (user_id, product_id) SELECT 1, 1 FROM seq_1_to_100;
         BEGIN; UPDATE cart SET product_id = 1, user_id = 1; DELETE FROM cart WHERE id > 1",
    );
    let db = shop.db.clone();
    let deletion = shop
        .runtime
        .spawn(async move { db.delete_user(1, None).await });
    // The deletion has locked the user, and waits for a lock on a cart item.
    shop.eventually("the deletion waits", |shop| {
        !shop.connections("info LIKE 'DELETE%cart%'").is_empty()
    });
    let before = shop.number(DEADLOCKS);
    // Root has changed more rows, so that the deletion loses the deadlock.
    shop.execute("SELECT * FROM users WHERE id = 1 FOR UPDATE; COMMIT");
    assert_eq!(shop.runtime.block_on(deletion).unwrap().unwrap(), 1);
    assert!(shop.number(DEADLOCKS) > before, "there was no deadlock");
}

const DEADLOCKS: &str = "SELECT CAST(variable_value AS SIGNED) AS number
     FROM information_schema.global_status WHERE variable_name = 'Innodb_deadlocks'";

#[test]
fn a_mixed_load_with_deadlocks_has_no_internal_error() {
    let mut shop = Shop::on(&GERMAN, "load");
    let before = shop.number(DEADLOCKS);
    shop.eventually("deadlocks happen", |shop| {
        shop.execute(
            "DELETE FROM cart; INSERT IGNORE INTO users (id, email, password, role)
               SELECT seq, CONCAT(seq, '@example.com'), 'x', 'USER' FROM seq_1_to_4;
             INSERT IGNORE INTO products (id, title) SELECT seq, 'Pot' FROM seq_1_to_4;
             INSERT INTO cart (user_id, product_id)
               SELECT u.seq, p.seq FROM seq_1_to_4 u JOIN seq_1_to_4 p",
        );
        let calls: Vec<_> = (0..24)
            .map(|call| {
                let db = shop.db.clone();
                let (id, product_id) = (call % 2 + 1, call % 3 % 2 + 1);
                shop.runtime.spawn(async move {
                    match call / 2 % 4 {
                        0 => db.delete_user(id, None).await.map(drop),
                        1 => db.delete_product(product_id, None).await.map(drop),
                        2 => db.clear_cart(id).await.map(drop),
                        _ => db
                            .add_to_cart(NewCartItem {
                                user_id: id,
                                product_id,
                            })
                            .await
                            .map(drop),
                    }
                })
            })
            .collect();
        for call in calls {
            let result = shop.runtime.block_on(call).unwrap();
            assert!(!matches!(result, Err(Error::Internal(_))), "{result:?}");
        }
        shop.number(DEADLOCKS) > before
    });
}

#[test]
fn a_lock_that_is_held_for_too_long_makes_the_change_unavailable() {
    let mut shop = Shop::on(&GERMAN, "lock");
    shop.execute("BEGIN; UPDATE users SET role = 'USER' WHERE id = 1; DELETE FROM users");
    let change = shop.change_until_it_waits();
    assert_unavailable(shop.runtime.block_on(change).unwrap(), "1205");
    shop.execute("ROLLBACK");
}

#[test]
fn the_limits_of_the_server_follow_from_the_time_that_a_request_may_take() {
    let mut shop = Shop::on(&GERMAN, "limits");
    let limits = Limits::of(Duration::from_secs(4));
    shop.db = Database::with_limits(&shop.url.async_opts(), 8, 2, limits);
    shop.execute("BEGIN; UPDATE users SET role = 'USER' WHERE id = 1; DELETE FROM users");
    let change = shop.change_until_it_waits();
    let settings = sql::<(BigInt, BigInt)>("@@innodb_lock_wait_timeout, @@lock_wait_timeout");
    let settings: (i64, i64) = shop.runtime.block_on(async {
        let mut conn = shop.db.list_connection().await.unwrap();
        let settings = diesel::select(settings);
        diesel_async::RunQueryDsl::get_result(settings, &mut *conn)
            .await
            .unwrap()
    });
    assert_eq!(settings, (2, 2));
    assert_unavailable(shop.runtime.block_on(change).unwrap(), "1205");
    shop.execute("ROLLBACK");
}

#[test]
fn a_statement_that_takes_too_long_says_so() {
    let mut shop = Shop::on(&GERMAN, "slow");
    let limits = Limits::of(Limits::SHORTEST);
    shop.db = Database::with_limits(&shop.url.async_opts(), 8, 2, limits);
    shop.execute("CREATE TRIGGER slow BEFORE INSERT ON users FOR EACH ROW DO SLEEP(60)");
    let user = shop.db.create_user(new_user("eva@example.com"));
    assert_unavailable(shop.runtime.block_on(user), "1969");
}

#[test]
fn a_violated_key_is_a_conflict_with_its_reason() {
    let shop = Shop::on(&GERMAN, "keys");
    let twice = shop.db.create_user(new_user("ada@example.com"));
    let twice = shop.runtime.block_on(twice);
    assert!(matches!(twice, Err(Error::Conflict(Conflict::EmailTaken))));
    let item = NewCartItem {
        user_id: 1,
        product_id: 2,
    };
    let item = shop.runtime.block_on(shop.db.add_to_cart(item));
    assert!(matches!(
        item,
        Err(Error::Conflict(Conflict::ProductMissing))
    ));
}

#[test]
fn a_table_that_is_missing_is_an_internal_error_with_its_number() {
    let mut shop = Shop::on(&GERMAN, "table");
    shop.execute("DROP TABLE cart");
    let results = shop.runtime.block_on(async {
        (
            shop.db.cart_item(1, Scope::Everyone).await.map(drop),
            shop.db.delete_user(1, None).await.map(drop),
        )
    });
    for result in [results.0, results.1] {
        match result {
            Err(Error::Internal(cause)) => {
                let cause = cause.to_string();
                assert!(
                    cause.contains("1146") && cause.contains("existiert"),
                    "{cause}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_connection_or_a_query_that_is_killed_makes_its_request_unavailable_and_no_other() {
    for (kill, number) in [("KILL", "lost"), ("KILL QUERY", "1317")] {
        let mut shop = Shop::on(&GERMAN, &kill.to_lowercase().replace(' ', "_"));
        shop.execute("BEGIN; UPDATE users SET role = 'USER' WHERE id = 1; DELETE FROM users");
        let change = shop.change_until_it_waits();
        let id = shop.connections("info LIKE 'UPDATE%users%'")[0];
        shop.execute(&format!("{kill} {id}"));
        assert_unavailable(shop.runtime.block_on(change).unwrap(), number);
        shop.execute("ROLLBACK");
        for _ in 0..10 {
            let user = shop.runtime.block_on(shop.db.user(1)).unwrap();
            assert_eq!(user.role, Role::User);
        }
    }
}

#[test]
fn a_list_that_is_interrupted_between_its_rows_says_why() {
    let mut shop = Shop::on(&GERMAN, "list");
    shop.execute(
        "INSERT INTO users (email, password, role)
         SELECT CONCAT(seq, REPEAT('x', 200)), 'x', 'USER' FROM seq_1_to_100000",
    );
    let mut conn = shop.runtime.block_on(shop.db.list_connection()).unwrap();
    let (ready, wait) = std::sync::mpsc::channel();
    let (killed, proceed) = std::sync::mpsc::channel::<()>();
    let reading = shop.runtime.spawn(async move {
        let filter = users::Filter::default();
        let list = users::list(&mut conn, &filter, Order::default(), ListRange::After(0));
        let mut rows = list.await?.rows;
        rows.try_next().await?;
        ready.send(()).unwrap();
        tokio::task::block_in_place(|| proceed.recv()).unwrap();
        let error = rows.try_for_each(async |_| Ok(())).await;
        Err::<(), _>(conn.diagnose(error.unwrap_err()).await)
    });
    wait.recv().unwrap();
    let id = shop.connections("info LIKE 'SELECT%users%'")[0];
    shop.execute(&format!("KILL QUERY {id}"));
    killed.send(()).unwrap();
    assert_unavailable(shop.runtime.block_on(reading).unwrap(), "1317");
}

#[test]
fn a_table_that_was_altered_after_a_snapshot_makes_its_page_unavailable() {
    let mut shop = Shop::on(&GERMAN, "altered");
    let page = Page {
        number: 1,
        size: 10,
    };
    let page = ListRange::Page(page, Known::default());
    let mut snapshot = shop.runtime.block_on(shop.db.snapshot()).unwrap();
    let filter = users::Filter::default();
    let users = users::list(&mut snapshot, &filter, Order::default(), page);
    let users = shop
        .runtime
        .block_on(async { users.await?.rows.try_collect::<Vec<_>>().await });
    assert_eq!(users.unwrap().len(), 1);
    shop.execute("ALTER TABLE products ADD COLUMN note TEXT, ALGORITHM=COPY");
    let filter = products::Filter::default();
    let products = products::list(&mut snapshot, &filter, Order::default(), page);
    let error = shop.runtime.block_on(products).err().unwrap();
    let error = shop.runtime.block_on(snapshot.diagnose(error));
    assert_unavailable(Err::<(), _>(error), "1412");
}

#[test]
fn a_server_that_is_read_only_is_unavailable_for_changes_alone() {
    let server = german_server("read-only", &[]);
    let mut shop = Shop::on(&server, "read_only");
    shop.execute("SET GLOBAL read_only = 1");
    let user = shop.db.create_user(new_user("eva@example.com"));
    assert_unavailable(shop.runtime.block_on(user), "1290");
    let item = NewCartItem {
        user_id: 1,
        product_id: 1,
    };
    assert_unavailable(shop.runtime.block_on(shop.db.add_to_cart(item)), "1290");
    assert!(shop.runtime.block_on(shop.db.user(1)).is_ok());
    shop.execute("SET GLOBAL read_only = 0");
    let user = shop.db.create_user(new_user("eva@example.com"));
    assert!(shop.runtime.block_on(user).is_ok());
}

#[test]
fn a_server_without_a_free_connection_is_unavailable_until_there_is_one() {
    let server = german_server("full", &["--max-connections=10"]);
    let shop = Shop::on(&server, "full");
    // With a pool of its own, which has no open connection yet.
    let db = Database::new(&shop.url.async_opts(), 1, 1);
    let mut others = Vec::new();
    while let Ok(session) = session::connect(&shop.url) {
        others.push(session);
    }
    assert_unavailable(shop.runtime.block_on(db.user(1)), "1040");
    drop(others);
    let mut last = Err(Error::NotFound("User"));
    let deadline = Instant::now() + PATIENCE;
    while last.is_err() && Instant::now() < deadline {
        last = shop.runtime.block_on(db.user(1));
    }
    assert_eq!(last.unwrap().id, 1);
}

#[test]
fn a_server_that_restarts_costs_no_more_than_one_request() {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let mut shop = Shop::on(&GERMAN, "restart");
    let rows: Vec<Row> = shop.root.load("SELECT @@lc_messages AS name").unwrap();
    assert_eq!(rows[0].name, "de_DE");
    // Opens several connections, all of which the server then closes at once.
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let db = shop.db.clone();
            let call = async move { db.clear_cart(1).await };
            shop.runtime.spawn(call)
        })
        .collect();
    for call in calls {
        shop.runtime.block_on(call).unwrap().unwrap();
    }
    let ids = shop.connections("TRUE");
    assert!(ids.len() >= 2, "{ids:?}");
    for id in ids {
        shop.execute(&format!("KILL {id}"));
    }
    let results: Vec<_> = (0..10)
        .map(|_| shop.runtime.block_on(shop.db.clear_cart(1)))
        .collect();
    let failed = results.iter().filter(|result| result.is_err()).count();
    assert!(failed <= 1, "{results:?}");
    for result in results {
        assert!(
            matches!(result, Ok(0) | Err(Error::Unavailable(_))),
            "{result:?}"
        );
    }
}

#[test]
fn failed_attempts_to_connect_count_also_if_requests_have_little_time() {
    // A listener that accepts connections and never sends a greeting.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = DatabaseUrl::parse(&format!("mysql://clerk@127.0.0.1:{port}/shop")).unwrap();
    Runtime::new().unwrap().block_on(async {
        let db = Database::with_limits(&url.async_opts(), 1, 1, Limits::of(Limits::SHORTEST));
        for _ in 0..3 {
            assert_unavailable(db.user(1).await, "");
        }
        assert_unavailable(db.user(1).await, "the database is away");
    });
}

#[test]
fn a_busy_pool_and_a_silent_server_are_distinguished() {
    let shop = Shop::on(&GERMAN, "busy");
    // A listener that accepts connections and never sends a greeting.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = DatabaseUrl::parse(&format!("mysql://clerk@127.0.0.1:{port}/shop")).unwrap();
    shop.runtime.block_on(async {
        let silent = Database::new(&url.async_opts(), 1, 1);
        let db = Database::new(&shop.url.async_opts(), 1, 1);
        let _in_use = db.list_connection().await.unwrap();
        let (busy, away) = tokio::join!(db.list_connection(), silent.list_connection());
        assert!(matches!(busy, Err(Error::Busy(_))));
        let away = away.err().map(|error| error.to_string());
        assert!(away.is_some_and(|error| error.contains("connecting took more than 3 s")));
    });
}

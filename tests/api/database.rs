//! The private MariaDB of all tests, with a database for each test.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ecommerce_api::db::migrations;
use ecommerce_api::db::session::{self, Session};
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::embedded::Embedded;

/// The prefix of the names of the databases.
const PREFIX: &str = "test_";

/// The MariaDB server, which stops when the test process ends. Its error messages are in German, so that no
/// test passes because of a message.
static SERVER: LazyLock<Embedded> = LazyLock::new(|| {
    let data_dir = concat!(env!("CARGO_TARGET_TMPDIR"), "/api-tests");
    let server = Embedded::start(data_dir.as_ref()).expect("MariaDB starts");
    drop_old_databases(&server);
    session::connect(&url(&server, "mysql"))
        .expect("the server accepts connections")
        .batch_execute("SET GLOBAL lc_messages = 'de_DE'")
        .expect("the server has German messages");
    server
});

/// Drops the databases of earlier runs that crashed.
fn drop_old_databases(server: &Embedded) {
    #[derive(diesel::QueryableByName)]
    struct Name {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let mut session = session::connect(&url(server, "information_schema"))
        .expect("the server accepts connections");
    let databases: Vec<Name> = session
        .load("SELECT schema_name AS name FROM information_schema.schemata")
        .expect("the server lists its databases");
    for Name { name } in databases
        .iter()
        .filter(|database| database.name.starts_with(PREFIX))
    {
        session
            .batch_execute(&format!("DROP DATABASE `{name}`"))
            .expect("the old database is dropped");
    }
}

fn url(server: &Embedded, database: &str) -> DatabaseUrl {
    DatabaseUrl::parse(&server.url(database)).expect("the URL of the server is valid")
}

/// Creates an empty database with the tables of the shop.
pub fn create() -> DatabaseUrl {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("{PREFIX}{}", COUNT.fetch_add(1, Ordering::Relaxed));
    SERVER
        .create_database(&name)
        .expect("the server creates databases");
    let url = url(&SERVER, &name);
    let mut session = session::connect(&url).expect("the database accepts connections");
    migrations::run(&mut session).expect("the migrations succeed");
    url
}

/// The socket of the server.
pub fn socket() -> &'static Path {
    SERVER.socket()
}

/// The URL of `database` behind a proxy that listens at `socket`.
pub fn url_behind(socket: &Path, database: &str) -> DatabaseUrl {
    let socket = socket.to_str().expect("an ASCII path");
    let url = format!("mysql://root@localhost/{database}?socket={socket}");
    DatabaseUrl::parse(&url).expect("the URL of the proxy is valid")
}

/// The URL of `database` for a user of its own, who may open at most `connections` at a time.
pub fn url_of_user_with(connections: usize, database: &str) -> DatabaseUrl {
    session::connect(&url(&SERVER, database))
        .expect("the database accepts connections")
        .batch_execute(&format!(
            "DROP USER IF EXISTS '{database}'@'localhost';
             CREATE USER '{database}'@'localhost' WITH MAX_USER_CONNECTIONS {connections};
             GRANT ALL ON `{database}`.* TO '{database}'@'localhost'"
        ))
        .expect("the server creates users");
    let socket = socket().to_str().expect("an ASCII path");
    let url = format!("mysql://{database}@localhost/{database}?socket={socket}");
    DatabaseUrl::parse(&url).expect("the URL of the user is valid")
}

/// The ids of the other connections to this database for which `condition` holds.
pub fn connections(session: &mut Session, condition: &str) -> Vec<i64> {
    #[derive(diesel::QueryableByName)]
    struct Connection {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        id: i64,
    }
    let sql = format!(
        "SELECT id FROM information_schema.processlist
         WHERE db = DATABASE() AND id <> CONNECTION_ID() AND {condition}"
    );
    let rows: Vec<Connection> = session
        .load(&sql)
        .expect("the server lists its connections");
    rows.into_iter().map(|row| row.id).collect()
}

/// Every row of the three tables, as text.
pub fn dump(session: &mut Session) -> Vec<String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let rows: Vec<Row> = session
        .load(
            "SELECT JSON_ARRAY('users', id, email, password, role) AS line FROM users
             UNION ALL SELECT JSON_ARRAY('products', id, title, image_url, description) FROM products
             UNION ALL SELECT JSON_ARRAY('cart', id, user_id, product_id) FROM cart
             ORDER BY line",
        )
        .expect("the tables exist");
    rows.into_iter().map(|row| row.line).collect()
}

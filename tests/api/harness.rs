//! What every test stands on: one private MariaDB for all of them, a database of its own for each,
//! the real service on a real socket, and a client that checks every answer against the contract.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ecommerce_api::api::contracts;
use ecommerce_api::api::cors::Cors;
use ecommerce_api::api::hosts::Hosts;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::api::{Settings, service};
use ecommerce_api::db::session::{self, Session};
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::{Database, migrations, seed};
use ecommerce_api::embedded::Embedded;
use ecommerce_api::server::{self, Limits};
use http_body_util::Full;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::common::conformance;
use crate::common::wire::Sent;

pub use crate::answer::{Answer, received_head};

/// The databases of tests, whose leftovers are swept.
const PREFIX: &str = "test_";

/// The one MariaDB. It is stopped when the test process ends, however it ends. It words its errors in
/// German, so that no test passes because of a message.
static SERVER: LazyLock<Embedded> = LazyLock::new(|| {
    let data_dir = concat!(env!("CARGO_TARGET_TMPDIR"), "/api-tests");
    let server = Embedded::start(data_dir.as_ref()).expect("a private MariaDB starts");
    sweep(&server);
    session::connect(&url(&server, "mysql"))
        .expect("it answers")
        .batch_execute("SET GLOBAL lc_messages = 'de_DE'")
        .expect("it has German messages");
    server
});

/// Drops what tests that crashed in an earlier run left behind.
fn sweep(server: &Embedded) {
    #[derive(diesel::QueryableByName)]
    struct Name {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let mut session = session::connect(&url(server, "information_schema")).expect("it answers");
    let databases: Vec<Name> = session
        .load("SELECT schema_name AS name FROM information_schema.schemata")
        .expect("it lists its databases");
    for Name { name } in databases
        .iter()
        .filter(|database| database.name.starts_with(PREFIX))
    {
        session
            .batch_execute(&format!("DROP DATABASE `{name}`"))
            .expect("a leftover goes");
    }
}

fn url(server: &Embedded, database: &str) -> DatabaseUrl {
    DatabaseUrl::parse(&server.url(database)).expect("the server's own URL")
}

/// A shop of one test's own: a fresh database, and the service over it on a real port.
pub struct Shop {
    url: DatabaseUrl,
    /// Where the service listens: `127.0.0.1:port`.
    pub address: String,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    drops_database: bool,
}

impl Shop {
    /// Opens an empty shop.
    pub async fn open() -> Self {
        Self::open_with(Validation::Off).await
    }

    /// Opens an empty shop whose service checks its answers itself.
    pub async fn open_with(validation: Validation) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{PREFIX}{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let url = tokio::task::spawn_blocking(move || {
            SERVER
                .create_database(&name)
                .expect("a database for the test");
            let url = url(&SERVER, &name);
            let mut session = session::connect(&url).expect("a connection to it");
            migrations::run(&mut session).expect("its tables");
            url
        });
        Self::over(url.await.expect("the database is ready"), true, validation).await
    }

    /// Opens the sample shop: users 1 to 5, products 1 to 12 and cart items 1 to 7.
    pub async fn open_sample() -> Self {
        let shop = Self::open().await;
        let filled = shop.sql(|session| seed::sample_shop(session, "a hash"));
        assert!(filled.await.expect("the tables take it"), "it was empty");
        shop
    }

    /// A service whose database is away: nothing listens where it should be.
    pub async fn without_database() -> Self {
        Self::over(
            DatabaseUrl::parse("mysql://nobody@127.0.0.1:1/nowhere").expect("a URL"),
            false,
            Validation::Off,
        )
        .await
    }

    async fn over(url: DatabaseUrl, drops_database: bool, validation: Validation) -> Self {
        let settings = Settings {
            cors: Cors::Any,
            hosts: Hosts::Loopback,
            validation,
        };
        let app = service(&Database::new(&url.async_opts(), 8, 8), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server::serve(listener, app, Limits::default(), async {
            let _ = stopped.await;
        }));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            url,
            address,
            client,
            stop: Some(stop),
            drops_database,
        }
    }

    /// Sends a request and checks the answer, and that of a HEAD also against that of the GET.
    ///
    /// # Panics
    /// When anything is wrong with the answer, whatever was asked for.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        if method == Method::HEAD {
            let (_, head) = self.exchange(&method, path, headers, body.clone()).await;
            let (_, get) = self.exchange(&Method::GET, path, headers, body).await;
            let differences = conformance::head_violations(&head.received(), &get.received());
            assert!(differences.is_empty(), "{path}: {differences:?}");
            return head;
        }
        self.exchange(&method, path, headers, body).await.1
    }

    /// Sends a request whose answer is meant to have a body that strays from the contract.
    ///
    /// # Panics
    /// When the body does not stray, or anything else does.
    pub async fn send_stray(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let (sent, answer) = self.request(&method, path, headers, body).await;
        let violations = conformance::violations(&sent, &answer.received());
        assert!(!violations.is_empty(), "{path} does not stray");
        for violation in violations {
            assert!(violation.starts_with("body"), "{path}: {violation}");
        }
        answer
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (Sent, Answer) {
        let (sent, answer) = self.request(method, path, headers, body).await;
        conformance::check(&sent, &answer.received());
        if let Some(operation) = contracts::find(method.as_str(), sent.path()) {
            let mut reached = REACHED.lock().expect("see there");
            reached.push((operation.id.as_str(), answer.status.as_u16()));
        }
        (sent, answer)
    }

    async fn request(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (Sent, Answer) {
        let sent = Sent::new(method.as_str(), path, headers, &body);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        (sent, Answer::read(response).await)
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[JSON], body.to_string().into())
            .await
    }

    /// `PUT path` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[JSON], body.to_string().into())
            .await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    /// Creates a user with this email; gives its id.
    pub async fn create_user(&self, email: &str) -> i64 {
        let user = json!({"email": email, "password": "secret", "role": "USER"});
        self.post("/api/users", &user).await.expect(201)["id"]
            .as_i64()
            .expect("an id")
    }

    /// Creates a product with this title; gives its id.
    pub async fn create_product(&self, title: &str) -> i64 {
        self.post("/api/products", &json!({"title": title}))
            .await
            .expect(201)["id"]
            .as_i64()
            .expect("an id")
    }

    /// Puts a product into a user's cart; gives the item's id.
    pub async fn add_to_cart(&self, user_id: i64, product_id: i64) -> i64 {
        let item = json!({"user_id": user_id, "product_id": product_id});
        self.post("/api/cart", &item).await.expect(201)["id"]
            .as_i64()
            .expect("an id")
    }

    /// Runs `work` on a blocking connection to this shop's database.
    pub async fn sql<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> T + Send + 'static,
    ) -> T {
        let url = self.url.clone();
        tokio::task::spawn_blocking(move || {
            work(&mut session::connect(&url).expect("a connection"))
        })
        .await
        .expect("the SQL runs")
    }

    /// Runs one SQL statement.
    pub async fn execute(&self, sql: impl Into<String>) {
        let sql = sql.into();
        self.sql(move |session| session.batch_execute(&sql).expect("the statement runs"))
            .await;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.drops_database {
            let url = self.url.clone();
            // A thread of its own: the TLS driver may not block inside a runtime.
            let dropping = std::thread::spawn(move || {
                let mut session = session::connect(&url).expect("a connection");
                session.batch_execute(&format!("DROP DATABASE `{}`", url.database()))
            });
            let dropped = dropping.join();
            if !std::thread::panicking() {
                dropped
                    .expect("the thread runs")
                    .expect("the database goes");
            }
        }
    }
}

/// The other connections to this database that match.
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
    let rows: Vec<Connection> = session.load(&sql).expect("the server lists them");
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
        .expect("the tables are there");
    rows.into_iter().map(|row| row.line).collect()
}

/// Waits until `condition` holds, for ten seconds at most.
///
/// # Panics
/// When it does not.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
    }
}

/// The header of a JSON body.
pub const JSON: (&str, &str) = ("content-type", "application/json");

/// The contract's (operation, status) pairs that were read off a socket so far, by any test.
static REACHED: Mutex<Vec<(&str, u16)>> = Mutex::new(Vec::new());

/// See [`REACHED`].
pub fn reached() -> Vec<(&'static str, u16)> {
    REACHED
        .lock()
        .expect("no test panics while it holds this")
        .clone()
}

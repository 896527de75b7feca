//! What every test stands on: one private MariaDB for all of them, a database of its own for each,
//! the real service on a real socket, and a client that checks every answer against the contract.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use ecommerce_api::api::cors::Cors;
use ecommerce_api::api::gate::Hosts;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::api::{App, Settings};
use ecommerce_api::contract;
use ecommerce_api::db::session::{self, Session};
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::{Database, migrations};
use ecommerce_api::embedded::Embedded;
use ecommerce_api::server::{self, Limits};
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The databases of tests, whose leftovers are swept.
const PREFIX: &str = "test_";

/// The one MariaDB. It is stopped when the test process ends, however it ends.
static SERVER: LazyLock<Embedded> = LazyLock::new(|| {
    let data_dir = concat!(env!("CARGO_TARGET_TMPDIR"), "/api-tests");
    let server = Embedded::start(data_dir.as_ref()).expect("a private MariaDB starts");
    sweep(&server);
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
            let url = url(&SERVER, &name);
            session::create_database_if_missing(&url).expect("a database for the test");
            let mut session = session::connect(&url).expect("a connection to it");
            migrations::run(&mut session).expect("its tables");
            url
        });
        Self::over(url.await.expect("the database is ready"), true, validation).await
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
        let app = App::new(&Database::new(url.async_opts(), 8, 8), settings);
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

    /// Sends a request and checks the answer against the contract.
    ///
    /// # Panics
    /// When the answer strays from the contract, or is not in the envelope.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let answer = self
            .send_unchecked(method.clone(), path, headers, body)
            .await;
        answer.check(&method, path);
        answer
    }

    /// Sends a request whose answer is meant to stray.
    pub async fn send_unchecked(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let mut body = body.collect().await.expect("a whole body").to_bytes();
        if parts
            .headers
            .get("content-encoding")
            .is_some_and(|coding| coding == "gzip")
        {
            let mut plain = Vec::new();
            GzipDecoder::new(&*body)
                .read_to_end(&mut plain)
                .await
                .expect("gzip to its end");
            body = plain.into();
        }
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
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

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub body: Bytes,
}

/// The contract's (operation, status) pairs that were read off a socket so far, by any test.
static REACHED: Mutex<Vec<(&str, u16)>> = Mutex::new(Vec::new());

/// See [`REACHED`].
pub fn reached() -> Vec<(&'static str, u16)> {
    REACHED
        .lock()
        .expect("no test panics while it holds this")
        .clone()
}

impl Answer {
    fn check(&self, method: &Method, path: &str) {
        let path = path.split('?').next().unwrap_or(path);
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        assert!(
            header("x-request-id").is_some(),
            "{method} {path}: no request id"
        );
        if let Some(operation) = contract::find(method.as_str(), path) {
            let violations =
                operation.response_violations(self.status.as_u16(), header, &self.body);
            assert!(
                violations.is_empty(),
                "{method} {path} ({}) answered {} and strays from the contract: {violations:?}\n{}",
                operation.id,
                self.status,
                String::from_utf8_lossy(&self.body)
            );
            REACHED
                .lock()
                .expect("see above")
                .push((operation.id, self.status.as_u16()));
        } else if self.status.is_client_error() && *method != Method::HEAD {
            assert!(
                self.json()["error"]["code"].is_string(),
                "{method} {path}: not in the envelope: {self:?}"
            );
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `data` of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()["data"].clone()
    }

    /// The error's code and message, of an answer that must have this status.
    #[track_caller]
    pub fn error(&self, status: u16) -> (String, String) {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }

    /// The violations of a 400, as `field message`, sorted.
    #[track_caller]
    pub fn violations(&self) -> Vec<String> {
        assert_eq!(
            self.status.as_u16(),
            400,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let error = &self.json()["error"];
        assert_eq!(error["code"], "VALIDATION_ERROR");
        let mut lines: Vec<String> = error["details"]
            .as_array()
            .expect("details")
            .iter()
            .map(|detail| {
                format!(
                    "{} {}",
                    detail["field"].as_str().unwrap(),
                    detail["message"].as_str().unwrap()
                )
            })
            .collect();
        lines.sort();
        lines
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

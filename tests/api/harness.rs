//! The environment of a test: a database of its own, the real service on a real socket, and a client that
//! checks every response against the contract.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ecommerce_api::api::authentication::{Authentication, Mode};
use ecommerce_api::api::contracts;
use ecommerce_api::api::cors::Cors;
use ecommerce_api::api::hosts::Hosts;
use ecommerce_api::api::rates::Quotas;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::api::{Settings, service};
use ecommerce_api::clients;
use ecommerce_api::db::session::{self, Session};
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::{Database, seed};
use ecommerce_api::passwords;
use ecommerce_api::server::{self, Limits};
use ecommerce_api::tokens::{Bearer, Keys};
use http_body_util::Full;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::common::conformance;
use crate::common::wire::Sent;
use crate::database;
use crate::lossy_proxy::LossyProxy;

pub use crate::database::{connections, dump};
pub use crate::response::{ClientResponse, received_head};

/// The shop of one test: a new database, and a running service that uses it.
pub struct Shop {
    url: DatabaseUrl,
    /// The address of the service: `127.0.0.1:port`.
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

    /// Opens an empty shop whose service validates its own responses.
    pub async fn open_with(validation: Validation) -> Self {
        let url = tokio::task::spawn_blocking(database::create);
        let url = url.await.expect("the database is ready");
        Self::over(&url.clone(), url, validation, Limits::default()).await
    }

    /// Opens an empty shop whose server has these limits.
    pub async fn open_limited(limits: Limits) -> Self {
        let url = tokio::task::spawn_blocking(database::create).await;
        let url = url.expect("the database is ready");
        Self::over(&url.clone(), url, Validation::Off, limits).await
    }

    /// Stops the server, as a signal does.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Opens an empty shop whose service reaches its database through `proxy`.
    pub async fn open_behind(proxy: &LossyProxy) -> Self {
        let url = tokio::task::spawn_blocking(database::create).await;
        let url = url.expect("the database is ready");
        let proxied = database::url_behind(&proxy.socket(), url.database());
        Self::over(&proxied, url, Validation::Off, Limits::default()).await
    }

    /// Opens an empty shop whose service may open at most `connections` to its database.
    pub async fn open_with_few_connections(connections: usize) -> Self {
        let urls = tokio::task::spawn_blocking(move || {
            let url = database::create();
            let few = database::url_of_user_with(connections, url.database());
            (few, url)
        });
        let (few, url) = urls.await.expect("the database is ready");
        Self::over(&few, url, Validation::Off, Limits::default()).await
    }

    /// Opens the sample shop: users 1 to 5, whose password is `secret`, products 1 to 12 and cart items 1
    /// to 7.
    pub async fn open_sample() -> Self {
        static HASH: LazyLock<SecretString> = LazyLock::new(|| {
            let hash = passwords::hash_blocking(&"secret".into());
            hash.expect("a hash")
        });
        let shop = Self::open().await;
        let filled = shop.sql(|session| seed::sample_shop(session, HASH.expose_secret()));
        assert!(
            filled.await.expect("the rows are inserted"),
            "the shop was empty"
        );
        shop
    }

    /// Opens a shop whose database does not exist: nothing listens at its address.
    pub async fn without_database() -> Self {
        let url = DatabaseUrl::parse("mysql://nobody@127.0.0.1:1/nowhere").expect("a URL");
        let mut shop = Self::over(&url.clone(), url, Validation::Off, Limits::default()).await;
        shop.drops_database = false;
        shop
    }

    /// Opens another service over the database of this shop, as in another process.
    pub async fn another(&self) -> Self {
        let url = self.url.clone();
        let mut shop = Self::over(&url.clone(), url, Validation::Off, Limits::default()).await;
        shop.drops_database = false;
        shop
    }

    /// Opens another service over the database of this shop, in which requests without a token are
    /// restricted.
    pub async fn requiring_tokens(&self) -> Self {
        let settings = Settings {
            authentication: authentication(Mode::Required),
            ..settings(Validation::Off)
        };
        let url = self.url.clone();
        let mut shop = Self::with_settings(&url.clone(), url, Limits::default(), settings).await;
        shop.drops_database = false;
        shop
    }

    /// Opens a shop in the database `url`, which its service reaches as `service_url`.
    async fn over(
        service_url: &DatabaseUrl,
        url: DatabaseUrl,
        validation: Validation,
        limits: Limits,
    ) -> Self {
        Self::with_settings(service_url, url, limits, settings(validation)).await
    }

    /// Opens an empty shop whose service rejects requests while `operations` are in progress.
    pub async fn open_with_capacity(operations: usize) -> Self {
        Self::open_with_settings(Settings {
            max_operations: operations,
            ..settings(Validation::Off)
        })
        .await
    }

    /// Opens an empty shop with these rate limits, also for the clients of this machine.
    pub async fn open_with_quotas(quotas: Quotas) -> Self {
        Self::open_with_settings(Settings {
            quotas,
            clients: clients::Rules {
                exempt: clients::Networks::NONE,
                ..clients::Rules::default()
            },
            ..settings(Validation::Off)
        })
        .await
    }

    async fn open_with_settings(settings: Settings) -> Self {
        let url = tokio::task::spawn_blocking(database::create).await;
        let url = url.expect("the database is ready");
        Self::with_settings(&url.clone(), url, Limits::default(), settings).await
    }

    /// Opens an empty shop whose service rejects requests while `operations` are in progress, and counts
    /// clients by the address that `X-Forwarded-For` names: this machine is a trusted proxy.
    pub async fn open_behind_proxy_with_capacity(operations: usize) -> Self {
        Self::open_with_settings(Settings {
            clients: clients::Rules::parse("none", "127.0.0.1").expect("rules"),
            max_operations: operations,
            ..settings(Validation::Off)
        })
        .await
    }

    /// Opens an empty shop that counts the clients of every address, also of this machine.
    pub async fn open_counting_every_client() -> Self {
        Self::open_with_settings(Settings {
            clients: clients::Rules {
                exempt: clients::Networks::NONE,
                ..clients::Rules::default()
            },
            ..settings(Validation::Off)
        })
        .await
    }

    async fn with_settings(
        service_url: &DatabaseUrl,
        url: DatabaseUrl,
        limits: Limits,
        settings: Settings,
    ) -> Self {
        let app = service(&Database::new(&service_url.async_opts(), 8, 8), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server::serve(listener, app, None, limits, async {
            let _ = stopped.await;
        }));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            url,
            address,
            client,
            stop: Some(stop),
            drops_database: true,
        }
    }

    /// Sends a request and checks the response. Compares the response to a HEAD with that to a GET.
    ///
    /// # Panics
    /// When the response does not conform to the contract.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> ClientResponse {
        if method == Method::HEAD {
            let (_, head) = self.exchange(&method, path, headers, body.clone()).await;
            let (_, get) = self.exchange(&Method::GET, path, headers, body).await;
            let differences = conformance::head_violations(&head.received(), &get.received());
            assert!(differences.is_empty(), "{path}: {differences:?}");
            return head;
        }
        self.exchange(&method, path, headers, body).await.1
    }

    /// Sends a request whose response must have a body that does not conform to the contract.
    ///
    /// # Panics
    /// When the body conforms to the contract, or anything else does not.
    pub async fn send_nonconforming(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> ClientResponse {
        let (sent, response) = self.request(&method, path, headers, body).await;
        let violations = conformance::violations(&sent, &response.received());
        assert!(!violations.is_empty(), "{path}: the body conforms");
        for violation in violations {
            assert!(violation.starts_with("body"), "{path}: {violation}");
        }
        response
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (Sent, ClientResponse) {
        let (sent, response) = self.request(method, path, headers, body).await;
        conformance::check(&sent, &response.received());
        if let Some(operation) = contracts::find(method.as_str(), sent.path()) {
            let mut reached = REACHED.lock().expect("no test panics while it holds this");
            reached.push((operation.id.as_str(), response.status.as_u16()));
        }
        (sent, response)
    }

    async fn request(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (Sent, ClientResponse) {
        let sent = Sent::new(method.as_str(), path, headers, &body);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = self.client.request(request).await.expect("a response");
        (sent, ClientResponse::read(response).await)
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> ClientResponse {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> ClientResponse {
        self.send(Method::POST, path, &[JSON], body.to_string().into())
            .await
    }

    /// `PUT path` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> ClientResponse {
        self.send(Method::PUT, path, &[JSON], body.to_string().into())
            .await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> ClientResponse {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    /// Creates a user with this email. Returns its id.
    pub async fn create_user(&self, email: &str) -> i64 {
        let user = json!({"email": email, "password": "secret", "role": "USER"});
        self.post("/api/users", &user).await.expect(201)["id"]
            .as_i64()
            .expect("an id")
    }

    /// Logs a user in whose password is that of [`Self::create_user`].
    pub async fn log_in(&self, email: &str) -> Tokens {
        let body = json!({"email": email, "password": "secret"});
        Tokens::of(&self.post("/api/auth/login", &body).await)
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, token: &str) -> ClientResponse {
        let body = json!({"refresh_token": token});
        self.post("/api/auth/refresh", &body).await
    }

    /// Sends a request with an access token and a JSON body, unless the body is null.
    pub async fn send_as(
        &self,
        access_token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> ClientResponse {
        let authorization = format!("Bearer {access_token}");
        let mut headers = vec![("authorization", authorization.as_str())];
        let mut bytes = Vec::new();
        if !body.is_null() {
            headers.push(JSON);
            bytes = body.to_string().into();
        }
        self.send(method, path, &headers, bytes).await
    }

    /// Creates a product with this title. Returns its id.
    pub async fn create_product(&self, title: &str) -> i64 {
        self.post("/api/products", &json!({"title": title}))
            .await
            .expect(201)["id"]
            .as_i64()
            .expect("an id")
    }

    /// Adds a product to the cart of a user. Returns the id of the item.
    pub async fn add_to_cart(&self, user_id: i64, product_id: i64) -> i64 {
        let item = json!({"user_id": user_id, "product_id": product_id});
        self.post("/api/cart", &item).await.expect(201)["id"]
            .as_i64()
            .expect("an id")
    }

    /// Runs `work` on a blocking connection to the database of this shop.
    pub async fn sql<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> T + Send + 'static,
    ) -> T {
        let url = self.url.clone();
        tokio::task::spawn_blocking(move || {
            work(&mut session::connect(&url).expect("a connection"))
        })
        .await
        .expect("the statements succeed")
    }

    /// Runs SQL statements.
    pub async fn execute(&self, sql: impl Into<String>) {
        let sql = sql.into();
        self.sql(move |session| session.batch_execute(&sql).expect("the statements succeed"))
            .await;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.drops_database {
            let url = self.url.clone();
            // In another thread, because the driver must not block inside a runtime.
            let dropping = std::thread::spawn(move || {
                let mut session = session::connect(&url).expect("a connection");
                // The service may be in a transaction, which this thread keeps it from ending.
                let name = url.database();
                for connection in connections(&mut session, "id <> CONNECTION_ID()") {
                    // An error when the connection has been closed in the meantime.
                    let _ = session.batch_execute(&format!("KILL {connection}"));
                }
                session.batch_execute(&format!("DROP DATABASE `{name}`"))
            });
            let dropped = dropping.join();
            if !std::thread::panicking() {
                dropped
                    .expect("the thread runs")
                    .expect("the database is dropped");
            }
        }
    }
}

/// The settings of a service with limits that no test reaches.
pub fn settings(validation: Validation) -> Settings {
    Settings {
        authentication: authentication(Mode::Off),
        clients: clients::Rules::default(),
        cors: Cors::Any,
        hosts: Hosts::Loopback,
        validation,
        max_operations: 512,
        quotas: Quotas::OFF,
        body_memory: 64 * 1024 * 1024,
        hsts: None,
    }
}

/// The keys of every service in the tests.
pub fn keys() -> Arc<Keys> {
    authentication(Mode::Off).keys
}

/// A valid access token of a user without the role ADMIN.
pub fn access_token(user: i32, session: u64) -> String {
    let bearer = Bearer {
        user,
        is_admin: false,
        session,
    };
    let token = keys().sign(bearer, SystemTime::now()).expect("a token");
    token.expose_secret().to_owned()
}

/// The tokens of a session.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Tokens {
    /// The tokens in a response that must be a 200.
    #[track_caller]
    pub fn of(response: &ClientResponse) -> Self {
        let data = response.expect(200);
        let text = |name: &str| data[name].as_str().expect("a token").to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// The secret of every service in the tests.
pub const SECRET: &str = "the secret of every service in the tests";

/// The authentication of every service in the tests: all have the same keys.
pub fn authentication(mode: Mode) -> Authentication {
    let keys = Keys::new(&SECRET.into(), None);
    let keys = Arc::new(keys.expect("the secret is long enough"));
    Authentication { mode, keys }
}

/// The value of `Authorization` with a valid token of this user, who is an administrator or not.
pub fn token(user: i64, is_admin: bool) -> String {
    token_issued(SystemTime::now(), user, is_admin)
}

/// As [`token`], with a token that was issued at this time.
pub fn token_issued(time: SystemTime, user: i64, is_admin: bool) -> String {
    let bearer = Bearer {
        user: user.try_into().expect("an id"),
        is_admin,
        session: 1,
    };
    let token = authentication(Mode::Off).keys.sign(bearer, time);
    format!("Bearer {}", token.expect("a token").expose_secret())
}

/// Waits until `condition` holds, for at most ten seconds.
///
/// # Panics
/// When `condition` does not hold in time.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
    }
}

/// The header of a JSON body.
pub const JSON: (&str, &str) = ("content-type", "application/json");

/// The pairs of operation and status of all responses that any test has received so far.
static REACHED: Mutex<Vec<(&str, u16)>> = Mutex::new(Vec::new());

/// The pairs of operation and status of all responses that any test has received so far.
pub fn reached() -> Vec<(&'static str, u16)> {
    REACHED
        .lock()
        .expect("no test panics while it holds this")
        .clone()
}

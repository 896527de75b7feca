//! What each row runs on: a database, the proxy in front of it, the service, and the rows that the load
//! works with.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::Method;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rustix::process::Signal;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::client::{Client, Outcome};
use crate::ledger::Ledger;
use crate::processes::{Api, Mariadb, Root, command, connect_to_socket, is_root, run};
use crate::proxy::Proxy;
use crate::samples::Samples;

/// The users and products. No pair of them is used twice, also in hours of load.
const USERS: usize = 230;
const PRODUCTS: usize = 20_000;
/// The users of the mixed load. The next ones are those of the strangers, and of the faults.
const LOADED_USERS: usize = 200;
/// The users of the strangers.
const STRANGE_USERS: usize = 20;

/// How a row's database and service differ from the usual.
#[derive(Default)]
pub struct Options {
    /// Options of the database server.
    pub server: &'static [&'static str],
    /// Statements that are executed once the tables exist.
    pub sql: &'static str,
    /// The service starts its private database, and there is no proxy.
    pub is_embedded: bool,
    /// The data are on a file system of so many megabytes.
    pub disk_megabytes: Option<u32>,
    /// The service runs under faketime.
    pub has_fake_clock: bool,
}

pub struct Scene {
    pub directory: PathBuf,
    /// `None` if the service has a private database.
    pub database: Mutex<Option<Mariadb>>,
    pub proxy: Option<Proxy>,
    pub api: Mutex<Api>,
    pub address: SocketAddr,
    pub ledger: Ledger,
    pub samples: Samples,
    pub users: Vec<i32>,
    pub products: Vec<i32>,
    /// The load goes on until this is set.
    pub is_over: Cell<bool>,
    /// Neither the load nor the strangers send anything while this is set.
    pub is_paused: Cell<bool>,
    /// A table is absent now and then, which is a 500: an operator has to bring it back.
    pub is_table_absent: Cell<bool>,
    /// How many strangers' requests do not need the database.
    pub is_database_away: bool,
    next: Cell<usize>,
    next_of_strangers: Cell<usize>,
    next_of_faults: Cell<usize>,
}

impl Scene {
    pub async fn build(
        root: &Root,
        name: &str,
        options: &Options,
        is_database_away: bool,
    ) -> Rc<Self> {
        let directory = root.directory.join(name);
        std::fs::create_dir(&directory).unwrap();
        if let Some(megabytes) = options.disk_megabytes {
            mount(&directory, megabytes).await;
        }
        let mut variables = vec![];
        let mut database = None;
        let mut proxy = None;
        if options.is_embedded {
            variables.push(("DATA_DIR".to_owned(), "data".to_owned()));
        } else {
            let server = Mariadb::start(root, &directory, options.server).await;
            let sql = "CREATE DATABASE shop; CREATE USER shop; GRANT ALL ON shop.* TO shop";
            server.connect("").await.query_drop(sql).await.unwrap();
            let front = Proxy::start(server.address).await;
            let url = format!("mysql://shop@{}/shop?ssl_mode=disabled", front.address);
            variables.push(("DATABASE_URL".to_owned(), url));
            variables.push(("MIGRATE_ON_START".to_owned(), "true".to_owned()));
            database = Some(server);
            proxy = Some(front);
        }
        if options.has_fake_clock {
            variables.extend(fake_clock(&directory).await);
        }
        let mut api = Api::new(&directory, variables);
        api.start().await;
        let mut scene = Self {
            address: api.address,
            directory,
            database: Mutex::new(database),
            proxy,
            api: Mutex::new(api),
            ledger: Ledger::default(),
            samples: Samples::default(),
            users: vec![],
            products: vec![],
            is_over: Cell::new(false),
            is_paused: Cell::new(false),
            is_table_absent: Cell::new(false),
            is_database_away,
            next: Cell::new(0),
            next_of_strangers: Cell::new(0),
            next_of_faults: Cell::new(0),
        };
        scene.ready().await;
        scene.fill(options.sql).await;
        Rc::new(scene)
    }

    /// Waits until the service has migrated and serves.
    async fn ready(&self) {
        let mut client = Client::new(self.address);
        let began = Instant::now();
        loop {
            match client.send(Method::GET, "/health", None).await {
                Outcome::Response(response) if response.status == 200 => return,
                outcome => {
                    let is_late = began.elapsed() > Duration::from_mins(1);
                    assert!(!is_late, "not ready: {outcome:?} {}", self.log());
                }
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Inserts the users and products of the load, and executes the row's statements. A private database
    /// has the rows of the sample shop.
    async fn fill(&mut self, sql: &str) {
        let mut conn = self.connect().await;
        conn.query_drop(format!(
            "DELETE FROM cart;
             INSERT INTO users (email, password) SELECT CONCAT('seed', seq, '@example.com'), 'x'
             FROM seq_1_to_{USERS};
             INSERT INTO products (title) SELECT CONCAT('seed ', seq) FROM seq_1_to_{PRODUCTS}"
        ))
        .await
        .unwrap();
        self.users = conn
            .query("SELECT id FROM users ORDER BY id")
            .await
            .unwrap();
        self.products = conn
            .query("SELECT id FROM products ORDER BY id")
            .await
            .unwrap();
        if !sql.is_empty() {
            conn.query_drop(sql).await.unwrap();
        }
    }

    /// Executes statements as the administrator.
    pub async fn sql(&self, sql: &str) {
        self.connect().await.query_drop(sql).await.unwrap();
    }

    /// Another client's connection to the database, unless it refuses one.
    pub async fn try_connect(&self) -> Option<Conn> {
        let database = self.database.lock().await;
        database.as_ref()?.try_connect("shop").await
    }

    /// A connection of the administrator's to the shop's database, not through the proxy.
    pub async fn connect(&self) -> Conn {
        if let Some(server) = &*self.database.lock().await {
            return server.connect("shop").await;
        }
        let socket = self.directory.join("data/mariadb.sock");
        let conn = connect_to_socket(&socket, "shop").await;
        conn.expect("the private server answers")
    }

    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the row has a proxy")
    }

    /// A number that no other write has.
    pub fn number(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    /// A user and a product that no other addition to a cart has.
    pub fn pair(&self) -> (i32, i32) {
        let number = self.number();
        let product = number / LOADED_USERS % PRODUCTS;
        (self.users[number % LOADED_USERS], self.products[product])
    }

    /// As [`Scene::pair`], of users and products that have nothing to do with the load or the fault.
    pub fn pair_of_strangers(&self) -> (i32, i32) {
        let number = self
            .next_of_strangers
            .replace(self.next_of_strangers.get() + 1);
        let user = self.users[LOADED_USERS + number % STRANGE_USERS];
        (user, self.products[number / STRANGE_USERS % PRODUCTS])
    }

    /// Waits, for this time or until the load goes on.
    pub async fn pause(&self, time: Duration) {
        sleep(time).await;
        while self.is_paused.get() && !self.is_over.get() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The users of the mixed load.
    pub fn loaded_users(&self) -> &[i32] {
        &self.users[..LOADED_USERS]
    }

    /// One of ten users whom only the fault concerns.
    pub fn hot_user(&self, number: usize) -> i32 {
        self.users[LOADED_USERS + STRANGE_USERS + number]
    }

    /// A product that no other addition to the cart of a fault's user has.
    pub fn product_of_fault(&self) -> i32 {
        let number = self.next_of_faults.replace(self.next_of_faults.get() + 1);
        self.products[number % PRODUCTS]
    }

    /// The last lines of the service's log.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(Api::log(&self.directory)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(3)..].join("\n")
    }

    /// Kills what runs and removes the directory.
    pub async fn remove(&self) {
        self.api.lock().await.end(Signal::KILL).await;
        if let Some(server) = &mut *self.database.lock().await {
            server.end(Signal::KILL).await;
        }
        let data = self.directory.join("data");
        // Fails where nothing is mounted.
        let _ = command("umount")
            .args(["-q", "-l"])
            .arg(data)
            .output()
            .await;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Mounts a small file system for the data of the database.
async fn mount(directory: &Path, megabytes: u32) {
    assert!(is_root(), "mounting a small file system takes root");
    let data = directory.join("data");
    std::fs::create_dir(&data).unwrap();
    let size = format!("size={megabytes}M");
    run(command("mount")
        .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
        .arg(data))
    .await;
}

/// The variables that make a process read the difference to the clock from the file `clock`.
async fn fake_clock(directory: &Path) -> Vec<(String, String)> {
    let output = command("sh")
        .args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"])
        .output()
        .await
        .unwrap();
    let library = String::from_utf8(output.stdout).unwrap();
    assert!(!library.is_empty(), "Debian's package faketime is missing");
    let clock = directory.join("clock");
    std::fs::write(&clock, "+0\n").unwrap();
    let pairs = [
        ("LD_PRELOAD", library.trim()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // The clock that measures durations never jumps.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pairs.into()
}

//! What the load works with: the address of the service, rows, and the records of what happened.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::ledger::Ledger;
use crate::samples::Samples;

/// The users and products. No pair of them is used twice.
const USERS: usize = 220;
const PRODUCTS: usize = 2_000;
/// The users of the mixed load. The next ones are those of the strangers.
const LOADED_USERS: usize = 200;
const STRANGE_USERS: usize = 20;

pub struct Scene {
    pub address: SocketAddr,
    pub ledger: Ledger,
    pub samples: Samples,
    pub users: Vec<i32>,
    pub products: Vec<i32>,
    /// The load goes on until this is set.
    pub is_over: Cell<bool>,
    /// No table is ever absent here.
    pub is_table_absent: Cell<bool>,
    /// The strangers need the database, too.
    pub is_database_away: bool,
    next: Cell<usize>,
    next_of_strangers: Cell<usize>,
    /// The longest time without an acknowledged write since this was taken last.
    stall: RefCell<Duration>,
}

impl Scene {
    /// Inserts the users and products of the load.
    pub async fn build(cluster: &Cluster) -> Rc<Self> {
        let mut conn = cluster.nodes[0].connect().await.expect("the node runs");
        conn.query_drop(format!(
            "INSERT INTO users (email, password) SELECT CONCAT('seed', seq, '@example.com'), 'x'
             FROM seq_1_to_{USERS};
             INSERT INTO products (title) SELECT CONCAT('seed ', seq) FROM seq_1_to_{PRODUCTS}"
        ))
        .await
        .unwrap();
        let users = conn.query("SELECT id FROM users ORDER BY id");
        let users = users.await.unwrap();
        let products = conn.query("SELECT id FROM products ORDER BY id");
        let products = products.await.unwrap();
        Rc::new(Self {
            address: cluster.address,
            ledger: Ledger::default(),
            samples: Samples::default(),
            users,
            products,
            is_over: Cell::new(false),
            is_table_absent: Cell::new(false),
            is_database_away: false,
            next: Cell::new(0),
            next_of_strangers: Cell::new(0),
            stall: RefCell::new(Duration::ZERO),
        })
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

    /// As [`Scene::pair`], of users that the mixed load does not use.
    pub fn pair_of_strangers(&self) -> (i32, i32) {
        let next = &self.next_of_strangers;
        let number = next.replace(next.get() + 1);
        let user = self.users[LOADED_USERS + number % STRANGE_USERS];
        (user, self.products[number / STRANGE_USERS % PRODUCTS])
    }

    /// Waits for this time.
    pub async fn pause(&self, time: Duration) {
        sleep(time).await;
    }

    /// The longest time without an acknowledged write since the last call.
    pub fn take_stall(&self) -> Duration {
        self.stall.take()
    }
}

/// Measures the times without an acknowledged write.
pub async fn observe(scene: Rc<Scene>) {
    let mut last = (scene.ledger.acknowledged(), Instant::now());
    while !scene.is_over.get() {
        sleep(Duration::from_millis(20)).await;
        let acknowledged = scene.ledger.acknowledged();
        let mut stall = scene.stall.borrow_mut();
        *stall = last.1.elapsed().max(*stall);
        if acknowledged > last.0 {
            last = (acknowledged, Instant::now());
        }
    }
}

//! The clients: a mixed load whose every write is in the ledger, strangers who have nothing to do with
//! the fault, and single requests for the faults.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::Method;
use rand::Rng;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::client::{Client, Outcome};
use crate::ledger::Key;
use crate::samples::Origin;
use crate::scene::Scene;

/// The clients of the mixed load.
const CLIENTS: usize = 8;
/// The time from one request of a client who has nothing to do with the fault to the next, whether or
/// not the first has been answered: a slow answer must not keep others from being measured.
const STRANGERS_INTERVAL: Duration = Duration::from_millis(20);
/// How often a client sends a request with one key.
const MOST_TRIES: usize = 200;
/// The most rows of one kind of a client.
const MOST: usize = 500;
/// The pause of a client between two requests: the load is not meant to fill the machine.
const PAUSE: Duration = Duration::from_millis(10);

/// Starts the mixed load and the strangers. They end when the scene is over.
pub fn start(scene: &Rc<Scene>) -> Vec<JoinHandle<()>> {
    let load = (0..CLIENTS).map(|_| spawn_local(mixed(Rc::clone(scene))));
    let strangers = spawn_local(strangers(Rc::clone(scene)));
    load.chain([strangers]).collect()
}

async fn mixed(scene: Rc<Scene>) {
    let mut worker = Worker::new(&scene, Origin::Load);
    while !scene.is_over.get() {
        let (user, product) = scene.pair();
        // The tables do not grow for ever: their size would show in each latency.
        match rand::rng().random_range(0..100) {
            0..45 if worker.items.len() < MOST => worker.add_to_cart(user, product).await,
            45..60 if worker.products.len() < MOST => worker.create_product(40).await,
            60..63 if worker.users < MOST => worker.create_user().await,
            45..75 => worker.describe_product().await,
            0..45 | 75..85 => worker.remove_item().await,
            85..95 => worker.read_product(product).await,
            _ => worker.read_page().await,
        }
        scene.pause(PAUSE).await;
    }
}

async fn strangers(scene: Rc<Scene>) {
    let idle = Rc::new(RefCell::new(vec![]));
    let mut requests = vec![];
    for number in 0.. {
        if scene.is_over.get() {
            break;
        }
        let worker = idle.borrow_mut().pop();
        let mut worker = worker.unwrap_or_else(|| Worker::new(&scene, Origin::Stranger));
        let idle = Rc::clone(&idle);
        requests.push(spawn_local(async move {
            let scene = Rc::clone(&worker.scene);
            if scene.is_database_away {
                worker
                    .read_site(["/", "/api/swagger.json"][number % 2])
                    .await;
            } else if number % 2 == 0 {
                let (user, product) = scene.pair_of_strangers();
                worker.add_to_cart(user, product).await;
            } else {
                worker.read_product(scene.products[number % 1000]).await;
            }
            idle.borrow_mut().push(worker);
        }));
        scene.pause(STRANGERS_INTERVAL).await;
    }
    for request in requests {
        request.await.unwrap();
    }
}

/// One client, with what it has created so far.
pub struct Worker {
    scene: Rc<Scene>,
    origin: Origin,
    client: Client,
    products: Vec<(i32, String)>,
    items: Vec<i32>,
    users: usize,
}

impl Worker {
    pub fn new(scene: &Rc<Scene>, origin: Origin) -> Self {
        Self {
            client: Client::new(scene.address),
            scene: Rc::clone(scene),
            origin,
            products: vec![],
            items: vec![],
            users: 0,
        }
    }

    /// Sends a request that should be answered with one of `statuses`, or 503, or 500
    /// while a table may be absent. The content of the
    /// answer, if it is a success.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
        statuses: &[u16],
    ) -> Option<Value> {
        let (request, start) = (format!("{method} {path}"), Instant::now());
        let outcome = self.client.send(method, path, body.as_ref()).await;
        let is_table_absent = self.scene.is_table_absent.get();
        let is_expected = |status| {
            status == 503 || statuses.contains(&status) || (status == 500 && is_table_absent)
        };
        let samples = &self.scene.samples;
        samples.add(self.origin, (&request, start), &outcome, is_expected);
        match outcome {
            Outcome::Response(mut response) if response.status < 300 => {
                Some(response.body["data"].take())
            }
            _ => None,
        }
    }

    pub async fn add_to_cart(&mut self, user: i32, product: i32) {
        let body = json!({"user_id": user, "product_id": product});
        let is_right = |data: &Value| data["user_id"] == user && data["product_id"] == product;
        let key = Key::Item(user, product);
        let id = self.create("/api/cart", key, body, is_right).await;
        self.items.extend(id);
    }

    /// Creates a product whose description has so many bytes.
    pub async fn create_product(&mut self, bytes: usize) {
        let title = format!("product {}", self.scene.number());
        let body = json!({"title": title, "description": "d".repeat(bytes)});
        let is_right = |data: &Value| data["title"] == *title;
        let key = Key::Product(title.clone());
        let id = self.create("/api/products", key, body, is_right).await;
        self.products.extend(id.map(|id| (id, title)));
    }

    pub async fn create_user(&mut self) {
        let email = format!("user{}@example.com", self.scene.number());
        let body = json!({"email": email, "password": "a long password", "role": "USER"});
        let is_right = |data: &Value| data["email"] == *email;
        let key = Key::User(email.clone());
        let id = self.create("/api/users", key, body, is_right).await;
        self.users += usize::from(id.is_some());
    }

    /// Sends a creation; the id in the response, if it was acknowledged.
    async fn create(
        &mut self,
        path: &str,
        key: Key,
        body: Value,
        is_right: impl Fn(&Value) -> bool,
    ) -> Option<i32> {
        let scene = Rc::clone(&self.scene);
        scene.ledger.creation_sent(&key);
        let data = self.send(Method::POST, path, Some(body), &[201]).await?;
        let id = data["id"].as_i64().and_then(|id| i32::try_from(id).ok())?;
        if !is_right(&data) {
            scene
                .ledger
                .wrong_response(format!("{key:?} was answered with {data}"));
        }
        scene.ledger.creation_acknowledged(&key, id);
        Some(id)
    }

    /// Creates a product, or adds to a cart, and sends the request again with the same `Idempotency-Key`
    /// until it is acknowledged, and once more.
    pub async fn create_with_key(&mut self, number: usize) {
        let scene = Rc::clone(&self.scene);
        let (path, key, body) = if number.is_multiple_of(2) {
            let title = format!("product {}", scene.number());
            let body = json!({ "title": title });
            ("/api/products", Key::Product(title), body)
        } else {
            let (user, product) = scene.pair();
            let body = json!({"user_id": user, "product_id": product});
            ("/api/cart", Key::Item(user, product), body)
        };
        scene.ledger.creation_sent(&key);
        let header = format!("key-{}", scene.number());
        let mut acknowledged = None;
        for _ in 0..MOST_TRIES {
            let start = Instant::now();
            let client = &mut self.client;
            let outcome = client.send_with_key(Method::POST, path, Some(&body), Some(&header));
            let outcome = outcome.await;
            let is_expected = |status| status == 503 || status == 201;
            let request = format!("POST {path} with a key");
            scene
                .samples
                .add(self.origin, (&request, start), &outcome, is_expected);
            let Outcome::Response(response) = outcome else {
                continue;
            };
            if response.status != 201 {
                sleep(PAUSE).await;
                continue;
            }
            let id = response.body["data"]["id"].as_i64();
            let Some(id) = id.and_then(|id| i32::try_from(id).ok()) else {
                continue;
            };
            match acknowledged.replace(id) {
                None => scene.ledger.creation_acknowledged(&key, id),
                Some(first) => {
                    if first != id {
                        let text = format!("{key:?} was answered with ids {first} and {id}");
                        scene.ledger.wrong_response(text);
                    }
                    return;
                }
            }
        }
    }

    /// Changes the description of a product that only this client changes.
    async fn describe_product(&mut self) {
        let Some((id, _)) = self.own_product() else {
            return;
        };
        let text = format!("description {}", self.scene.number());
        let scene = Rc::clone(&self.scene);
        scene.ledger.description_sent(id, &text);
        let body = Some(json!({"description": text}));
        let path = format!("/api/products/{id}");
        if let Some(data) = self.send(Method::PUT, &path, body, &[200]).await {
            if data["id"] != id || data["description"] != *text {
                scene
                    .ledger
                    .wrong_response(format!("PUT {path} was answered with {data}"));
            }
            scene.ledger.description_acknowledged(id, &text);
        }
    }

    /// Removes an item that this client has added.
    async fn remove_item(&mut self) {
        if self.items.len() < 20 {
            return;
        }
        let index = rand::rng().random_range(0..self.items.len());
        let id = self.items.swap_remove(index);
        let scene = Rc::clone(&self.scene);
        scene.ledger.removal_sent(id);
        let path = format!("/api/cart/{id}");
        if self
            .send(Method::DELETE, &path, None, &[200])
            .await
            .is_some()
        {
            scene.ledger.removal_acknowledged(id);
        }
    }

    /// Reads a product that this client has created, or this one.
    pub async fn read_product(&mut self, otherwise: i32) {
        let (id, title) = match self.own_product() {
            Some((id, title)) => (id, Some(title)),
            None => (otherwise, None),
        };
        let path = format!("/api/products/{id}");
        let Some(data) = self.send(Method::GET, &path, None, &[200]).await else {
            return;
        };
        if data["id"] != id || title.is_some_and(|title| data["title"] != title) {
            let text = format!("GET {path} was answered with {data}");
            self.scene.ledger.wrong_response(text);
        }
    }

    async fn read_page(&mut self) {
        let path = "/api/products?limit=20&page=2";
        self.send(Method::GET, path, None, &[200]).await;
    }

    async fn read_site(&mut self, path: &str) {
        self.send(Method::GET, path, None, &[200]).await;
    }

    fn own_product(&self) -> Option<(i32, String)> {
        if self.products.is_empty() {
            return None;
        }
        let index = rand::rng().random_range(0..self.products.len());
        Some(self.products[index].clone())
    }
}

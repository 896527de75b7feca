//! Faults of the database server.

use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::Method;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::load::Worker;
use crate::samples::Origin;
use crate::scene::Scene;

/// The fault has been there from the start.
pub async fn constant(_: &Rc<Scene>) -> Option<Instant> {
    sleep(Duration::from_secs(4)).await;
    None
}

/// The server ends with this signal, and is started again.
async fn restarted(scene: &Scene, signal: Signal) -> Option<Instant> {
    let mut database = scene.database.lock().await;
    let database = database.as_mut().expect("a server");
    database.end(signal).await;
    sleep(Duration::from_secs(2)).await;
    database.launch().await;
    Some(Instant::now())
}

pub async fn killed(scene: &Rc<Scene>) -> Option<Instant> {
    restarted(scene, Signal::KILL).await
}

/// The server's process stops for a while, with all connections open.
pub async fn stopped(scene: &Rc<Scene>) -> Option<Instant> {
    let database = scene.database.lock().await;
    let database = database.as_ref().expect("a server");
    database.signal(Signal::STOP);
    sleep(Duration::from_secs(5)).await;
    database.signal(Signal::CONT);
    Some(Instant::now())
}

pub async fn terminated(scene: &Rc<Scene>) -> Option<Instant> {
    restarted(scene, Signal::TERM).await
}

/// Clients and another session cause errors whose messages are German.
pub async fn german(scene: &Rc<Scene>) -> Option<Instant> {
    let until = Instant::now() + Duration::from_secs(5);
    let mut tasks: Vec<JoinHandle<()>> = vec![];
    for _ in 0..2 {
        tasks.push(spawn_local(mistaken(Rc::clone(scene), until)));
        tasks.push(spawn_local(deadlocking(Rc::clone(scene), until)));
    }
    for task in tasks {
        task.await.unwrap();
    }
    None
}

/// Sends requests that the tables reject.
async fn mistaken(scene: Rc<Scene>, until: Instant) {
    let mut worker = Worker::new(&scene, Origin::Fault);
    while Instant::now() < until {
        let user =
            json!({"email": "seed1@example.com", "password": "a long password", "role": "USER"});
        worker
            .send(Method::POST, "/api/users", Some(user), &[409])
            .await;
        let item = json!({"user_id": 2_000_000_000, "product_id": scene.products[0]});
        worker
            .send(Method::POST, "/api/cart", Some(item), &[409])
            .await;
        sleep(Duration::from_millis(20)).await;
    }
}

/// Another session's transactions lock the users of the load in any order.
pub async fn deadlocking(scene: Rc<Scene>, until: Instant) {
    let mut conn = scene.connect().await;
    while Instant::now() < until {
        let users = scene.loaded_users();
        let [first, second] = [0, 0].map(|_| users[rand::rng().random_range(0..users.len())]);
        // Either session may be the one that the server ends.
        let _ = conn
            .query_drop(format!(
                "BEGIN; UPDATE users SET role = 'USER' WHERE id = {first};
                 UPDATE users SET role = 'ADMIN' WHERE id = {second};
                 UPDATE users SET role = 'ADMIN' WHERE id = {first}; COMMIT"
            ))
            .await;
        let _ = conn.query_drop("ROLLBACK").await;
        sleep(Duration::from_millis(5)).await;
    }
}

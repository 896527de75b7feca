//! Locks that other sessions hold.

use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::Method;
use mysql_async::prelude::Queryable;
use rand::Rng;
use serde_json::json;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::load::Worker;
use crate::samples::Origin;
use crate::scene::Scene;

/// How long the locks are held: longer than a statement of the service waits for one.
const HELD: Duration = Duration::from_secs(8);

/// One user is locked. Clients add to the user's cart, and change the user.
pub async fn locked_row(scene: &Rc<Scene>) -> Option<Instant> {
    let user = scene.hot_user(0);
    let mut conn = scene.connect().await;
    conn.query_drop(format!(
        "BEGIN; SELECT id FROM users WHERE id = {user} FOR UPDATE"
    ))
    .await
    .unwrap();
    let until = Instant::now() + HELD;
    let mut clients: Vec<JoinHandle<()>> = vec![];
    for _ in 0..8 {
        let scene = Rc::clone(scene);
        clients.push(spawn_local(async move {
            let mut worker = Worker::new(&scene, Origin::Fault);
            while Instant::now() < until {
                let product = scene.product_of_fault();
                worker.add_to_cart(user, product).await;
                sleep(Duration::from_millis(10)).await;
            }
        }));
    }
    for _ in 0..20 {
        clients.push(spawn_local(change(Rc::clone(scene), user, until)));
    }
    sleep(HELD).await;
    conn.query_drop("ROLLBACK").await.unwrap();
    let over = Instant::now();
    for client in clients {
        client.await.unwrap();
    }
    Some(over)
}

/// So many rows are locked that each connection of the service could wait for one.
pub async fn all_connections(scene: &Rc<Scene>) -> Option<Instant> {
    let users = (0..10).map(|number| scene.hot_user(number));
    let users: Vec<i32> = users.collect();
    let list = users
        .iter()
        .map(i32::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let mut conn = scene.connect().await;
    let lock = format!("BEGIN; SELECT id FROM users WHERE id IN ({list}) FOR UPDATE");
    conn.query_drop(lock).await.unwrap();
    let until = Instant::now() + HELD;
    let clients = (0..64).map(|number| {
        let user = users[number % users.len()];
        spawn_local(change(Rc::clone(scene), user, until))
    });
    let clients: Vec<JoinHandle<()>> = clients.collect();
    sleep(HELD).await;
    conn.query_drop("ROLLBACK").await.unwrap();
    let over = Instant::now();
    for client in clients {
        client.await.unwrap();
    }
    Some(over)
}

/// All users of the load are locked, for less time than a statement of the service waits.
pub async fn waited_for(scene: &Rc<Scene>) -> Option<Instant> {
    let users = scene.loaded_users();
    let [first, last] = [users[0], users[users.len() - 1]];
    let mut conn = scene.connect().await;
    conn.query_drop(format!(
        "BEGIN; SELECT id FROM users WHERE id BETWEEN {first} AND {last} FOR UPDATE"
    ))
    .await
    .unwrap();
    sleep(Duration::from_secs(3)).await;
    conn.query_drop("ROLLBACK").await.unwrap();
    Some(Instant::now())
}

/// Locks all users of the load for a short time, again and again, until it is dropped.
pub async fn held_again_and_again(scene: Rc<Scene>) {
    let users = scene.loaded_users();
    let [first, last] = [users[0], users[users.len() - 1]];
    let mut conn = scene.connect().await;
    loop {
        let lock =
            format!("BEGIN; SELECT id FROM users WHERE id BETWEEN {first} AND {last} FOR UPDATE");
        conn.query_drop(lock).await.unwrap();
        sleep(Duration::from_millis(150)).await;
        conn.query_drop("ROLLBACK").await.unwrap();
        sleep(Duration::from_millis(50)).await;
    }
}

/// Sessions whose transactions lock the users of the load in any order.
pub async fn deadlock_storm(scene: &Rc<Scene>) -> Option<Instant> {
    let until = Instant::now() + Duration::from_secs(5);
    let tasks = (0..6).map(|_| spawn_local(deadlocking(Rc::clone(scene), until)));
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    Some(Instant::now())
}

/// Changes a user again and again.
async fn change(scene: Rc<Scene>, user: i32, until: Instant) {
    let mut worker = Worker::new(&scene, Origin::Fault);
    while Instant::now() < until {
        let body = Some(json!({"role": "USER"}));
        let path = format!("/api/users/{user}");
        worker.send(Method::PUT, &path, body, &[200]).await;
        sleep(Duration::from_millis(10)).await;
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

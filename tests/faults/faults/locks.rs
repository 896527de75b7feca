//! Locks that other sessions hold.

use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::Method;
use mysql_async::prelude::Queryable;
use serde_json::json;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::load::Worker;
use crate::samples::Origin;
use crate::scene::Scene;

/// How long the locks are held: longer than a statement of the service waits for one.
const HELD: Duration = Duration::from_secs(8);

/// One user and one product are locked. Clients add to the user's cart, and change the user.
pub async fn locked_row(scene: &Rc<Scene>) -> Option<Instant> {
    let (user, product) = (scene.hot_user(0), scene.hot_product(0));
    let mut conn = scene.connect().await;
    conn.query_drop(format!(
        "BEGIN; SELECT id FROM users WHERE id = {user} FOR UPDATE;
         SELECT id FROM products WHERE id = {product} FOR UPDATE"
    ))
    .await
    .unwrap();
    let until = Instant::now() + HELD;
    let mut clients: Vec<JoinHandle<()>> = vec![];
    for number in 0..8 {
        let scene = Rc::clone(scene);
        clients.push(spawn_local(async move {
            let mut worker = Worker::new(&scene, Origin::Fault);
            for round in 0..200 {
                if Instant::now() > until {
                    break;
                }
                // Pairs of their own.
                let product = scene.products[number * 200 + round];
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

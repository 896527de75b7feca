//! Faults of the database server.

use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::Method;
use mysql_async::prelude::Queryable;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::load::Worker;
use crate::processes::command;
use crate::samples::Origin;
use crate::scene::Scene;

use super::locks;

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

/// Ends connections or their statements at short intervals.
async fn killing(scene: &Scene, what: &str) -> Option<Instant> {
    let mut conn = scene.connect().await;
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let ids = "SELECT id FROM information_schema.processlist WHERE user = 'shop'
                   ORDER BY RAND() LIMIT 3";
        let ids: Vec<u64> = conn.query(ids).await.unwrap();
        for id in ids {
            // The connection may be gone.
            let _ = conn.query_drop(format!("KILL {what} {id}")).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
    Some(Instant::now())
}

pub async fn kill_connection(scene: &Rc<Scene>) -> Option<Instant> {
    killing(scene, "CONNECTION").await
}

/// Another session holds locks again and again, so that statements last long enough to be killed.
pub async fn kill_query(scene: &Rc<Scene>) -> Option<Instant> {
    let holder = spawn_local(locks::held_again_and_again(Rc::clone(scene)));
    let over = killing(scene, "QUERY").await;
    holder.abort();
    over
}

/// The server becomes a replica for a while.
pub async fn read_only(scene: &Rc<Scene>) -> Option<Instant> {
    scene.sql("SET GLOBAL read_only = ON").await;
    sleep(Duration::from_secs(4)).await;
    scene.sql("SET GLOBAL read_only = OFF").await;
    Some(Instant::now())
}

/// Others take all connections that the server allows, and the service has lost its own.
pub async fn too_many_connections(scene: &Rc<Scene>) -> Option<Instant> {
    // Connected before the service occupies more connections than the new limit allows.
    let mut administrator = scene.connect().await;
    administrator
        .query_drop("SET GLOBAL max_connections = 10")
        .await
        .unwrap();
    let mut others = vec![];
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let ids = "SELECT id FROM information_schema.processlist WHERE user = 'shop'";
        let ids: Vec<u64> = administrator.query(ids).await.unwrap();
        if others.len() < 10 {
            for id in ids {
                let _ = administrator.query_drop(format!("KILL {id}")).await;
            }
            others.extend(scene.try_connect().await);
        }
        sleep(Duration::from_millis(20)).await;
    }
    drop(others);
    administrator
        .query_drop("SET GLOBAL max_connections = 300")
        .await
        .unwrap();
    Some(Instant::now())
}

/// The file system of the data is filled, and emptied again. Meanwhile clients create large rows.
pub async fn disk_full(scene: &Rc<Scene>) -> Option<Instant> {
    let filler = scene.directory.join("data/filler");
    let until = Instant::now() + Duration::from_secs(6);
    let clients = (0..4).map(|_| {
        let scene = Rc::clone(scene);
        spawn_local(async move {
            let mut worker = Worker::new(&scene, Origin::Fault);
            while Instant::now() < until {
                worker.create_product(16_000).await;
            }
        })
    });
    let clients: Vec<JoinHandle<()>> = clients.collect();
    let fill = command("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", filler.display()))
        .output()
        .await
        .unwrap();
    assert!(!fill.status.success(), "the file system is not full");
    for client in clients {
        client.await.unwrap();
    }
    std::fs::remove_file(filler).unwrap();
    Some(Instant::now())
}

/// The tables change, move away and back, and are analysed.
pub async fn ddl(scene: &Rc<Scene>) -> Option<Instant> {
    let mut conn = scene.connect().await;
    scene.is_table_absent.set(true);
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        for sql in [
            "ALTER TABLE products ADD COLUMN extra INT NULL",
            "ANALYZE TABLE cart, products, users",
            "ALTER TABLE products DROP COLUMN extra",
            "RENAME TABLE products TO products_away",
            "RENAME TABLE products_away TO products",
            "ALTER TABLE cart ADD COLUMN extra INT NULL AFTER user_id",
            "ALTER TABLE cart DROP COLUMN extra",
        ] {
            conn.query_drop(sql).await.unwrap();
            sleep(Duration::from_millis(50)).await;
        }
    }
    Some(Instant::now())
}

/// The load pauses until the server has closed idle connections, three times.
pub async fn idle(scene: &Rc<Scene>) -> Option<Instant> {
    let mut over = None;
    for _ in 0..3 {
        scene.is_paused.set(true);
        sleep(Duration::from_secs(3)).await;
        scene.is_paused.set(false);
        over = Some(Instant::now());
        sleep(Duration::from_secs(1)).await;
    }
    over
}

/// The steps of ids change, as in a cluster that grows and shrinks, and connections are replaced.
pub async fn increments(scene: &Rc<Scene>) -> Option<Instant> {
    let mut conn = scene.connect().await;
    for round in 0..25 {
        let (step, offset) = (round % 7 + 1, round % 3 + 1);
        let sql = format!(
            "SET GLOBAL auto_increment_increment = {step}, auto_increment_offset = {offset}"
        );
        conn.query_drop(sql).await.unwrap();
        let ids = "SELECT id FROM information_schema.processlist
                   WHERE user = 'shop' AND command = 'Sleep' ORDER BY RAND() LIMIT 2";
        let ids: Vec<u64> = conn.query(ids).await.unwrap();
        for id in ids {
            let _ = conn.query_drop(format!("KILL {id}")).await;
        }
        sleep(Duration::from_millis(200)).await;
    }
    Some(Instant::now())
}

/// Clients and another session cause errors whose messages are German.
pub async fn german(scene: &Rc<Scene>) -> Option<Instant> {
    let until = Instant::now() + Duration::from_secs(5);
    let mut tasks: Vec<JoinHandle<()>> = vec![];
    for _ in 0..2 {
        tasks.push(spawn_local(mistaken(Rc::clone(scene), until)));
        tasks.push(spawn_local(locks::deadlocking(Rc::clone(scene), until)));
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

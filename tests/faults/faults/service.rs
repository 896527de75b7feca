//! Faults of the service itself, and of its clients.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::ledger::Key;
use crate::scene::Scene;

/// The process is ended in the middle of writes, and started again.
async fn restarted(scene: &Scene, signal: Signal, times: u32) -> Option<Instant> {
    let mut over = None;
    for _ in 0..times {
        sleep(Duration::from_secs(1)).await;
        let mut api = scene.api.lock().await;
        api.end(signal).await;
        api.start().await;
        over = Some(Instant::now());
    }
    over
}

pub async fn killed(scene: &Rc<Scene>) -> Option<Instant> {
    restarted(scene, Signal::KILL, 3).await
}

pub async fn killed_with_private_database(scene: &Rc<Scene>) -> Option<Instant> {
    restarted(scene, Signal::KILL, 10).await
}

pub async fn terminated(scene: &Rc<Scene>) -> Option<Instant> {
    restarted(scene, Signal::TERM, 3).await
}

/// The process's clock jumps to the future and to the past.
pub async fn clock_jump(scene: &Rc<Scene>) -> Option<Instant> {
    let clock = scene.directory.join("clock");
    for difference in ["+7200\n", "-7200\n", "+31536000\n", "+0\n"] {
        // In one step: the process reads the file at any moment.
        let next = clock.with_extension("next");
        std::fs::write(&next, difference).unwrap();
        std::fs::rename(&next, &clock).unwrap();
        sleep(Duration::from_millis(1500)).await;
    }
    Some(Instant::now())
}

/// Clients that send slowly, that do not read, and that leave after they have sent a write.
pub async fn clients(scene: &Rc<Scene>) -> Option<Instant> {
    let until = Instant::now() + Duration::from_secs(5);
    let mut tasks: Vec<JoinHandle<()>> = vec![];
    for _ in 0..30 {
        tasks.push(spawn_local(send_slowly(Rc::clone(scene), until)));
        tasks.push(spawn_local(never_read(Rc::clone(scene), until)));
    }
    for is_whole in [true, false] {
        tasks.push(spawn_local(leave(Rc::clone(scene), until, is_whole)));
    }
    for task in tasks {
        task.await.unwrap();
    }
    Some(Instant::now())
}

/// A request for a product with this title, of which only a part may be sent.
fn creation(scene: &Scene) -> (String, String) {
    let title = format!("product {}", scene.number());
    let body = json!({ "title": title }).to_string();
    let request = format!(
        "POST /api/products HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        scene.address,
        body.len()
    );
    (title, request)
}

/// Sends one byte at a time, and leaves before the end.
async fn send_slowly(scene: Rc<Scene>, until: Instant) {
    let (_, request) = creation(&scene);
    let Ok(mut stream) = TcpStream::connect(scene.address).await else {
        return;
    };
    for byte in request.as_bytes()[..request.len() - 1].chunks(1) {
        if Instant::now() > until || stream.write_all(byte).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Asks for a whole list and reads a few bytes of it.
async fn never_read(scene: Rc<Scene>, until: Instant) {
    let Ok(mut stream) = TcpStream::connect(scene.address).await else {
        return;
    };
    let request = format!("GET /api/cart HTTP/1.1\r\nhost: {}\r\n\r\n", scene.address);
    let _ = stream.write_all(request.as_bytes()).await;
    let mut buffer = [0; 64];
    let _ = stream.read(&mut buffer).await;
    sleep(until.saturating_duration_since(Instant::now())).await;
}

/// Sends writes, or all but the last byte of them, and leaves without reading an answer.
async fn leave(scene: Rc<Scene>, until: Instant, is_whole: bool) {
    while Instant::now() < until {
        let (title, request) = creation(&scene);
        let length = if is_whole {
            request.len()
        } else {
            request.len() - 1
        };
        if is_whole {
            scene.ledger.creation_sent(&Key::Product(title));
        } else {
            scene.ledger.never_sent(&Key::Product(title));
        }
        if let Ok(mut stream) = TcpStream::connect(scene.address).await {
            let _ = stream.write_all(&request.as_bytes()[..length]).await;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

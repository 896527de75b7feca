//! Faults of the service itself.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::time::sleep;

use crate::scene::Scene;

/// The process is killed in the middle of writes, and started again.
async fn killed_often(scene: &Scene, times: u32) -> Option<Instant> {
    let mut over = None;
    for _ in 0..times {
        sleep(Duration::from_secs(1)).await;
        let mut api = scene.api.lock().await;
        api.end(Signal::KILL).await;
        api.start().await;
        over = Some(Instant::now());
    }
    over
}

pub async fn killed(scene: &Rc<Scene>) -> Option<Instant> {
    killed_often(scene, 3).await
}

//! Faults between the service and its database.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::DEADLINE;
use crate::load::Worker;
use crate::proxy::Mode;
use crate::samples::Origin;
use crate::scene::Scene;

/// Longer than the deadline of a request, so that none of those that were sent before is under way at the
/// end.
const LONG: Duration = DEADLINE.saturating_add(Duration::from_secs(2));

/// Sets a mode for a while; the moment of its end.
async fn for_a_while(scene: &Scene, mode: Mode, time: Duration) -> Option<Instant> {
    scene.proxy().set(mode);
    sleep(time).await;
    scene.proxy().set(Mode::Direct);
    Some(Instant::now())
}

/// Each connection falls silent in the middle of the database's next answer.
pub async fn cut_answers(scene: &Rc<Scene>) -> Option<Instant> {
    for_a_while(scene, Mode::CutAnswers, LONG).await
}

/// All connections fall silent for ever, as after the failure of a host or of a router with a list of
/// connections. New ones work after a while.
pub async fn half_open(scene: &Rc<Scene>) -> Option<Instant> {
    scene.proxy().silence_present();
    let over = for_a_while(scene, Mode::Stopped, LONG).await;
    // Those that were opened meanwhile, too.
    scene.proxy().silence_present();
    over
}

/// As [`reset_commits`], and clients send their requests again, with a key.
pub async fn retried_with_key(scene: &Rc<Scene>) -> Option<Instant> {
    scene.proxy().set(Mode::ResetCommits);
    let until = Instant::now() + Duration::from_secs(5);
    let clients = (0..4).map(|number| {
        let scene = Rc::clone(scene);
        spawn_local(async move {
            let mut worker = Worker::new(&scene, Origin::Fault);
            for round in number.. {
                if Instant::now() > until {
                    break;
                }
                worker.create_with_key(round).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    scene.proxy().set(Mode::Direct);
    Some(Instant::now())
}

/// Nothing passes for a while, on the present connections and on new ones; then all is passed on.
pub async fn black_hole(scene: &Rc<Scene>) -> Option<Instant> {
    for_a_while(scene, Mode::Stopped, Duration::from_secs(5)).await
}

/// The database is 60 ms away.
pub async fn far_away(scene: &Rc<Scene>) -> Option<Instant> {
    for_a_while(
        scene,
        Mode::Delayed(Duration::from_millis(30)),
        Duration::from_secs(5),
    )
    .await
}

/// The answers arrive in small pieces.
pub async fn slow(scene: &Rc<Scene>) -> Option<Instant> {
    for_a_while(scene, Mode::Slow, Duration::from_secs(5)).await
}

/// The outcome of commits is unknown.
pub async fn reset_commits(scene: &Rc<Scene>) -> Option<Instant> {
    for_a_while(scene, Mode::ResetCommits, Duration::from_secs(4)).await
}

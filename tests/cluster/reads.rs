//! The price of reads that wait until their node has applied all transactions (`wsrep_sync_wait`).

use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::Method;
use mysql_async::prelude::Queryable;
use tokio::task::spawn_local;

use crate::client::{Client, Outcome};
use crate::cluster::Cluster;
use crate::scene::Scene;

/// The rounds with each value, one after the other: the machine may be busy with something else.
const ROUNDS: usize = 20;
const CLIENTS: usize = 4;
/// The reads of each client in a round, after those that fill the pools.
const READS: usize = 200;
const FIRST_READS: usize = 50;

/// Prints the time of a read through the service with each value, the medians of all rounds.
pub async fn measure(cluster: &Cluster, scene: &Rc<Scene>) {
    let mut times = [vec![], vec![]];
    for _ in 0..ROUNDS {
        for (value, times) in times.iter_mut().enumerate() {
            set(cluster, value).await;
            round(scene, FIRST_READS).await;
            times.push(round(scene, READS).await);
        }
    }
    let [without, with] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1000.0
    });
    println!(
        "{CLIENTS} clients read single products, medians of {ROUNDS} rounds: {without:.2} ms a read, \
         {with:.2} ms with wsrep_sync_wait=1"
    );
}

/// Sets the variable for all sessions of the service, which it opens again.
async fn set(cluster: &Cluster, value: usize) {
    for node in &cluster.nodes {
        let mut conn = node.connect().await.expect("the node runs");
        let sql = format!("SET GLOBAL wsrep_sync_wait = {value}; KILL USER shop");
        conn.query_drop(sql).await.unwrap();
    }
}

/// The mean time of a read.
async fn round(scene: &Rc<Scene>, reads: usize) -> Duration {
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| spawn_local(read(Rc::clone(scene), client, reads)))
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    // The clients read at the same time.
    began.elapsed() / u32::try_from(reads).unwrap()
}

async fn read(scene: Rc<Scene>, client: usize, reads: usize) {
    let mut connection = Client::new(scene.address);
    for number in 0..reads {
        let product = scene.products[(number * CLIENTS + client) % scene.products.len()];
        let path = format!("/api/products/{product}");
        let outcome = connection.send(Method::GET, &path, None).await;
        // A request may be the one that notices that a connection was killed.
        let is_first = reads == FIRST_READS;
        assert!(
            matches!(&outcome, Outcome::Response(response)
                if response.status == 200 || (response.status == 503 && is_first)),
            "{outcome:?}"
        );
    }
}

//! Pages of lists with concurrent requests and writes: each page has the rows and the total of one
//! snapshot, and no request waits for the client of another.

mod clients;
mod concurrent;
mod snapshots;

use tokio::sync::oneshot;

use crate::harness::{ClientResponse, Shop, connections, eventually};

/// The total number of rows of the list that a page belongs to.
fn total(page: &ClientResponse) -> usize {
    let total = page.json()["pagination"]["total"].as_u64().unwrap();
    usize::try_from(total).unwrap()
}

/// Sends requests while `table` is locked. When the lock is released, the first requests wait for the
/// table, and all others are queued to share a query.
async fn while_locked<T>(shop: &Shop, table: &str, requests: impl Future<Output = T>) -> T {
    let lock = format!("LOCK TABLES {table} WRITE");
    let (locked, is_locked) = oneshot::channel();
    let (release, released) = std::sync::mpsc::channel();
    let holding = shop.sql(move |session| {
        session.batch_execute(&lock).unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        session.batch_execute("UNLOCK TABLES").unwrap();
    });
    let requests = async {
        is_locked.await.unwrap();
        let gathering = async {
            eventually("all workers of a list wait for the table", async || {
                let waiting = "state = 'Waiting for table metadata lock'";
                let waiting = shop.sql(move |session| connections(session, waiting));
                waiting.await.len() >= 2
            })
            .await;
            // All requests have been sent by now. When these further requests are complete, the earlier
            // ones have reached the service.
            for _ in 0..20 {
                shop.get("/").await;
            }
            release.send(()).unwrap();
        };
        tokio::join!(requests, gathering).0
    };
    tokio::join!(holding, requests).1
}

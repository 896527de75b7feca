//! Calls that wait together are done together: sixty-four reads of one row each become one
//! statement, and so do as many inserts.
//!
//! A call joins the queue; a few workers take whatever waits, as one batch, and do it with one
//! statement. Under no load a batch is a single call, which waits for nobody. What holds:
//!
//! - A batch begins after each of its calls has arrived, so a read sees all that was written
//!   before it was asked for.
//! - Batches are taken in the order of arrival: a key that everybody asks for delays nobody else.
//! - A caller who leaves takes nothing from the others; one who left before the batch began costs
//!   nothing.
//! - An error reaches all calls of its batch, and no other.
//! - The queue is bounded: who would wait too long is told to come back later at once.
//!
//! Knows nothing of SQL; imports `error` alone.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::error::Error;

/// So many batches are under way at a time: while the database works on one, the other's answers
/// are handed out.
const WORKERS: usize = 2;

/// The most calls of one batch.
pub(super) const MAX_BATCH: usize = 128;

/// The most calls that wait.
const MAX_WAITING: usize = 16 * 1024;

/// How long a batch may take before its callers are told to come back later. It runs on by itself:
/// a query is never cancelled (see `db`).
const TIMEOUT: Duration = Duration::from_secs(25);

/// Does a batch: one result for each key, in the order of the keys.
type Work<K, T> = dyn Fn(Vec<K>) -> BoxFuture<'static, Result<Vec<T>, Error>> + Send + Sync;

/// Calls of one kind, by a key, to be done together.
pub(super) struct Coalescer<K, T> {
    shared: Arc<Shared<K, T>>,
}

struct Shared<K, T> {
    work: Box<Work<K, T>>,
    queue: Mutex<Queue<K, T>>,
}

struct Queue<K, T> {
    waiting: VecDeque<Call<K, T>>,
    workers: usize,
}

struct Call<K, T> {
    key: K,
    caller: oneshot::Sender<Result<T, Error>>,
}

impl<K: Copy + Send + 'static, T: Send + 'static> Coalescer<K, T> {
    /// Calls that `work` does: for a batch of keys it gives as many results, in their order.
    pub(super) fn new<W, F>(work: W) -> Self
    where
        W: Fn(Vec<K>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<T>, Error>> + Send + 'static,
    {
        Self {
            shared: Arc::new(Shared {
                work: Box::new(move |keys| work(keys).boxed()),
                queue: Mutex::new(Queue {
                    waiting: VecDeque::new(),
                    workers: 0,
                }),
            }),
        }
    }

    /// The result for `key`.
    ///
    /// # Errors
    /// That of the batch; `Busy` when too many calls wait, `Unavailable` when the batch takes too long.
    pub(super) async fn call(&self, key: K) -> Result<T, Error> {
        let (caller, result) = oneshot::channel();
        let is_worker_needed = {
            let mut queue = self.shared.queue();
            if queue.waiting.len() >= MAX_WAITING {
                return Err(Error::Busy("too many calls wait for a batch"));
            }
            queue.waiting.push_back(Call { key, caller });
            let is_needed = queue.workers < WORKERS;
            queue.workers += usize::from(is_needed);
            is_needed
        };
        if is_worker_needed {
            tokio::spawn(work(Arc::clone(&self.shared)));
        }
        match result.await {
            Ok(result) => result,
            Err(_) => Err(Error::Busy("the process is stopping")),
        }
    }
}

impl<K, T> Shared<K, T> {
    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch; with none, the worker that asks is no more.
    fn next_batch(&self) -> Option<Vec<Call<K, T>>> {
        let mut queue = self.queue();
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH
            && let Some(call) = queue.waiting.pop_front()
        {
            if !call.caller.is_closed() {
                batch.push(call);
            }
        }
        if batch.is_empty() {
            // Under the same lock under which calls arrive: none can come in between unseen.
            queue.workers -= 1;
            return None;
        }
        Some(batch)
    }
}

/// Does batches until nobody waits.
async fn work<K: Copy + Send + 'static, T: Send + 'static>(shared: Arc<Shared<K, T>>) {
    while let Some(batch) = shared.next_batch() {
        let keys: Vec<K> = batch.iter().map(|call| call.key).collect();
        let expected = keys.len();
        let shared = Arc::clone(&shared);
        // Begun within, where a panic is caught.
        let work = async move { (shared.work)(keys).await };
        let results = in_time(work).await.and_then(|results| {
            if results.len() == expected {
                Ok(results)
            } else {
                Err(Error::Internal("a batch lost some of its results".into()))
            }
        });
        match results {
            // Who has left by now misses nothing.
            Ok(results) => {
                for (call, result) in batch.into_iter().zip(results) {
                    let _ = call.caller.send(Ok(result));
                }
            }
            Err(error) => {
                for call in batch {
                    let _ = call.caller.send(Err(error.share()));
                }
            }
        }
    }
}

/// The work's result, also when it panics or takes too long.
async fn in_time<T: Send + 'static>(
    work: impl Future<Output = Result<Vec<T>, Error>> + Send + 'static,
) -> Result<Vec<T>, Error> {
    let mut work = AssertUnwindSafe(work).catch_unwind().boxed();
    match tokio::time::timeout(TIMEOUT, &mut work).await {
        Ok(Ok(results)) => results,
        Ok(Err(_panic)) => Err(Error::Internal("a batch panicked".into())),
        Err(_) => {
            tokio::spawn(work);
            Err(Error::Unavailable("the database takes too long".into()))
        }
    }
}

#[cfg(test)]
mod tests;

//! Executes concurrent calls of one kind in batches: sixty-four reads of one row each become one
//! statement, and so do sixty-four inserts.
//!
//! Each call joins a queue. A few workers take the waiting calls as one batch and execute it with
//! one statement. Without load a batch is a single call, which does not wait. Guarantees:
//!
//! - A batch begins after each of its calls has arrived, so that a read sees everything that was
//!   written before the call.
//! - Batches are taken in the order of arrival: many calls with one key do not delay calls with
//!   another.
//! - A caller that is dropped does not affect the others. If it is dropped before its batch begins,
//!   its call is not executed.
//! - An error reaches all calls of its batch, and no others.
//! - The queue is bounded: a call that finds it full fails at once.
//!
//! Imports `deadlines` and `error`; knows nothing of SQL. Each call gets the result for its key, so
//! the key must contain everything that decides what the caller may see (see `scope`).

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::deadlines;
use crate::error::Error;

/// How many batches run at a time: while the database executes one, the results of the other are
/// delivered.
const WORKERS: usize = 2;

/// The most calls in one batch.
pub(super) const MAX_BATCH: usize = 128;

/// The most calls that may wait.
const MAX_WAITING: usize = 16 * 1024;

/// Runs a batch: one result for each key, in the order of the keys.
type Work<K, T> = dyn Fn(Vec<K>) -> BoxFuture<'static, Result<Vec<T>, Error>> + Send + Sync;

/// Executes calls of one kind in batches. Each call has a key.
pub(super) struct Coalescer<K, T> {
    state: Arc<State<K, T>>,
}

/// What callers and workers share.
struct State<K, T> {
    work: Box<Work<K, T>>,
    queue: Mutex<Queue<K, T>>,
}

struct Queue<K, T> {
    waiting: VecDeque<Call<K, T>>,
    workers: usize,
}

struct Call<K, T> {
    key: K,
    result: oneshot::Sender<Result<T, Error>>,
}

impl<K: Copy + Send + 'static, T: Send + 'static> Coalescer<K, T> {
    /// A coalescer that executes each batch with `work`, which returns one result for each key, in
    /// the order of the keys.
    pub(super) fn new<W, F>(work: W) -> Self
    where
        W: Fn(Vec<K>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<T>, Error>> + Send + 'static,
    {
        Self {
            state: Arc::new(State {
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
        let (sender, result) = oneshot::channel();
        let is_worker_needed = {
            let mut queue = self.state.queue();
            if queue.waiting.len() >= MAX_WAITING {
                return Err(Error::Busy("too many calls wait for a batch"));
            }
            queue.waiting.push_back(Call {
                key,
                result: sender,
            });
            let is_needed = queue.workers < WORKERS;
            queue.workers += usize::from(is_needed);
            is_needed
        };
        if is_worker_needed {
            tokio::spawn(run_worker(Arc::clone(&self.state)));
        }
        match result.await {
            Ok(result) => result,
            Err(_) => Err(Error::Busy("the process is stopping")),
        }
    }
}

impl<K, T> State<K, T> {
    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch of a worker; `None` when no call waits, which ends the worker.
    fn next_batch(&self) -> Option<Vec<Call<K, T>>> {
        let mut queue = self.queue();
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH
            && let Some(call) = queue.waiting.pop_front()
        {
            if !call.result.is_closed() {
                batch.push(call);
            }
        }
        if batch.is_empty() {
            // Calls arrive under the same lock, so that none can arrive unnoticed in between.
            queue.workers -= 1;
            return None;
        }
        Some(batch)
    }
}

/// Runs a worker, which executes batches until no call waits.
async fn run_worker<K: Copy + Send + 'static, T: Send + 'static>(state: Arc<State<K, T>>) {
    while let Some(batch) = state.next_batch() {
        let keys: Vec<K> = batch.iter().map(|call| call.key).collect();
        let expected = keys.len();
        let state = Arc::clone(&state);
        // Within a future, so that a panic while `work` is called is caught too.
        let work = async move { (state.work)(keys).await };
        let results = within_timeout(work).await.and_then(|results| {
            if results.len() == expected {
                Ok(results)
            } else {
                Err(Error::Internal("a batch lost some of its results".into()))
            }
        });
        match results {
            // Sending fails if the caller was dropped meanwhile.
            Ok(results) => {
                for (call, result) in batch.into_iter().zip(results) {
                    let _ = call.result.send(Ok(result));
                }
            }
            Err(error) => {
                for call in batch {
                    let _ = call.result.send(Err(error.share()));
                }
            }
        }
    }
}

/// The result of `work`; an error when it panics or takes too long.
async fn within_timeout<T: Send + 'static>(
    work: impl Future<Output = Result<Vec<T>, Error>> + Send + 'static,
) -> Result<Vec<T>, Error> {
    let mut work = AssertUnwindSafe(work).catch_unwind().boxed();
    match tokio::time::timeout(deadlines::BATCH, &mut work).await {
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

//! Calls that wait at the same time are done together: sixty-four reads of one row each become one
//! statement, and so do as many inserts.
//!
//! A call joins the queue. A few workers take what waits as one batch, and do it with one statement.
//! Without load a batch is a single call, which waits for no other. What holds:
//!
//! - A batch begins after each of its calls has arrived, so that a read sees all that was written
//!   before it was called.
//! - Batches are taken in the order of arrival: many calls with one key do not delay calls with
//!   another.
//! - A caller that is dropped takes nothing from the others. One that is dropped before its batch
//!   begins costs nothing.
//! - An error reaches all calls of its batch, and no others.
//! - The queue is bounded: a call that finds it full fails at once.
//!
//! Knows nothing of SQL; imports `error` alone. Each call is answered under its own key, which
//! therefore contains everything that decides what its caller may see (see `scope`).

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::deadlines;
use crate::error::Error;

/// How many batches are under way at a time: while the database works on one, the results of the
/// other are handed out.
const WORKERS: usize = 2;

/// How many calls a batch has at most.
pub(super) const MAX_BATCH: usize = 128;

/// How many calls wait at most.
const MAX_WAITING: usize = 16 * 1024;

/// Runs a batch: one result for each key, in the order of the keys.
type Work<K, T> = dyn Fn(Vec<K>) -> BoxFuture<'static, Result<Vec<T>, Error>> + Send + Sync;

/// Does calls of one kind together, each with a key.
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
    /// A coalescer whose batches `work` does: for some keys it returns as many results, in their order.
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
            tokio::spawn(work(Arc::clone(&self.state)));
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

    /// The next batch; `None` when no call waits, which ends the worker that asks.
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
            // Under the lock under which calls arrive: no call can arrive unseen in between.
            queue.workers -= 1;
            return None;
        }
        Some(batch)
    }
}

/// A worker: does batches until no call waits.
async fn work<K: Copy + Send + 'static, T: Send + 'static>(state: Arc<State<K, T>>) {
    while let Some(batch) = state.next_batch() {
        let keys: Vec<K> = batch.iter().map(|call| call.key).collect();
        let expected = keys.len();
        let state = Arc::clone(&state);
        // In a future, so that a panic of the call itself is caught too.
        let work = async move { (state.work)(keys).await };
        let results = within_timeout(work).await.and_then(|results| {
            if results.len() == expected {
                Ok(results)
            } else {
                Err(Error::Internal("a batch lost some of its results".into()))
            }
        });
        match results {
            // Sending fails where the caller was dropped meanwhile.
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

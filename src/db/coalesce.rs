//! Executes concurrent calls of one kind in batches: sixty-four reads of one row each become one
//! statement, and so do sixty-four inserts.
//!
//! Each call joins a queue. A worker takes the waiting calls as one batch and executes it with one
//! statement. How many batches of a kind are under way at a time:
//!
//! - **Two** always: while the database executes one, the results of the other are delivered.
//! - **More** while the database is far away (see `allowance`): a batch needs little processor time
//!   then and waits for the network for most of its time.
//! - A batch beyond the second begins when its share of the load waits: the average number of calls
//!   in progress, divided by the number of allowed batches. Under light load one call is enough, so
//!   that no call waits for the round trip of another. Under heavy load the batches stay large.
//!
//! Under light load a call that begins a batch executes it in the task of its caller, because a
//! lone read would lose a twentieth of its time by waking another task. Under heavy load a worker
//! starts a moment later, when more calls wait. A batch always runs to its end.
//! Guarantees:
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
//! Imports `error` and `metrics`; knows nothing of SQL. Each call gets the result for its key, so
//! the key must contain everything that decides what the caller may see (see `scope`).

mod allowance;
mod detached;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;
use crate::metrics::{self, observe_size};

pub(super) use allowance::Allowance;
use detached::RunsToEnd;

/// How many batches of one kind may always be under way.
const MIN_BATCHES: usize = 2;

/// The most calls in one batch.
pub(super) const MAX_BATCH: usize = 128;

/// The most calls that may wait.
const MAX_WAITING: usize = 16 * 1024;

/// Up to this average number of calls in progress the load is light.
const LIGHT_LOAD: f32 = 2.0;

/// The weight of one arrival in the average of the load: 1 / this.
const LOAD_WINDOW: f32 = 16.0;

/// Runs a batch: one result for each key, in the order of the keys.
type Work<K, T> = dyn Fn(Vec<K>) -> BoxFuture<'static, Result<Vec<T>, Error>> + Send + Sync;

/// Whether the batches of a coalescer measure how far away the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// A batch is one statement that reads.
    Yes,
    /// A batch has several round trips, or waits for the database's disk.
    No,
}

/// Executes calls of one kind in batches. Each call has a key.
pub(super) struct Coalescer<K, T> {
    state: Arc<State<K, T>>,
}

/// What callers and workers share.
struct State<K, T> {
    work: Box<Work<K, T>>,
    allowance: Arc<Allowance>,
    measured: Measured,
    /// How long a batch may take until its callers are told to try again.
    limit: Duration,
    metrics: metrics::Batch,
    queue: Mutex<Queue<K, T>>,
}

struct Queue<K, T> {
    waiting: VecDeque<Call<K, T>>,
    /// The number of workers, which is the number of batches under way.
    workers: usize,
    /// The number of calls in these batches.
    executing: usize,
    /// The average number of calls in progress, waiting or executing, at the last arrivals.
    load: f32,
}

struct Call<K, T> {
    key: K,
    arrived: Instant,
    result: oneshot::Sender<Result<T, Error>>,
}

impl<K: Copy + Send + 'static, T: Send + 'static> Coalescer<K, T> {
    /// A coalescer that executes each batch with `work`, which returns one result for each key, in
    /// the order of the keys. `allowance` is that of all coalescers that use the same connections, `limit`
    /// the time after which the callers of a batch are told to try again.
    pub(super) fn new<W, F>(
        allowance: &Arc<Allowance>,
        measured: Measured,
        limit: Duration,
        work: W,
    ) -> Self
    where
        W: Fn(Vec<K>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<T>, Error>> + Send + 'static,
    {
        Self {
            state: Arc::new(State {
                work: Box::new(move |keys| work(keys).boxed()),
                allowance: Arc::clone(allowance),
                measured,
                limit,
                metrics: metrics::Batch::default(),
                queue: Mutex::new(Queue {
                    waiting: VecDeque::new(),
                    workers: 0,
                    executing: 0,
                    load: 0.0,
                }),
            }),
        }
    }

    /// Observes the batches in `metrics`. To be called before the first call.
    pub(super) fn counted_in(mut self, metrics: metrics::Batch) -> Self {
        let state = Arc::get_mut(&mut self.state);
        state.expect("only calls share the state").metrics = metrics;
        self
    }

    /// The result for `key`.
    ///
    /// # Errors
    /// That of the batch; `Busy` when too many calls wait, `Unavailable` when the batch takes too long.
    pub(super) async fn call(&self, key: K) -> Result<T, Error> {
        let (sender, result) = oneshot::channel();
        let call = Call {
            key,
            arrived: Instant::now(),
            result: sender,
        };
        match self.state.enqueue(call)? {
            Step::Wait => {}
            Step::Execute(batch) => {
                RunsToEnd::new(run_first(Arc::clone(&self.state), batch)).await;
            }
            Step::StartWorker => {
                tokio::spawn(run_worker(Arc::clone(&self.state)));
            }
        }
        match result.await {
            Ok(result) => result,
            Err(_) => Err(Error::Busy("the process is stopping")),
        }
    }
}

/// What a call has to do after it has joined the queue.
enum Step<K, T> {
    /// Wait for a batch under way to end.
    Wait,
    /// Execute a batch that contains only this call.
    Execute(Vec<Call<K, T>>),
    /// Start another worker, which takes the waiting calls.
    StartWorker,
}

impl<K, T> State<K, T> {
    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call wait, and begins another batch if one is due.
    fn enqueue(&self, call: Call<K, T>) -> Result<Step<K, T>, Error> {
        let mut queue = self.queue();
        if queue.waiting.len() >= MAX_WAITING {
            return Err(Error::Busy("too many calls wait for a batch"));
        }
        queue.waiting.push_back(call);
        queue.measure_load();
        if !queue.is_batch_due(queue.workers, self.allowance.batches())
            || !self.allowance.try_begin(queue.workers)
        {
            return Ok(Step::Wait);
        }
        queue.workers += 1;
        Ok(if queue.waiting.len() == 1 && queue.load <= LIGHT_LOAD {
            Step::Execute(queue.take())
        } else {
            Step::StartWorker
        })
    }

    /// The next batch of a worker; `None` ends the worker.
    fn next_batch(&self) -> Option<Vec<Call<K, T>>> {
        let mut queue = self.queue();
        if queue.is_batch_due(queue.workers - 1, self.allowance.batches()) {
            let batch = queue.take();
            if !batch.is_empty() {
                return Some(batch);
            }
        }
        self.end_worker(&mut queue);
        None
    }

    /// Whether a worker has another batch to execute; otherwise the worker has ended.
    fn has_next_batch(&self) -> bool {
        let mut queue = self.queue();
        let is_due = queue.is_batch_due(queue.workers - 1, self.allowance.batches());
        if !is_due {
            self.end_worker(&mut queue);
        }
        is_due
    }

    /// Calls arrive under the lock of the queue, so that none arrives unnoticed before this.
    fn end_worker(&self, queue: &mut Queue<K, T>) {
        queue.workers -= 1;
        self.allowance.end();
    }
}

impl<K, T> Queue<K, T> {
    /// Takes the next calls whose callers still wait.
    fn take(&mut self) -> Vec<Call<K, T>> {
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH
            && let Some(call) = self.waiting.pop_front()
        {
            if !call.result.is_closed() {
                batch.push(call);
            }
        }
        self.executing += batch.len();
        batch
    }

    #[expect(clippy::cast_precision_loss, reason = "an average of small numbers")]
    fn measure_load(&mut self) {
        let in_progress = (self.waiting.len() + self.executing) as f32;
        self.load += (in_progress - self.load) / LOAD_WINDOW;
    }

    /// Whether a batch of the waiting calls should begin while `others` are under way.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn is_batch_due(&self, others: usize, allowed: usize) -> bool {
        let is_share_of_load = (self.waiting.len() * allowed) as f32 >= self.load;
        !self.waiting.is_empty() && (others < MIN_BATCHES || (others < allowed && is_share_of_load))
    }
}

/// Executes the batch of one call in the task of its caller. A worker executes later batches.
async fn run_first<K, T>(state: Arc<State<K, T>>, batch: Vec<Call<K, T>>)
where
    K: Copy + Send + 'static,
    T: Send + 'static,
{
    run_batch(&state, batch).await;
    if state.has_next_batch() {
        tokio::spawn(run_worker(state));
    }
}

/// Runs a worker, which executes batches while one is due.
async fn run_worker<K, T>(state: Arc<State<K, T>>)
where
    K: Copy + Send + 'static,
    T: Send + 'static,
{
    while let Some(batch) = state.next_batch() {
        run_batch(&state, batch).await;
    }
}

/// Executes a batch and delivers its results.
async fn run_batch<K, T>(state: &Arc<State<K, T>>, batch: Vec<Call<K, T>>)
where
    K: Copy + Send + 'static,
    T: Send + 'static,
{
    let keys: Vec<K> = batch.iter().map(|call| call.key).collect();
    let expected = keys.len();
    let owned = Arc::clone(state);
    let started = Instant::now();
    observe_size(&state.metrics.calls, expected);
    for call in &batch {
        let waited = started.duration_since(call.arrived);
        state.metrics.waits.observe(waited.as_secs_f64());
    }
    // Within a future, so that a panic while `work` is called is caught too.
    let work = async move { (owned.work)(keys).await };
    let results = within_timeout(state.limit, work).await.and_then(|results| {
        if results.len() == expected {
            Ok(results)
        } else {
            Err(Error::Internal("a batch lost some of its results".into()))
        }
    });
    state.queue().executing -= expected;
    match results {
        Ok(results) => {
            if state.measured == Measured::Yes {
                state.allowance.measure(started.elapsed());
            }
            // Sending fails if the caller was dropped meanwhile.
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

/// The result of `work`; an error when it panics or takes too long.
async fn within_timeout<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = Result<Vec<T>, Error>> + Send + 'static,
) -> Result<Vec<T>, Error> {
    let mut work = AssertUnwindSafe(work).catch_unwind().boxed();
    match tokio::time::timeout(limit, &mut work).await {
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

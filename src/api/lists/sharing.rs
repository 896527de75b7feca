//! Concurrent requests for the same list share one query.
//!
//! Whole lists are requested often and are the most expensive responses of the service. If no query for
//! a list is running, a request starts one at once. Otherwise the request waits briefly, and shares the
//! next query with all requests that arrive in that time. The query begins after all of its requests
//! have arrived, so that each response contains everything that was written before its request.
//!
//! A subscriber that receives chunks more slowly than the others delays them once, briefly. After that a
//! query of its own continues the list, after the last row that the subscriber received. Its response
//! then has rows of two snapshots, but each row occurs at most once, and the rows are ordered by id.
//!
//! Imports nothing else of the crate.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Instrument;

/// How long after its end a query counts as recent. Clients that request a list in a loop send the next
/// request within this time.
const RECENT: Duration = Duration::from_millis(5);

/// How long a request waits for others while a query for the list is running. The number divides the
/// duration of the last query; the result is the time to wait, but at most the duration here.
const WAIT_WHILE_RUNNING: (u32, Duration) = (4, Duration::from_millis(100));

/// How long a request waits for others after a recent query for the list. The numbers have the same
/// meaning as those of [`WAIT_WHILE_RUNNING`].
const WAIT_AFTER_RECENT: (u32, Duration) = (8, Duration::from_millis(2));

/// The running queries of each list, and the subscribers that wait for the next one.
pub(super) struct SharedQueries<K, S> {
    lists: Arc<Mutex<HashMap<K, ListQueries<S>>>>,
}

impl<K, S> Clone for SharedQueries<K, S> {
    fn clone(&self) -> Self {
        Self {
            lists: Arc::clone(&self.lists),
        }
    }
}

/// The queries of one list.
struct ListQueries<S> {
    /// The number of running queries.
    running: usize,
    /// The number of queries that ended within [`RECENT`].
    recent: usize,
    /// The subscribers of the next query.
    waiting: Vec<S>,
    /// The duration of the last query.
    last_duration: Duration,
}

impl<S> Default for ListQueries<S> {
    fn default() -> Self {
        Self {
            running: 0,
            recent: 0,
            waiting: Vec::new(),
            last_duration: Duration::ZERO,
        }
    }
}

impl<S> ListQueries<S> {
    /// How long the first subscriber of the next query waits for others.
    fn wait(&self) -> Duration {
        let (divisor, longest) = match (self.running, self.recent) {
            (0, 0) => return Duration::ZERO,
            (0, _) => WAIT_AFTER_RECENT,
            _ => WAIT_WHILE_RUNNING,
        };
        longest.min(self.last_duration / divisor)
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, S: Send + 'static> SharedQueries<K, S> {
    pub(super) fn new() -> Self {
        Self {
            lists: Arc::default(),
        }
    }

    /// Adds `subscriber` to the next query of the list `key`. The query calls `read` with all of its
    /// subscribers.
    pub(super) fn join<F>(
        &self,
        key: K,
        subscriber: S,
        read: impl FnOnce(Vec<S>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let wait = {
            let mut lists = self.lists();
            let list = lists.entry(key.clone()).or_default();
            list.waiting.push(subscriber);
            if list.waiting.len() > 1 {
                // The first subscriber has started the task of this query.
                return;
            }
            list.wait()
        };
        let queries = self.clone();
        let task = async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let subscribers = queries.start(&key);
            let query = RunningQuery {
                queries,
                key,
                started: Instant::now(),
            };
            // In a separate task, so that a panic does not prevent the lines below.
            let _ = tokio::spawn(read(subscribers).in_current_span()).await;
            query.finish();
            tokio::time::sleep(RECENT).await;
            query.forget();
        };
        tokio::spawn(task.in_current_span());
    }

    /// Starts a query, with all waiting subscribers.
    fn start(&self, key: &K) -> Vec<S> {
        let mut lists = self.lists();
        let list = lists.entry(key.clone()).or_default();
        list.running += 1;
        std::mem::take(&mut list.waiting)
    }
}

impl<K, S> SharedQueries<K, S> {
    fn lists(&self) -> MutexGuard<'_, HashMap<K, ListQueries<S>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query that was started, until it is no longer recent.
struct RunningQuery<K, S> {
    queries: SharedQueries<K, S>,
    key: K,
    started: Instant,
}

impl<K: Eq + Hash, S> RunningQuery<K, S> {
    /// Counts the query as recent instead of running.
    fn finish(&self) {
        if let Some(list) = self.queries.lists().get_mut(&self.key) {
            list.last_duration = self.started.elapsed();
            list.running -= 1;
            list.recent += 1;
        }
    }

    /// Removes the query, and its list if the list has no other queries.
    fn forget(self) {
        let mut lists = self.queries.lists();
        if let Some(list) = lists.get_mut(&self.key) {
            list.recent -= 1;
            if list.running + list.recent == 0 && list.waiting.is_empty() {
                lists.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    use super::*;

    const DURATION: Duration = Duration::from_millis(80);

    /// Subscribes to a query that takes [`DURATION`]. When the query starts, `started` receives its
    /// subscribers.
    fn join(
        queries: &SharedQueries<&'static str, u32>,
        subscriber: u32,
        started: &mpsc::UnboundedSender<Vec<u32>>,
    ) {
        let started = started.clone();
        queries.join("list", subscriber, async move |subscribers| {
            started.send(subscribers).unwrap();
            sleep(DURATION).await;
        });
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_running_query_a_query_starts_at_once() {
        let (queries, (started, mut subscribers)) =
            (SharedQueries::new(), mpsc::unbounded_channel());
        let requested = tokio::time::Instant::now();
        join(&queries, 1, &started);
        assert_eq!(subscribers.recv().await.unwrap(), [1]);
        assert_eq!(requested.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_arrive_during_a_query_share_the_next_one() {
        let (queries, (started, mut subscribers)) =
            (SharedQueries::new(), mpsc::unbounded_channel());
        join(&queries, 1, &started);
        assert_eq!(subscribers.recv().await.unwrap(), [1]);
        sleep(DURATION + RECENT / 2).await;
        // The duration of the first query is known, and the query is recent.
        join(&queries, 1, &started);
        join(&queries, 2, &started);
        assert_eq!(subscribers.recv().await.unwrap(), [1, 2]);
        join(&queries, 3, &started);
        sleep(Duration::from_millis(1)).await;
        join(&queries, 4, &started);
        assert_eq!(subscribers.recv().await.unwrap(), [3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_has_started_accepts_no_more_subscribers() {
        let (queries, (started, mut subscribers)) =
            (SharedQueries::new(), mpsc::unbounded_channel());
        join(&queries, 1, &started);
        assert_eq!(subscribers.recv().await.unwrap(), [1]);
        join(&queries, 2, &started);
        assert_eq!(subscribers.recv().await.unwrap(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_without_queries_is_forgotten_even_after_a_panic() {
        let (queries, (started, mut subscribers)) =
            (SharedQueries::new(), mpsc::unbounded_channel());
        queries.join("list", 1, async |_| panic!("as a test"));
        sleep(RECENT / 2).await;
        join(&queries, 2, &started);
        assert_eq!(subscribers.recv().await.unwrap(), [2]);
        sleep(DURATION + 2 * RECENT).await;
        assert!(queries.lists().is_empty());
    }
}

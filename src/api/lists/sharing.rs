//! Concurrent requests for the same list share one query.
//!
//! Whole lists are what the clients of a shop ask for again and again, and the most expensive thing
//! there is. A request for a list that is not being read is served at once. While the list is being
//! read, a request waits for a moment and shares a new query with all that arrive meanwhile: the
//! query begins after each of them has arrived, so that each sees all that was written before.
//!
//! A subscriber that takes its chunks more slowly than the others delays them once, for a moment;
//! then it goes on with a query of its own, which begins after the last row that it was sent. Its
//! list is of two moments then; every row is still in it at most once, and in the order of the ids.
//!
//! Imports nothing of this crate.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Instrument;

/// How long the end of a reading is remembered: clients ask for the same list again at once.
const LINGER: Duration = Duration::from_millis(5);

/// How long a request waits for others while the list is being read: as a fraction of the time that
/// the list took the last time, and at most.
const WAIT_BESIDE: (u32, Duration) = (4, Duration::from_millis(100));
/// The same wait when the list has just been read.
const WAIT_AFTER: (u32, Duration) = (8, Duration::from_millis(2));

/// The lists that are being read, and the subscribers that wait for the next reading of each.
pub(super) struct Sharing<K, W> {
    lists: Arc<Mutex<HashMap<K, Readings<W>>>>,
}

impl<K, W> Clone for Sharing<K, W> {
    fn clone(&self) -> Self {
        Self {
            lists: Arc::clone(&self.lists),
        }
    }
}

/// The readings of one list.
struct Readings<W> {
    under_way: usize,
    /// Readings that have ended a moment ago.
    lingering: usize,
    waiting: Vec<W>,
    /// How long the last one took.
    last_took: Duration,
}

impl<W> Default for Readings<W> {
    fn default() -> Self {
        Self {
            under_way: 0,
            lingering: 0,
            waiting: Vec::new(),
            last_took: Duration::ZERO,
        }
    }
}

impl<W> Readings<W> {
    /// How long the first waiting subscriber waits for others.
    fn wait(&self) -> Duration {
        let (share, longest) = match (self.under_way, self.lingering) {
            (0, 0) => return Duration::ZERO,
            (0, _) => WAIT_AFTER,
            _ => WAIT_BESIDE,
        };
        longest.min(self.last_took / share)
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, W: Send + 'static> Sharing<K, W> {
    pub(super) fn new() -> Self {
        Self {
            lists: Arc::default(),
        }
    }

    /// Adds `subscriber` to the next reading of the list `key`, which calls `read` with all that have
    /// joined it.
    pub(super) fn join<F>(
        &self,
        key: K,
        subscriber: W,
        read: impl FnOnce(Vec<W>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let wait = {
            let mut lists = self.lists();
            let readings = lists.entry(key.clone()).or_default();
            readings.waiting.push(subscriber);
            if readings.waiting.len() > 1 {
                // The task of the first one does the rest.
                return;
            }
            readings.wait()
        };
        let sharing = self.clone();
        let reading = async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let subscribers = sharing.begin(&key);
            let reading = Reading {
                sharing,
                key,
                began: Instant::now(),
            };
            // In a task of its own, so that the reading ends also when it panics.
            let _ = tokio::spawn(read(subscribers).in_current_span()).await;
            reading.linger();
            tokio::time::sleep(LINGER).await;
            reading.end();
        };
        tokio::spawn(reading.in_current_span());
    }

    fn begin(&self, key: &K) -> Vec<W> {
        let mut lists = self.lists();
        let readings = lists.entry(key.clone()).or_default();
        readings.under_way += 1;
        std::mem::take(&mut readings.waiting)
    }
}

impl<K, W> Sharing<K, W> {
    fn lists(&self) -> MutexGuard<'_, HashMap<K, Readings<W>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reading that has begun.
struct Reading<K, W> {
    sharing: Sharing<K, W>,
    key: K,
    began: Instant,
}

impl<K: Eq + Hash, W> Reading<K, W> {
    fn linger(&self) {
        if let Some(readings) = self.sharing.lists().get_mut(&self.key) {
            readings.last_took = self.began.elapsed();
            readings.under_way -= 1;
            readings.lingering += 1;
        }
    }

    fn end(self) {
        let mut lists = self.sharing.lists();
        if let Some(readings) = lists.get_mut(&self.key) {
            readings.lingering -= 1;
            if readings.under_way + readings.lingering == 0 && readings.waiting.is_empty() {
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

    const TOOK: Duration = Duration::from_millis(80);

    /// Joins a reading that takes [`TOOK`]; when it begins, `began` receives its subscribers.
    fn join(
        sharing: &Sharing<&'static str, u32>,
        subscriber: u32,
        began: &mpsc::UnboundedSender<Vec<u32>>,
    ) {
        let began = began.clone();
        sharing.join("list", subscriber, async move |subscribers| {
            began.send(subscribers).unwrap();
            sleep(TOOK).await;
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_not_being_read_is_read_at_once() {
        let (sharing, (began, mut readings)) = (Sharing::new(), mpsc::unbounded_channel());
        let asked = tokio::time::Instant::now();
        join(&sharing, 1, &began);
        assert_eq!(readings.recv().await.unwrap(), [1]);
        assert_eq!(asked.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_arrive_while_a_list_is_read_share_the_next_reading() {
        let (sharing, (began, mut readings)) = (Sharing::new(), mpsc::unbounded_channel());
        join(&sharing, 1, &began);
        assert_eq!(readings.recv().await.unwrap(), [1]);
        sleep(TOOK + LINGER / 2).await;
        // The duration is known now, and the list has just been read.
        join(&sharing, 1, &began);
        join(&sharing, 2, &began);
        assert_eq!(readings.recv().await.unwrap(), [1, 2]);
        join(&sharing, 3, &began);
        sleep(Duration::from_millis(1)).await;
        join(&sharing, 4, &began);
        assert_eq!(readings.recv().await.unwrap(), [3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_has_begun_takes_no_more_subscribers() {
        let (sharing, (began, mut readings)) = (Sharing::new(), mpsc::unbounded_channel());
        join(&sharing, 1, &began);
        assert_eq!(readings.recv().await.unwrap(), [1]);
        join(&sharing, 2, &began);
        assert_eq!(readings.recv().await.unwrap(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_no_longer_read_leaves_nothing_behind_also_after_a_panic() {
        let (sharing, (began, mut readings)) = (Sharing::new(), mpsc::unbounded_channel());
        sharing.join("list", 1, async |_| panic!("as a test"));
        sleep(LINGER / 2).await;
        join(&sharing, 2, &began);
        assert_eq!(readings.recv().await.unwrap(), [2]);
        sleep(TOOK + 2 * LINGER).await;
        assert!(sharing.lists().is_empty());
    }
}

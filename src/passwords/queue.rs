//! The queue of passwords that wait to be hashed.
//!
//! Imports `budget`, `clients`, `deadlines` and `error`.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::budget::{Budget, Reasons};
use crate::clients::Network;
use crate::deadlines;
use crate::error::Error;

/// How many passwords may wait for each thread: about as many as it hashes within
/// [`deadlines::PASSWORD_QUEUE`].
const WAITING_PER_THREAD: usize = 64;

/// Why a password is not hashed.
const REASONS: Reasons = Reasons {
    whole: "too many passwords wait to be hashed",
    share: "too many passwords of one network wait to be hashed",
};

/// Limits how much is hashed at a time, and how many callers wait.
pub(super) struct Queue {
    /// One permit for each thread.
    threads: Arc<Semaphore>,
    /// One unit for each caller, whether it waits or its password is being hashed.
    callers: Budget,
}

impl Queue {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            callers: Budget::new(threads * (1 + WAITING_PER_THREAD), REASONS),
        }
    }

    /// Runs `work` for a client in `network` on a blocking thread when one is free. `None` stands for a
    /// client without a limit of its own.
    ///
    /// # Errors
    /// [`Error::Busy`] at once when too many callers wait, in all or of the network, and for a caller that has waited for too
    /// long; [`Error::Internal`] when `work` panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        network: Option<Network>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let _caller = self.callers.take(network)?;
        let thread = Arc::clone(&self.threads).acquire_owned();
        let Ok(thread) = tokio::time::timeout(deadlines::PASSWORD_QUEUE, thread).await else {
            return Err(Error::Busy(REASONS.whole));
        };
        let thread = thread.map_err(|error| Error::Internal(error.into()))?;
        let result = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(thread);
            result
        });
        result.await.map_err(|error| Error::Internal(error.into()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_password_that_waits_too_long_is_an_error_that_does_not_blame_the_database() {
        let queue = Queue::new(1);
        let thread = queue.threads.acquire().await.unwrap();
        let rejected = queue.run(None, || ()).await;
        assert!(matches!(rejected, Err(Error::Busy(_))), "{rejected:?}");
        drop(thread);
        assert!(queue.run(None, || ()).await.is_ok());
    }

    // The paused clock stands still while a blocking thread runs: nothing waits for too long.
    #[tokio::test(start_paused = true)]
    async fn passwords_beyond_a_full_queue_are_rejected_at_once() {
        let queue = Queue::new(1);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let wait_for_release = || {
            let released = Arc::clone(&released);
            move || released.lock().unwrap().recv().unwrap()
        };
        let accepted = (0..=WAITING_PER_THREAD).map(|_| queue.run(None, wait_for_release()));
        let accepted = futures_util::future::join_all(accepted);
        let beyond = async {
            // `join!` polls the accepted ones first. None of them ends before the release.
            let rejected = queue.run(None, || ()).await;
            for _ in 0..=WAITING_PER_THREAD {
                release.send(()).unwrap();
            }
            rejected
        };
        let (accepted, rejected) = tokio::join!(biased; accepted, beyond);
        assert!(matches!(rejected, Err(Error::Busy(_))), "{rejected:?}");
        assert!(accepted.iter().all(Result::is_ok), "{accepted:?}");
        assert!(queue.run(None, || ()).await.is_ok());
    }

    #[tokio::test]
    async fn one_network_takes_a_quarter_of_the_queue() {
        let queue = Queue::new(1);
        let _thread = queue.threads.acquire().await.unwrap();
        let network = |last| Some(IpAddr::from([192, 0, 2, last]).into());
        let wait = |last| Box::pin(queue.run(network(last), || ()));
        let mut waiting = Vec::new();
        let rejected = loop {
            let mut next = wait(1);
            match next.as_mut().now_or_never() {
                None => waiting.push(next),
                Some(end) => break end,
            }
        };
        assert!(matches!(rejected, Err(Error::Busy(_))), "{rejected:?}");
        assert_eq!(waiting.len(), (1 + WAITING_PER_THREAD) / 4);
        assert!(wait(2).now_or_never().is_none(), "another network waits");
        drop(waiting);
        assert!(wait(1).now_or_never().is_none(), "its share is free again");
    }

    // The clock is paused for the same reason as above.
    #[tokio::test(start_paused = true)]
    async fn no_more_threads_than_allowed_hash_at_a_time() {
        let queue = Queue::new(2);
        let running = Arc::new(Semaphore::new(2));
        let work = || {
            let running = Arc::clone(&running);
            move || {
                let is_allowed = running.try_acquire().is_ok_and(|permit| {
                    // As hashing would, for long enough that a third thread is noticed.
                    std::thread::sleep(Duration::from_millis(5));
                    drop(permit);
                    true
                });
                assert!(is_allowed, "a third thread");
            }
        };
        let all = futures_util::future::join_all((0..16).map(|_| queue.run(None, work()))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
    }
}

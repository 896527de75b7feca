//! Whether a connection is idle and since when, so that the server can close it in favour of another.
//!
//! Imports `server::timer`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{ClientTimer, State};

/// Wakes the accept loop while it waits for a connection to end or to become idle.
#[derive(Default)]
pub(in crate::server) struct Vacancy {
    is_awaited: AtomicBool,
    announced: Notify,
}

impl Vacancy {
    /// Makes later calls of [`Self::announce`] wake the accept loop, or ends that.
    pub(in crate::server) fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, Ordering::Relaxed);
    }

    /// Records that a connection has ended or may have become idle. Costs next to nothing while nothing
    /// waits for it: this is called for each request.
    pub(in crate::server) fn announce(&self) {
        if self.is_awaited.load(Ordering::Relaxed) {
            self.announced.notify_one();
        }
    }

    /// Waits for the next announcement.
    pub(in crate::server) async fn announced(&self) {
        self.announced.notified().await;
    }
}

impl State {
    /// Whether no request is in progress: none whose head has arrived completely, and none whose response
    /// hyper is still writing. On HTTP/2, bytes such as PINGs do not make a connection busy.
    pub(super) fn is_idle(&self) -> bool {
        let is_written = if self.is_http2 {
            self.reading.is_flushed()
        } else {
            self.is_between_responses
        };
        self.open_requests == 0 && is_written
    }
}

impl ClientTimer {
    /// When the last request of the connection ended, or the connection began; `None` while a request
    /// is in progress.
    pub(in crate::server) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        state.is_idle().then_some(state.idle_since)
    }

    /// Asks the connection to close if it has been idle since `since`, and returns whether it has.
    pub(in crate::server) fn ask_to_close(&self, since: Instant) -> bool {
        let mut state = self.state();
        state.is_asked_to_close = state.is_idle() && state.idle_since == since;
        let is_asked = state.is_asked_to_close;
        drop(state);
        if is_asked {
            self.task.wake();
        }
        is_asked
    }

    /// Whether the connection has been asked to close, and no request has begun since.
    pub(in crate::server) fn is_asked_to_close(&self) -> bool {
        self.state().is_asked_to_close
    }

    /// Waits until the connection is asked to close. To be awaited within [`ClientTimer::limit`], which
    /// is woken for it, and ends the connection as soon as this has been seen.
    pub(in crate::server) async fn asked_to_close(&self) {
        std::future::poll_fn(|_| {
            if self.is_asked_to_close() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

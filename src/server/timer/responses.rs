//! The responses of a connection whose bytes hyper has not written completely.
//!
//! Imports `server::timer` and `server::streams`.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::api::CutOff;

use super::super::streams::Abort;
use super::{ClientTimer, Exchange};

/// A response that an HTTP/2 stream sends.
pub(super) struct Stream {
    /// The number of bytes that were passed to hyper and not written yet.
    unread: usize,
    /// `None` once it was used.
    abort: Option<Abort>,
    cut_off: CutOff,
}

/// A response, until its body was dropped and hyper has written or dropped all of its bytes.
pub(in crate::server) struct OpenResponse {
    number: u64,
    exchange: Exchange,
}

impl OpenResponse {
    /// Begins the response of `exchange`. To be called in the task of its stream.
    pub(in crate::server) fn begin(exchange: Exchange) -> Arc<Self> {
        let mut state = exchange.timer().state();
        let number = state.next_response;
        state.next_response += 1;
        if let Some(abort) = Abort::of_current_stream() {
            let stream = Stream {
                unread: 0,
                abort: Some(abort),
                cut_off: exchange.cut_off.clone(),
            };
            state.streams.insert(number, stream);
        }
        drop(state);
        Arc::new(Self { number, exchange })
    }

    /// The same bytes, for hyper. They count as unread until hyper drops them, which it does when it has
    /// written them.
    pub(in crate::server) fn pass(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        let timer = self.exchange.timer();
        let mut state = timer.state();
        let had_unread = state.reading.deadline().is_some();
        state.reading.pass(bytes.len(), Instant::now());
        if let Some(stream) = state.streams.get_mut(&self.number) {
            stream.unread += bytes.len();
        }
        drop(state);
        // On HTTP/2 this is not the task of the connection, which has to know the deadline.
        if self.exchange.is_http2() && !had_unread {
            timer.task.wake();
        }
        Bytes::from_owner(Unread {
            bytes,
            response: Arc::clone(self),
        })
    }
}

impl Drop for OpenResponse {
    fn drop(&mut self) {
        self.exchange.timer().state().streams.remove(&self.number);
    }
}

/// Bytes of a response that hyper has not written yet.
struct Unread {
    bytes: Bytes,
    response: Arc<OpenResponse>,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut state = self.response.exchange.timer().state();
        let length = self.bytes.len();
        state.reading.take(length, Instant::now());
        if let Some(stream) = state.streams.get_mut(&self.response.number) {
            stream.unread -= length;
        }
    }
}

impl ClientTimer {
    /// Aborts the streams whose responses wait for a client that has read too slowly by `now`. The other
    /// streams go on: behind a proxy they belong to other clients. Returns `false` if there is none to
    /// abort, or something else has taken too long: then the connection has to end.
    pub(super) fn abort_unread_streams(&self, now: Instant) -> bool {
        let mut state = self.state();
        if self.silence_deadline(&state) <= now {
            return false;
        }
        let mut is_any_aborted = false;
        for stream in state.streams.values_mut() {
            if stream.unread > 0
                && let Some(abort) = stream.abort.take()
            {
                stream.cut_off.set();
                is_any_aborted |= abort.abort();
            }
        }
        if is_any_aborted {
            state.reading.restart(now);
        }
        is_any_aborted
    }
}

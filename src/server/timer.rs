//! How long a connection may wait for its client.
//!
//! A server must not wait forever for a client that sends no request, half a head or half a body,
//! or that does not read its response. It must not disconnect a client that waits for a slow
//! handler either. In both cases no bytes arrive. So a [`ClientTimer`] tracks whether the server or
//! the client has to act next, and runs only while the client has to.
//!
//! A client that reads a response, but too slowly, is disconnected too: see `reading`.
//!
//! Imports `server::reading`, `deadlines`, and `api` for [`CutOff`].
//!
//! - `idle`: whether the connection is idle, and since when
//! - `responses`: the responses that hyper has not written completely

mod idle;
mod responses;

use std::collections::HashMap;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::api::CutOff;
use crate::deadlines;

use super::Limits;
use super::reading::Reading;
pub(super) use idle::Vacancy;
pub(super) use responses::OpenResponse;
use responses::Stream;

/// Limits how long one connection waits for its client.
pub(super) struct ClientTimer {
    header_timeout: Duration,
    idle_timeout: Duration,
    state: Mutex<State>,
    /// The task that drives the connection.
    task: AtomicWaker,
    /// Told when the connection becomes idle.
    vacancy: Arc<Vacancy>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the connection"
)]
struct State {
    /// The number of requests whose responses hyper has not written completely.
    open_requests: usize,
    /// The number of steps in which the server works, minus the number of steps within them that
    /// wait for the client. The timer is paused while this is above zero.
    server_steps: isize,
    /// How fast the client reads its responses.
    reading: Reading,
    /// The responses on HTTP/2.
    streams: HashMap<u64, Stream>,
    /// The number of the next response.
    next_response: u64,
    /// The time from which the client has been silent for too long.
    idle_deadline: Instant,
    /// When the next request head must be complete; `None` while none is expected.
    head_deadline: Option<Instant>,
    /// Whether the connection is HTTP/2, where bytes between requests need not begin a head.
    is_http2: bool,
    /// Whether the body of the last request was not read to its end.
    has_unread_body: bool,
    /// Whether the connection is shut for writing and is only read from, for [`deadlines::LINGER`],
    /// which no bytes extend.
    is_lingering: bool,
    /// Whether all bytes that were written belong to complete responses and have been flushed.
    is_between_responses: bool,
    /// When the last request ended, or the connection began.
    idle_since: Instant,
    /// Whether the idle connection has to be closed in favour of another.
    is_asked_to_close: bool,
}

impl ClientTimer {
    /// Starts the timer of a new connection, whose client has to send the first head.
    pub(super) fn start(limits: &Limits, vacancy: Arc<Vacancy>) -> Arc<Self> {
        let (header_timeout, idle_timeout) = (limits.header_timeout, limits.idle_timeout);
        let now = Instant::now();
        Arc::new(Self {
            header_timeout,
            idle_timeout,
            state: Mutex::new(State {
                open_requests: 0,
                server_steps: 0,
                reading: Reading::new(limits.reading_timeout, now),
                streams: HashMap::new(),
                next_response: 0,
                idle_deadline: now + idle_timeout,
                head_deadline: Some(now + header_timeout),
                is_http2: false,
                has_unread_body: false,
                is_lingering: false,
                is_between_responses: true,
                idle_since: now,
                is_asked_to_close: false,
            }),
            task: AtomicWaker::new(),
            vacancy,
        })
    }

    /// Drives `connection` to its end; `None` once its client has run out of time, or once the connection
    /// was asked to close while it is idle. Sets `cut_off` if the connection is dropped before its end.
    ///
    /// A connection uses one tokio timer, which is reset only when it fires or when the deadline
    /// becomes earlier, not at each byte.
    pub(super) async fn limit<C: Future>(
        &self,
        connection: C,
        cut_off: &CutOff,
    ) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut alarm = pin!(tokio::time::sleep_until(self.deadline()));
        // Declared after the connection, and so dropped before it.
        let mut at_drop = SetAtDrop(Some(cut_off));
        let end = std::future::poll_fn(|cx| {
            self.task.register(cx.waker());
            // Reads what has arrived, so that a request that has is seen below.
            if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if self.is_asked_to_close() {
                return Poll::Ready(None);
            }
            loop {
                let deadline = self.deadline();
                if deadline < alarm.deadline() {
                    alarm.as_mut().reset(deadline);
                }
                ready!(alarm.as_mut().poll(cx));
                let now = Instant::now();
                if self.deadline() <= now && !self.abort_unread_streams(now) {
                    return Poll::Ready(None);
                }
                alarm.as_mut().reset(self.deadline());
            }
        })
        .await;
        if end.is_some() {
            at_drop.0 = None;
        }
        end
    }

    /// The earliest time at which the client can exceed a limit in the present state.
    fn deadline(&self) -> Instant {
        let state = self.state();
        let silence = self.silence_deadline(&state);
        let reading = state.reading.deadline();
        reading.map_or(silence, |reading| reading.min(silence))
    }

    /// When the client has been silent for too long while it has to act, other than to read.
    fn silence_deadline(&self, state: &State) -> Instant {
        if state.server_steps > 0 {
            return Instant::now() + self.idle_timeout;
        }
        let head = state.head_deadline;
        head.map_or(state.idle_deadline, |head| head.min(state.idle_deadline))
    }

    /// Records that bytes have arrived.
    pub(super) fn record_read(&self) {
        let mut state = self.state();
        self.extend_idle_deadline(&mut state);
        if state.open_requests == 0 && !state.is_http2 && !state.is_lingering {
            state
                .head_deadline
                .get_or_insert_with(|| Instant::now() + self.header_timeout);
        }
    }

    /// Records that bytes were written.
    pub(super) fn record_write(&self) {
        self.extend_idle_deadline(&mut self.state());
    }

    /// Records that hyper has written everything so far.
    pub(super) fn record_flush(&self) {
        let mut state = self.state();
        state.reading.flush();
        if state.open_requests == 0 {
            state.is_between_responses = true;
            drop(state);
            self.vacancy.announce();
        }
    }

    /// Whether the next bytes that are written belong to no request. False while bytes of a
    /// response may still have to be written.
    pub(super) fn is_between_responses(&self) -> bool {
        self.state().is_between_responses
    }

    /// Starts the time in which a connection that is shut for writing is still read from. Returns
    /// `false` if nothing can be left to read.
    pub(super) fn start_lingering(&self) -> bool {
        let mut state = self.state();
        // If a head is still expected on an HTTP/1 connection that is being closed, the head was
        // rejected before its end.
        let may_have_more =
            !state.is_http2 && (state.has_unread_body || state.head_deadline.is_some());
        if may_have_more && !state.is_lingering {
            state.is_lingering = true;
            state.head_deadline = None;
            state.idle_deadline = Instant::now() + deadlines::LINGER;
        }
        state.is_lingering
    }

    fn extend_idle_deadline(&self, state: &mut State) {
        if !state.is_lingering {
            state.idle_deadline = Instant::now() + self.idle_timeout;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment or addition: a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the value when it is dropped, if there is one.
struct SetAtDrop<'a>(Option<&'a CutOff>);

impl Drop for SetAtDrop<'_> {
    fn drop(&mut self) {
        if let Some(cut_off) = self.0 {
            cut_off.set();
        }
    }
}

/// One request, from its arrival until hyper has written the whole response.
pub(super) struct Exchange {
    timer: Arc<ClientTimer>,
    is_http2: bool,
    cut_off: CutOff,
}

impl Exchange {
    /// Begins an exchange. `cut_off` is set when its stream is aborted.
    pub(super) fn begin(timer: &Arc<ClientTimer>, is_http2: bool, cut_off: CutOff) -> Self {
        let mut state = timer.state();
        state.open_requests += 1;
        state.head_deadline = None;
        state.is_http2 = is_http2;
        state.has_unread_body = false;
        state.is_between_responses = false;
        let was_asked_to_close = mem::take(&mut state.is_asked_to_close);
        drop(state);
        if was_asked_to_close {
            // Another connection has to be closed instead.
            timer.vacancy.announce();
        }
        Self {
            timer: Arc::clone(timer),
            is_http2,
            cut_off,
        }
    }

    /// Begins a step in which the server works: the timer is paused until the step is dropped.
    pub(super) fn server_step(&self) -> Step {
        Step::begin(&self.timer, Actor::Server)
    }

    /// The timer of the connection.
    pub(super) fn timer(&self) -> &Arc<ClientTimer> {
        &self.timer
    }

    /// Whether the request came on HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// Records that the connection will be closed although the client may still be sending this
    /// request's body.
    pub(super) fn leave_body_unread(&self) {
        self.timer.state().has_unread_body = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.timer.state();
        state.open_requests -= 1;
        self.timer.extend_idle_deadline(&mut state);
        state.idle_since = Instant::now();
        let is_idle = state.is_idle();
        drop(state);
        if is_idle {
            self.timer.vacancy.announce();
        }
    }
}

/// The side that has to act for a step to end.
#[derive(Clone, Copy)]
pub(super) enum Actor {
    /// The server: it works on a response.
    Server,
    /// The client, within a step of the server: a handler waits for the request's body.
    Client,
}

/// A step, which ends when this is dropped.
pub(super) struct Step {
    timer: Arc<ClientTimer>,
    actor: Actor,
}

impl Step {
    pub(super) fn begin(timer: &Arc<ClientTimer>, actor: Actor) -> Self {
        let mut state = timer.state();
        state.server_steps += weight(actor);
        timer.extend_idle_deadline(&mut state);
        drop(state);
        Self {
            timer: Arc::clone(timer),
            actor,
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        let mut state = self.timer.state();
        state.server_steps -= weight(self.actor);
        self.timer.extend_idle_deadline(&mut state);
    }
}

/// How a step counts in [`State::server_steps`].
fn weight(actor: Actor) -> isize {
    match actor {
        Actor::Server => 1,
        Actor::Client => -1,
    }
}

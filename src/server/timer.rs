//! How long a connection may wait for its client.
//!
//! A server must not wait for ever for a client that has stopped: one that sends no request, half a
//! head or half a body, or that does not read its response. Nor may it cut a client that itself
//! waits for a slow handler. Bytes alone do not tell the two apart, since both are silence. So a
//! [`ClientTimer`] knows whether the server or the client has to act next, and runs only while it is
//! the client.
//!
//! Imports nothing of this crate: tokio's timer.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::deadlines;

/// The time that the client of one connection has left.
pub(super) struct ClientTimer {
    header_timeout: Duration,
    idle_timeout: Duration,
    state: Mutex<State>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the connection"
)]
struct State {
    /// Requests that were received and whose response has not been handed to hyper completely.
    open_requests: usize,
    /// Steps in which the server works, less the steps within them that wait for the client. While
    /// this is above zero, the timer stands still.
    server_steps: isize,
    /// When the client has been silent for too long.
    idle_deadline: Instant,
    /// When the request head that is awaited, or has begun to arrive, must be complete.
    head_deadline: Option<Instant>,
    /// On HTTP/2, bytes between requests are not the beginning of a head.
    is_http2: bool,
    /// The body of the last request was not read to its end.
    has_unread_body: bool,
    /// The connection is only read from, for [`deadlines::LINGER`]: nothing prolongs that.
    is_lingering: bool,
    /// Everything that was written belongs to responses that are complete, and is on the socket.
    is_between_responses: bool,
}

impl ClientTimer {
    /// The timer of a connection that has just been accepted: its first head is due.
    pub(super) fn start(header_timeout: Duration, idle_timeout: Duration) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            header_timeout,
            idle_timeout,
            state: Mutex::new(State {
                open_requests: 0,
                server_steps: 0,
                idle_deadline: now + idle_timeout,
                head_deadline: Some(now + header_timeout),
                is_http2: false,
                has_unread_body: false,
                is_lingering: false,
                is_between_responses: true,
            }),
        })
    }

    /// Drives `connection` to its end; `None` once its client has run out of time.
    ///
    /// One tokio timer serves a connection. It is set anew only when it fires or when a deadline
    /// comes forward, not at each byte.
    pub(super) async fn limit<C: Future>(&self, connection: C) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut alarm = pin!(tokio::time::sleep_until(self.deadline()));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            loop {
                let deadline = self.deadline();
                if deadline < alarm.deadline() {
                    alarm.as_mut().reset(deadline);
                }
                ready!(alarm.as_mut().poll(cx));
                let deadline = self.deadline();
                if deadline <= Instant::now() {
                    return Poll::Ready(None);
                }
                alarm.as_mut().reset(deadline);
            }
        })
        .await
    }

    /// The earliest moment at which the client's time can be up, as things stand.
    fn deadline(&self) -> Instant {
        let state = self.state();
        if state.server_steps > 0 {
            return Instant::now() + self.idle_timeout;
        }
        state
            .head_deadline
            .map_or(state.idle_deadline, |due| due.min(state.idle_deadline))
    }

    /// Bytes have arrived.
    pub(super) fn record_read(&self) {
        let mut state = self.state();
        self.prolong(&mut state);
        if state.open_requests == 0 && !state.is_http2 && !state.is_lingering {
            state
                .head_deadline
                .get_or_insert_with(|| Instant::now() + self.header_timeout);
        }
    }

    /// Bytes were written.
    pub(super) fn record_write(&self) {
        self.prolong(&mut self.state());
    }

    /// Everything that hyper has to write so far is written.
    pub(super) fn record_flush(&self) {
        let mut state = self.state();
        if state.open_requests == 0 {
            state.is_between_responses = true;
        }
    }

    /// Whether what is written next belongs to no request. False while any byte of a response may
    /// still be waiting to be written.
    pub(super) fn is_between_responses(&self) -> bool {
        self.state().is_between_responses
    }

    /// Starts the time in which a connection that has been shut for writing is still read from;
    /// `false` if nothing can be left to read.
    pub(super) fn start_lingering(&self) -> bool {
        let mut state = self.state();
        // A head that is still due on an HTTP/1 connection has begun to arrive and was rejected.
        let may_have_more =
            !state.is_http2 && (state.has_unread_body || state.head_deadline.is_some());
        if may_have_more && !state.is_lingering {
            state.is_lingering = true;
            state.head_deadline = None;
            state.idle_deadline = Instant::now() + deadlines::LINGER;
        }
        state.is_lingering
    }

    fn prolong(&self, state: &mut State) {
        if !state.is_lingering {
            state.idle_deadline = Instant::now() + self.idle_timeout;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment or addition: a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was received, until hyper has taken the whole response.
pub(super) struct Exchange(Arc<ClientTimer>);

impl Exchange {
    pub(super) fn begin(timer: &Arc<ClientTimer>, is_http2: bool) -> Self {
        let mut state = timer.state();
        state.open_requests += 1;
        state.head_deadline = None;
        state.is_http2 = is_http2;
        state.has_unread_body = false;
        state.is_between_responses = false;
        drop(state);
        Self(Arc::clone(timer))
    }

    /// A step in which the server works: the timer stands still until the step is dropped.
    pub(super) fn server_step(&self) -> Step {
        Step::begin(&self.0, Actor::Server)
    }

    /// The timer of the connection.
    pub(super) fn timer(&self) -> &Arc<ClientTimer> {
        &self.0
    }

    /// The connection will be closed although the client may still be sending this request's body.
    pub(super) fn leave_body_unread(&self) {
        self.0.state().has_unread_body = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open_requests -= 1;
        self.0.prolong(&mut state);
    }
}

/// Who has to act for a step to end.
#[derive(Clone, Copy)]
pub(super) enum Actor {
    /// The server: it works on a response.
    Server,
    /// The client, within a step of the server: a handler waits for the request's body.
    Client,
}

/// A step that is under way. It ends when it is dropped.
pub(super) struct Step {
    timer: Arc<ClientTimer>,
    actor: Actor,
}

impl Step {
    pub(super) fn begin(timer: &Arc<ClientTimer>, actor: Actor) -> Self {
        let mut state = timer.state();
        state.server_steps += weight(actor);
        timer.prolong(&mut state);
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
        self.timer.prolong(&mut state);
    }
}

/// How a step counts in [`State::server_steps`].
fn weight(actor: Actor) -> isize {
    match actor {
        Actor::Server => 1,
        Actor::Client => -1,
    }
}

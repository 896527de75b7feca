//! Whose move it is on a connection, and until when.
//!
//! A server must not wait for ever on a client that has stopped: one that sends no request, half a
//! head, half a body, or that does not read its answer. Nor may it cut a client that itself waits
//! for a slow handler. Bytes alone cannot tell the two apart (both are silence), so a [`Clock`]
//! keeps account of whose move it is, and runs only while that is the client's.
//!
//! Imports nothing of ours: hyper's body trait, tokio's streams and its timer.

use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long a connection that we end is still read from, so that a client in the middle of sending
/// gets to see the answer that made it pointless: closing a socket with unread data resets it, and
/// a reset can destroy an answer that is still on its way.
const LINGER: Duration = Duration::from_secs(2);

/// The time that is left to the client of one connection.
pub(super) struct Clock {
    header_timeout: Duration,
    idle_timeout: Duration,
    state: Mutex<State>,
}

struct State {
    /// Requests that were received and whose answer has not been handed over completely.
    open: usize,
    /// Steps under way on our side, less waits for the client within them; above zero, it is our
    /// move and no time runs.
    ours: isize,
    /// When the silence has lasted too long.
    idle_due: Instant,
    /// When the request head that is awaited or has begun to arrive must be complete.
    head_due: Option<Instant>,
    /// On HTTP/2 bytes between requests are not the beginning of a head.
    http2: bool,
    /// The last request's body was not read to its end.
    unread: bool,
    /// The last time was given: nothing prolongs it.
    lingering: bool,
}

impl Clock {
    /// The clock of a connection that has just been accepted: its first head is due.
    pub(super) fn start(header_timeout: Duration, idle_timeout: Duration) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            header_timeout,
            idle_timeout,
            state: Mutex::new(State {
                open: 0,
                ours: 0,
                idle_due: now + idle_timeout,
                head_due: Some(now + header_timeout),
                http2: false,
                unread: false,
                lingering: false,
            }),
        })
    }

    /// Drives `connection` to its end, or gives `None` once its client has run out of time.
    ///
    /// One timer serves a connection. It is set anew only when it fires or when a deadline comes
    /// forward, not at each byte.
    pub(super) async fn limit<C: Future>(&self, connection: C) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut alarm = pin!(tokio::time::sleep_until(self.deadline()));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
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
        if state.ours > 0 {
            return Instant::now() + self.idle_timeout;
        }
        state
            .head_due
            .map_or(state.idle_due, |due| due.min(state.idle_due))
    }

    fn read_some(&self) {
        let mut state = self.state();
        self.prolong(&mut state);
        if state.open == 0 && !state.http2 && !state.lingering {
            state
                .head_due
                .get_or_insert_with(|| Instant::now() + self.header_timeout);
        }
    }

    fn wrote_some(&self) {
        self.prolong(&mut self.state());
    }

    /// Begins the time in which a connection that has been shut for writing is still read from;
    /// `false` if nothing can be left to read.
    fn linger(&self) -> bool {
        let mut state = self.state();
        // A head that is still due on an HTTP/1 connection has begun and was refused.
        let begun = !state.http2 && (state.unread || state.head_due.is_some());
        if begun && !state.lingering {
            state.lingering = true;
            state.head_due = None;
            state.idle_due = Instant::now() + LINGER;
        }
        state.lingering
    }

    fn prolong(&self, state: &mut State) {
        if !state.lingering {
            state.idle_due = Instant::now() + self.idle_timeout;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment or addition: a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was received, until its answer is out of our hands.
pub(super) struct Exchange(Arc<Clock>);

impl Exchange {
    pub(super) fn begin(clock: &Arc<Clock>, http2: bool) -> Self {
        let mut state = clock.state();
        state.open += 1;
        state.head_due = None;
        state.http2 = http2;
        state.unread = false;
        drop(state);
        Self(Arc::clone(clock))
    }

    /// A step of ours; the clock stands still until it is dropped.
    pub(super) fn our_move(&self) -> Move {
        Move::begin(&self.0, 1)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open -= 1;
        self.0.prolong(&mut state);
    }
}

/// A step under way: of ours (weight 1), or of the client's within one of ours (weight -1).
pub(super) struct Move {
    clock: Arc<Clock>,
    weight: isize,
}

impl Move {
    fn begin(clock: &Arc<Clock>, weight: isize) -> Self {
        let mut state = clock.state();
        state.ours += weight;
        clock.prolong(&mut state);
        drop(state);
        Self {
            clock: Arc::clone(clock),
            weight,
        }
    }
}

impl Drop for Move {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        state.ours -= self.weight;
        self.clock.prolong(&mut state);
    }
}

/// A body that tells the clock whom its reader waits for.
pub(super) struct WatchedBody {
    body: BoxBody<Bytes, io::Error>,
    clock: Arc<Clock>,
    source: Source,
    wait: Option<Move>,
}

enum Source {
    /// A request's body: while it is pending, the client is to send.
    Client,
    /// An answer's body: while it is pending, we are to produce. (While hyper does not ask for
    /// more, the client is to read.)
    Ours { _exchange: Exchange },
}

impl WatchedBody {
    pub(super) fn of_request(body: BoxBody<Bytes, io::Error>, exchange: &Exchange) -> Self {
        Self {
            body,
            clock: Arc::clone(&exchange.0),
            source: Source::Client,
            wait: None,
        }
    }

    pub(super) fn of_answer(body: BoxBody<Bytes, io::Error>, exchange: Exchange) -> Self {
        Self {
            body,
            clock: Arc::clone(&exchange.0),
            source: Source::Ours {
                _exchange: exchange,
            },
            wait: None,
        }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.wait = None;
        } else if self.wait.is_none() {
            let weight = match self.source {
                Source::Client => -1,
                Source::Ours { .. } => 1,
            };
            self.wait = Some(Move::begin(&self.clock, weight));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        if matches!(self.source, Source::Client) && !self.body.is_end_stream() {
            self.clock.state().unread = true;
        }
    }
}

/// A connection's stream: tells the clock of every byte, and closes without cutting off an answer.
pub(super) struct WatchedStream<S> {
    stream: S,
    clock: Arc<Clock>,
    shut: bool,
}

impl<S> WatchedStream<S> {
    pub(super) fn new(stream: S, clock: Arc<Clock>) -> Self {
        Self {
            stream,
            clock,
            shut: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.clock.read_some();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.clock.wrote_some();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.clock.wrote_some();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        if !self.clock.linger() {
            return Poll::Ready(Ok(()));
        }
        let mut discarded = [MaybeUninit::uninit(); 8 * 1024];
        loop {
            let mut buf = ReadBuf::uninit(&mut discarded);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

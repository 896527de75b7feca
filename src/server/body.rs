//! The bodies of requests and responses, as the [`ClientTimer`] has to see them: each tells it whom
//! a pending read waits for.
//!
//! Imports the timer beside it, and hyper's body trait.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};

use super::timer::{Actor, ClientTimer, Exchange, Step};

/// How much of a request's body that no handler wanted is read and thrown away, in bytes, so that
/// the connection can serve the next request.
const MAX_DISCARDED: usize = 64 * 1024;

/// A body, and whom its reader waits for while a read of it is pending.
struct TimedBody {
    body: BoxBody<Bytes, io::Error>,
    timer: Arc<ClientTimer>,
    actor: Actor,
    pending: Option<Step>,
}

impl TimedBody {
    fn new(body: BoxBody<Bytes, io::Error>, exchange: &Exchange, actor: Actor) -> Self {
        Self {
            body,
            timer: Arc::clone(exchange.timer()),
            actor,
            pending: None,
        }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.pending = None;
        } else if self.pending.is_none() {
            self.pending = Some(Step::begin(&self.timer, self.actor));
        }
        polled
    }
}

/// A response's body. While a read of it is pending, the server has to act; while hyper does not
/// read it, the client has to read what was sent.
pub(super) struct ResponseBody {
    body: TimedBody,
    _exchange: Exchange,
}

impl ResponseBody {
    pub(super) fn new(body: BoxBody<Bytes, io::Error>, exchange: Exchange) -> Self {
        Self {
            body: TimedBody::new(body, &exchange, Actor::Server),
            _exchange: exchange,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.body.size_hint()
    }
}

/// A request's body. While a read of it is pending, the client has to send. When it is dropped before
/// its end, the rest is left in [`UnreadBody`].
pub(super) struct RequestBody {
    /// Always there, but for the moment in which it is dropped.
    body: Option<TimedBody>,
    progress: Progress,
    unread: UnreadBody,
}

/// How far a body was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// There may be more.
    Reading,
    /// To its end.
    Finished,
    /// To an error: where the next request begins cannot be known.
    Broken,
}

impl RequestBody {
    pub(super) fn new(body: BoxBody<Bytes, io::Error>, exchange: &Exchange) -> (Self, UnreadBody) {
        let unread = UnreadBody::default();
        let body = Self {
            body: Some(TimedBody::new(body, exchange, Actor::Client)),
            progress: Progress::Reading,
            unread: unread.clone(),
        };
        (body, unread)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = body.poll_frame(cx);
        match polled {
            Poll::Ready(None) if self.progress == Progress::Reading => {
                self.progress = Progress::Finished;
            }
            Poll::Ready(Some(Err(_))) => self.progress = Progress::Broken,
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let body = self.body.as_ref();
        body.is_none_or(|body| body.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(SizeHint::default, |body| body.body.size_hint())
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let rest = match (self.progress, self.body.take()) {
            (Progress::Broken, _) => Rest::Broken,
            (Progress::Reading, Some(body)) if !body.body.is_end_stream() => Rest::Body(body.body),
            _ => return,
        };
        self.unread.put(rest);
    }
}

/// What a handler left unread of a request's body.
#[derive(Clone, Default)]
pub(super) struct UnreadBody(Arc<Mutex<Rest>>);

#[derive(Default)]
enum Rest {
    #[default]
    Nothing,
    Body(BoxBody<Bytes, io::Error>),
    Broken,
}

impl UnreadBody {
    fn put(&self, rest: Rest) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rest;
    }

    /// Whether the connection can serve another request: the body was read to its end, or what is
    /// left has arrived already and is read now, if `may_read` allows that.
    pub(super) async fn discard(&self, may_read: bool) -> bool {
        let rest = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match rest {
            Rest::Nothing => true,
            Rest::Body(body) => may_read && discard(body).await,
            Rest::Broken => false,
        }
    }
}

/// Reads and discards what has arrived of a body; whether that was all of it.
///
/// It does not wait for the client to send more: that would delay a response that is ready.
async fn discard(mut body: BoxBody<Bytes, io::Error>) -> bool {
    let mut length = 0;
    let mut has_yielded = false;
    while !body.is_end_stream() {
        match body.frame().now_or_never() {
            Some(None) => return true,
            Some(Some(Ok(frame))) => {
                length += frame.data_ref().map_or(0, Bytes::len);
                if length > MAX_DISCARDED {
                    return false;
                }
                has_yielded = false;
            }
            // The connection's task takes from the socket what was asked for just now.
            None if !has_yielded => {
                tokio::task::yield_now().await;
                has_yielded = true;
            }
            Some(Some(Err(_))) | None => return false,
        }
    }
    true
}

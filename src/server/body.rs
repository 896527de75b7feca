//! Bodies of requests and responses that tell the [`ClientTimer`] whether a pending read waits for
//! the server or for the client.
//!
//! Imports `server::timer`.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};

use super::timer::{Actor, ClientTimer, Exchange, OpenResponse, Step};

/// The most bytes of an unread request body that are read and discarded, so that the connection can
/// serve the next request.
const MAX_DISCARDED: usize = 64 * 1024;

/// The largest piece of a response that is passed to hyper at once, in bytes. Large enough for a chunk of a
/// list, and less than a client has to read within its time, so that its progress is seen in time.
const MAX_PIECE: usize = 20 * 1024;

/// On HTTP/2 the end of a frame that is longer than this is passed on as a piece of its own. Hyper takes
/// a piece as soon as the client's window has a byte left after the pieces before it. So it has
/// taken the end only when the client could receive the rest, and until then the stream can be aborted.
const MAX_WHOLE: usize = 1024;

/// A body, and the side that a pending read waits for.
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

/// A response's body. While a read is pending, the server has to act; while bytes that were read are not
/// written, the client has to read.
pub(super) struct ResponseBody {
    body: TimedBody,
    /// The rest of the last frame.
    rest: Bytes,
    response: Arc<OpenResponse>,
    is_http2: bool,
}

impl ResponseBody {
    pub(super) fn new(body: BoxBody<Bytes, io::Error>, exchange: Exchange) -> Self {
        Self {
            body: TimedBody::new(body, &exchange, Actor::Server),
            rest: Bytes::new(),
            is_http2: exchange.is_http2(),
            response: OpenResponse::begin(exchange),
        }
    }

    /// The next piece of the rest.
    fn next_piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len();
        let is_end_apart = self.is_http2 && length > MAX_WHOLE;
        let piece = MAX_PIECE.min(length - usize::from(is_end_apart));
        let piece = self.rest.split_to(piece);
        Frame::data(self.response.pass(piece))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.next_piece())));
        }
        let frame = match ready!(self.body.poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            end => return Poll::Ready(end),
        };
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => {
                self.rest = data;
                self.next_piece()
            }
            Err(trailers) => trailers,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let body = self.body.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}

/// A request's body. While a read is pending, the client has to send. When the body is dropped
/// before its end, the unread part is kept in [`UnreadBody`]; on HTTP/2 it is dropped, which gives the
/// client the window back for other streams.
pub(super) struct RequestBody {
    /// `None` only while this is being dropped.
    body: Option<TimedBody>,
    progress: Progress,
    is_http2: bool,
    unread: UnreadBody,
}

/// How far a body was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The end has not been reached.
    Reading,
    /// The end was reached.
    Finished,
    /// Reading failed: it is unknown where the next request begins.
    Broken,
}

impl RequestBody {
    pub(super) fn new(body: BoxBody<Bytes, io::Error>, exchange: &Exchange) -> (Self, UnreadBody) {
        let unread = UnreadBody::default();
        let body = Self {
            body: Some(TimedBody::new(body, exchange, Actor::Client)),
            progress: Progress::Reading,
            is_http2: exchange.is_http2(),
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
        let unread = match (self.progress, self.body.take()) {
            (Progress::Broken, _) => Unread::Broken,
            (Progress::Reading, Some(body)) if !self.is_http2 && !body.body.is_end_stream() => {
                Unread::Body(body.body)
            }
            _ => return,
        };
        self.unread.put(unread);
    }
}

/// The part of a request's body that the handler did not read.
#[derive(Clone, Default)]
pub(super) struct UnreadBody(Arc<Mutex<Unread>>);

#[derive(Default)]
enum Unread {
    #[default]
    Nothing,
    Body(BoxBody<Bytes, io::Error>),
    Broken,
}

impl UnreadBody {
    fn put(&self, unread: Unread) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }

    /// Discards the unread part of the body, and returns whether the connection can serve another
    /// request: the body was read to its end, or `may_read` is true and the unread part had already
    /// arrived.
    pub(super) async fn discard(&self, may_read: bool) -> bool {
        let unread = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match unread {
            Unread::Nothing => true,
            Unread::Body(body) => may_read && discard(body).await,
            Unread::Broken => false,
        }
    }
}

/// Reads and discards the part of a body that has arrived; returns whether the body ended.
///
/// Does not wait for the client to send more, which would delay a response that is ready.
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
            // Lets the connection's task read from the socket, which the poll above requested.
            None if !has_yielded => {
                tokio::task::yield_now().await;
                has_yielded = true;
            }
            Some(Some(Err(_))) | None => return false,
        }
    }
    true
}

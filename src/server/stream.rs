//! A connection's socket: reports every byte to the [`ClientTimer`] and to the metrics, replaces hyper's
//! own responses, and closes in a way that lets the client read the last response.
//!
//! Imports `metrics`, `server::rejection` and `server::timer`.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use poem::http::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::Connections;

use super::rejection;
use super::timer::ClientTimer;

/// The socket `S` of a connection. `R` makes the response to a request that hyper rejects.
pub(super) struct TimedStream<S, R> {
    stream: S,
    timer: Arc<ClientTimer>,
    is_shut: bool,
    reject: R,
    replacement: Option<Replacement>,
    metrics: Connections,
}

/// A response that is written instead of one of hyper's own.
struct Replacement {
    rest: Bytes,
    /// The length of hyper's response.
    replaced: usize,
}

impl<S, R: Fn(StatusCode) -> Response<Bytes>> TimedStream<S, R> {
    pub(super) fn new(stream: S, timer: Arc<ClientTimer>, reject: R, metrics: Connections) -> Self {
        Self {
            stream,
            timer,
            is_shut: false,
            reject,
            replacement: None,
            metrics,
        }
    }

    /// Prepares the replacement of `bytes`, which hyper is about to write, if they are a response of
    /// hyper's own: on HTTP/1 nothing else is written while there is no request.
    fn prepare_replacement(&mut self, bytes: &[u8]) {
        if self.replacement.is_none()
            && self.timer.is_between_responses()
            && let Some(status) = rejection::status_of_bare(bytes)
        {
            let response = (self.reject)(status);
            self.replacement = Some(Replacement {
                rest: rejection::encode(bytes, &response),
                replaced: bytes.len(),
            });
        }
    }
}

impl<S: AsyncWrite + Unpin, R> TimedStream<S, R> {
    /// Writes the whole replacement, if there is one, and then returns the length of hyper's
    /// response as written.
    fn poll_replacement(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<usize>>> {
        let Some(replacement) = &mut self.replacement else {
            return Poll::Ready(None);
        };
        while replacement.rest.has_remaining() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &replacement.rest)) {
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into()))),
                Ok(written) => {
                    replacement.rest.advance(written);
                    self.metrics.sent(written);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            self.timer.record_write();
        }
        let replaced = replacement.replaced;
        self.replacement = None;
        Poll::Ready(Some(Ok(replaced)))
    }
}

impl<S: AsyncRead + Unpin, R: Unpin> AsyncRead for TimedStream<S, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read > 0 {
            self.timer.record_read();
            self.metrics.received(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S, R> AsyncWrite for TimedStream<S, R>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: Fn(StatusCode) -> Response<Bytes> + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.prepare_replacement(buf);
        if let Some(replaced) = ready!(self.poll_replacement(cx)) {
            return Poll::Ready(replaced);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.timer.record_write();
        self.metrics.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A response of hyper's own has no body, so the first buffer contains all of it.
        self.prepare_replacement(bufs.first().map_or(&[], |first| first));
        if let Some(replaced) = ready!(self.poll_replacement(cx)) {
            return Poll::Ready(replaced);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.timer.record_write();
        self.metrics.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // Hyper flushes its stream only when it has written everything.
        self.timer.record_flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        if !self.timer.start_lingering() {
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

//! The log line of each request, and its part in the metrics: written when the last byte of its response
//! has been passed to the server, or when the response cannot be completed any more.
//!
//! The request ends with the body, not with the handler: a list is sent long after its handler has
//! returned.

mod path;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use poem::http::{Method, StatusCode};
use poem::{Body, Request, Response};
use tracing::Span;

use crate::clients::Client;
use crate::contract::Operation;
use crate::metrics::{Counted, Metrics, NO_OPERATION};

use super::trace_context;
use path::printable_path;

/// The longest request id that is accepted from a client.
const MAX_REQUEST_ID: usize = 128;

pub(super) const REQUEST_ID: &str = "x-request-id";

/// Whether the server has ended a connection or one of its streams itself: because its client was silent for
/// too long or read too slowly, or at the shutdown. The server puts this into the extensions of each request,
/// so that the log does not say that the client has disconnected.
#[derive(Debug, Clone, Default)]
pub struct CutOff {
    is_set: Arc<AtomicBool>,
    /// Of a stream: that of its connection.
    connection: Option<Arc<AtomicBool>>,
}

impl CutOff {
    /// The value of a stream of the connection that has this value.
    #[must_use]
    pub fn of_stream(&self) -> Self {
        Self {
            is_set: Arc::default(),
            connection: Some(Arc::clone(&self.is_set)),
        }
    }

    /// Records that the server ends the connection or the stream. To be called before it is dropped.
    pub fn set(&self) {
        self.is_set.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        is_set(&self.is_set) || self.connection.as_ref().is_some_and(is_set)
    }
}

/// The outcomes of requests, in the log and in the metrics.
const COMPLETE: &str = "complete";
const BROKEN_OFF: &str = "broken off";
const CUT_OFF: &str = "cut off";
const PANICKED: &str = "panicked";
const DISCONNECTED: &str = "client disconnected";

/// The data of one request for the log and the metrics. The line is written, and the request is counted,
/// when this value is dropped.
pub(super) struct RequestLog {
    pub request_id: Arc<str>,
    pub start: Instant,
    method: Method,
    path: String,
    /// The `operationId`; empty for a request to no operation.
    operation: &'static str,
    /// The other end of the connection.
    peer: Option<SocketAddr>,
    pub client: Client,
    /// The id of the trace that the request belongs to.
    trace_id: Option<Box<str>>,
    status: Option<StatusCode>,
    /// The number of bytes of the body that have been passed to the server.
    bytes: u64,
    /// How the body ended; `None` until then.
    end: Option<End>,
    cut_off: CutOff,
    metrics: Arc<Metrics>,
    _in_flight: Counted,
}

/// How the body of a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The whole body was passed to the server.
    Complete,
    /// The body failed after the headers had been sent.
    BrokenOff,
    /// The server ended the body, since the client took it too slowly.
    CutOff,
}

impl RequestLog {
    /// The log of a request of `client` to `operation`, which has just arrived.
    pub(super) fn begin(
        request: &Request,
        operation: &'static str,
        client: Client,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            request_id: request_id(request),
            start: Instant::now(),
            method: request.method().clone(),
            path: printable_path(request.uri().path()).into_owned(),
            operation,
            peer: request.remote_addr().as_socket_addr().copied(),
            client,
            trace_id: trace_context::trace_id(request.headers()).map(Box::from),
            status: None,
            bytes: 0,
            end: None,
            cut_off: request.data::<CutOff>().cloned().unwrap_or_default(),
            metrics: Arc::clone(metrics),
            _in_flight: Counted::in_gauge(&metrics.http.in_flight),
        }
    }

    /// Wraps the body of the finished response, so that the log line is written at its end. `span` is
    /// the span of the request.
    pub(super) fn watch(mut self, mut response: Response, span: Span) -> Response {
        self.status = Some(response.status());
        let body: BoxBody<Bytes, io::Error> = response.take_body().into();
        // The server never polls the body of a response to HEAD.
        if self.method == Method::HEAD || body.is_end_stream() {
            self.end = Some(End::Complete);
        }
        let body = ObservedBody {
            body,
            log: self,
            span,
        };
        response.set_body(Body::from(BoxBody::new(body)));
        response
    }

    /// The address of the client, with its port if the client is the other end of the connection.
    fn address(&self) -> Option<&dyn fmt::Display> {
        let peer = self.peer.as_ref()?;
        if peer.ip().to_canonical() == self.client.address {
            Some(peer)
        } else {
            Some(&self.client.address)
        }
    }

    /// How the request ended, when this value is being dropped.
    fn outcome(&self) -> &'static str {
        match self.end {
            // The server has not passed on the end of the body.
            Some(End::Complete) if self.cut_off.is_set() => CUT_OFF,
            Some(End::Complete) => COMPLETE,
            Some(End::BrokenOff) => BROKEN_OFF,
            Some(End::CutOff) => CUT_OFF,
            None if std::thread::panicking() => PANICKED,
            None if self.cut_off.is_set() => CUT_OFF,
            None => DISCONNECTED,
        }
    }

    /// Counts the request, which has ended like this, in the metrics.
    fn count(&self, outcome: &'static str, duration: Duration) {
        let operation = match self.operation {
            "" => NO_OPERATION,
            operation => operation,
        };
        let status = self.status.map(|status| status.as_u16());
        self.metrics.http.ended(operation, status, duration);
        if outcome != COMPLETE {
            self.metrics.http.ended_incompletely(outcome);
        }
    }
}

/// Shows the metrics of requests to these operations before the first request.
pub(super) fn show_in(metrics: &Metrics, operations: impl Iterator<Item = &'static Operation>) {
    for operation in operations {
        let statuses = operation.statuses();
        metrics.http.show_operation(&operation.id, statuses);
    }
    for outcome in [BROKEN_OFF, CUT_OFF, PANICKED, DISCONNECTED] {
        metrics.http.show_outcome(outcome);
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let microseconds = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let duration = Duration::from_micros(microseconds);
        let outcome = self.outcome();
        self.count(outcome, duration);
        tracing::info!(
            target: "ecommerce_api::request",
            parent: None,
            request_id = &*self.request_id,
            method = self.method.as_str(),
            path = self.path,
            operation = self.operation,
            status = self.status.map(|status| u64::from(status.as_u16())),
            duration_ms = duration.div_duration_f64(Duration::from_millis(1)),
            bytes = self.bytes,
            outcome,
            peer = self.address().map(tracing::field::display),
            trace_id = self.trace_id.as_deref(),
            "request"
        );
    }
}

/// The body of a response. It counts the bytes and records how the body ends.
struct ObservedBody {
    body: BoxBody<Bytes, io::Error>,
    log: RequestLog,
    span: Span,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let _in_request = this.span.enter();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.log.bytes += u64::try_from(length).unwrap_or(u64::MAX);
                // hyper does not poll a body with a known length again after its last frame.
                if this.body.is_end_stream() {
                    this.log.end = Some(End::Complete);
                }
            }
            Poll::Ready(Some(Err(error))) if error.kind() == io::ErrorKind::TimedOut => {
                this.log.end = Some(End::CutOff);
            }
            Poll::Ready(Some(Err(_))) => this.log.end = Some(End::BrokenOff),
            Poll::Ready(None) => this.log.end = Some(End::Complete),
            Poll::Pending => {}
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

/// The request id that the client sent, if it is valid; otherwise a new one. A valid id can be logged
/// and sent back without escaping.
fn request_id(request: &Request) -> Arc<str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let sent = request.header(REQUEST_ID);
    let usable =
        sent.filter(|id| !id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(plain));
    usable.map_or_else(new_request_id, Arc::from)
}

/// A new request id: 128 random bits in hexadecimal.
pub(super) fn new_request_id() -> Arc<str> {
    format!("{:032x}", rand::random::<u128>()).into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Mutex;

    use http_body_util::BodyExt;

    use crate::clients::Rules;
    use crate::metrics::Format;

    use super::*;

    #[test]
    fn a_connection_that_is_cut_off_cuts_off_its_streams_and_a_stream_only_itself() {
        let connection = CutOff::default();
        let (one, other) = (connection.of_stream(), connection.of_stream());
        one.set();
        assert!(one.is_set() && !other.is_set() && !connection.is_set());
        connection.set();
        assert!(other.is_set());
    }

    #[tokio::test]
    async fn a_panic_in_the_body_is_logged() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Writer(Arc::clone(&writer)))
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let body = Body::from_bytes_stream(futures_util::stream::poll_fn(
            |_| -> Poll<Option<io::Result<Bytes>>> { panic!("as a test") },
        ));
        let response = Response::builder().body(body);
        let request = Request::default();
        let client = Rules::default().client(None, request.headers());
        let metrics = Arc::default();
        let begun = RequestLog::begin(&request, "", client, &metrics);
        let response = begun.watch(response, Span::none());
        let body: BoxBody<Bytes, io::Error> = response.into_body().into();
        assert!(tokio::spawn(body.collect()).await.unwrap_err().is_panic());
        let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
        assert!(log.contains("outcome=\"panicked\""), "{log}");
        let metrics = metrics.text(Format::Prometheus);
        for line in [
            "ecommerce_api_http_responses_incomplete_total{outcome=\"panicked\"} 1",
            "ecommerce_api_http_requests_in_flight 0",
            "ecommerce_api_http_request_duration_seconds_count{operation=\"none\",status=\"200\"} 1",
        ] {
            assert!(metrics.lines().any(|shown| shown == line), "{metrics}");
        }
    }

    struct Writer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

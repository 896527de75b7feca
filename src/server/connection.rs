//! One connection: hyper's protocols over the socket, and each request to the application.
//!
//! Imports `server::body`, `server::stream`, `server::streams`, `server::timer` and `server::tls`, `clients`,
//! and `api` for [`CutOff`].

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use poem::http::uri::Scheme;
use poem::http::{HeaderValue, Request, Response, Version, header};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Body};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use crate::api::CutOff;
use crate::clients;

use super::body::{RequestBody, ResponseBody};
use super::stream::TimedStream;
use super::streams::StreamTasks;
use super::timer::{ClientTimer, Exchange};
use super::tls::Tls;
use super::{Application, Stage};

/// The largest request head, in bytes, and how much of a response hyper gathers before it writes.
const HTTP1_BUFFER: usize = 16 * 1024;
/// Requests that one HTTP/2 connection may have open at a time.
const HTTP2_STREAMS: u32 = 100;
/// The largest HTTP/2 request head, in bytes, decompressed.
const HTTP2_HEADER_LIST: u32 = 16 * 1024;
/// How many bytes an HTTP/2 client may send on one stream, and on all streams of a connection together,
/// before the application reads them. With round trips of 50 ms a stream transfers 1.2 MiB a second.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;
/// How many bytes of a response hyper gathers for each HTTP/2 stream whose client does not read.
const HTTP2_SEND_BUFFER: usize = 64 * 1024;
/// Streams that an HTTP/2 client may open and reset before we see them ("rapid reset"): more end
/// the connection.
const HTTP2_RESETS: usize = 20;

/// How many bytes of its responses the kernel keeps for a client before it sends them.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 32 * 1024;

/// Hyper's protocols.
pub(super) type Protocols = auto::Builder<StreamTasks>;

/// The protocols and their limits. The [`ClientTimer`] enforces all time limits, so hyper has none
/// of its own:
///
/// - its HTTP/1 header timeout would also close connections that idle between requests, and does
///   not cover the first bytes, which decide between HTTP/1 and HTTP/2;
/// - its HTTP/2 keep-alive pings would make an idle connection look active. The idle timeout
///   detects clients that are gone, too.
pub(super) fn protocols() -> Protocols {
    let mut http = auto::Builder::new(StreamTasks);
    http.http1()
        .header_read_timeout(None)
        // A client that has sent everything may close its side and still read the response.
        .half_close(true)
        .max_buf_size(HTTP1_BUFFER);
    http.http2()
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .max_header_list_size(HTTP2_HEADER_LIST)
        .max_pending_accept_reset_streams(HTTP2_RESETS);
    http
}

/// Serves one connection to its end. The handshake of TLS takes from the time for the first head.
pub(super) async fn serve_connection<A: Application + 'static>(
    stream: TcpStream,
    peer: SocketAddr,
    app: Arc<A>,
    http: &Protocols,
    tls: Option<Tls>,
    timer: Arc<ClientTimer>,
    mut stage: watch::Receiver<Stage>,
) {
    // Responses are written whole: waiting to fill a packet (Nagle) could only delay the last
    // packet.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    if let Err(error) = limit_unsent_bytes(&stream) {
        tracing::debug!(%peer, %error, "cannot set TCP_NOTSENT_LOWAT");
    }
    let local = LocalAddr(
        stream
            .local_addr()
            .map(Addr::SocketAddr)
            .unwrap_or_default(),
    );
    let Some(tls) = tls else {
        let connection = Connection {
            peer,
            local,
            scheme: Scheme::HTTP,
            hsts: None,
            timer,
        };
        return serve_http(stream, connection, app, http, stage).await;
    };
    let handshake = async {
        tokio::select! {
            secured = tls.handshake(stream, &timer) => secured,
            _ = stage.wait_for(|stage| *stage == Stage::Closing) => {
                Err(io::Error::other("the server stops"))
            }
        }
    };
    match timer.limit(handshake, &CutOff::default()).await {
        Some(Ok(stream)) => {
            let connection = Connection {
                peer,
                local,
                scheme: Scheme::HTTPS,
                hsts: tls.hsts(),
                timer,
            };
            serve_http(stream, connection, app, http, stage).await;
        }
        Some(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
        None => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

/// Limits how much the kernel keeps of what it has not sent. Without it, the kernel would keep some MiB for a
/// client that has read fast before. Its buffer would empty in large steps, and between them a client that reads
/// slowly now would look like one that does not read. What was sent and not received yet is not limited, so
/// responses are not slower over a long way.
#[cfg(target_os = "linux")]
fn limit_unsent_bytes(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent_bytes(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// What is known of a connection before its first request.
struct Connection {
    peer: SocketAddr,
    local: LocalAddr,
    scheme: Scheme,
    /// The value of `Strict-Transport-Security`.
    hsts: Option<HeaderValue>,
    timer: Arc<ClientTimer>,
}

/// Serves HTTP on the stream of a connection, which is its socket or TLS on it. Dropping a TLS stream
/// sends no `close_notify`, so that a response that is broken off looks truncated to the client.
async fn serve_http<S, A>(
    stream: S,
    connection: Connection,
    app: Arc<A>,
    http: &Protocols,
    mut stage: watch::Receiver<Stage>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: Application + 'static,
{
    let Connection {
        peer,
        local,
        scheme,
        hsts,
        timer,
    } = connection;
    let remote = RemoteAddr(Addr::SocketAddr(peer));
    let counted = clients::Connection::new(peer.ip());
    let cut_off = CutOff::default();
    let rejection = Arc::new(OnceLock::new());
    let reject = {
        let (app, rejection) = (Arc::clone(&app), Arc::clone(&rejection));
        let hsts = hsts.clone();
        move |status| {
            let response = with_hsts(app.reject(status), hsts.as_ref());
            // The connection ends with its first rejection, so this never fails.
            let _ = rejection.set((status, request_id(&response)));
            response
        }
    };
    let metrics = app.metrics_of_connections();
    let io = TimedStream::new(stream, Arc::clone(&timer), reject, metrics);
    let io = TokioIo::new(io);
    let goaway = Arc::new(Notify::new());
    let service = hyper::service::service_fn({
        let (timer, cut_off) = (Arc::clone(&timer), cut_off.clone());
        let (stage, goaway) = (stage.clone(), Arc::clone(&goaway));
        move |mut request: Request<Incoming>| {
            let is_http2 = request.version() == Version::HTTP_2;
            let cut_off = if is_http2 {
                cut_off.of_stream()
            } else {
                cut_off.clone()
            };
            request.extensions_mut().insert(cut_off.clone());
            request.extensions_mut().insert(counted);
            let exchange = Exchange::begin(&timer, is_http2, cut_off);
            let request = (request, local.clone(), remote.clone(), scheme.clone()).into();
            let (app, hsts) = (Arc::clone(&app), hsts.clone());
            let (stage, goaway) = (stage.clone(), Arc::clone(&goaway));
            async move {
                let response = respond(&*app, request, exchange, &stage).await;
                if is_http2 && *stage.borrow() != Stage::Serving {
                    goaway.notify_one();
                }
                Ok::<_, Infallible>(with_hsts(response, hsts.as_ref()))
            }
        }
    });
    let connection = async {
        let mut connection = pin!(http.serve_connection(io, service));
        tokio::select! {
            end = connection.as_mut() => return end,
            _ = stage.wait_for(|stage| *stage == Stage::Closing) => {}
            () = goaway.notified() => {}
            () = timer.asked_to_close() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    let end = timer.limit(connection, &cut_off).await;
    match (rejection.get(), end) {
        (Some((status, request_id)), end) => {
            let problem = match end {
                Some(Err(error)) => error.to_string(),
                _ => "its head cannot be read".to_owned(),
            };
            tracing::info!(
                %peer,
                status = status.as_u16(),
                request_id,
                problem,
                "rejected a request that is not valid HTTP"
            );
        }
        (None, Some(Ok(()))) => {}
        (None, Some(Err(error))) if is_rejection(&*error) => {
            tracing::info!(%peer, problem = %error, "rejected a request that is not valid HTTP");
        }
        (None, Some(Err(error))) => tracing::debug!(%peer, %error, "the connection ended early"),
        (None, None) if timer.is_asked_to_close() => {
            tracing::debug!(%peer, "closed the idle connection in favour of a new one");
        }
        (None, None) => {
            tracing::debug!(%peer, "closed the connection: its client was silent for too long, or read too slowly");
        }
    }
}

/// Adds the header that makes browsers use TLS for later requests.
fn with_hsts<B>(mut response: Response<B>, hsts: Option<&HeaderValue>) -> Response<B> {
    if let Some(value) = hsts {
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
    }
    response
}

/// Whether hyper could not read a request's head.
fn is_rejection(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<hyper::Error>();
    error.is_some_and(hyper::Error::is_parse)
}

/// The request id in a response of the application.
fn request_id(response: &Response<Bytes>) -> String {
    let id = response.headers().get("x-request-id");
    let id = id.and_then(|id| id.to_str().ok());
    id.unwrap_or_default().to_owned()
}

/// Passes one request to the application and returns its response. The timer is paused meanwhile,
/// except while the application waits for the request's body. Once the server is stopping, the
/// response is the last one of an HTTP/1 connection.
async fn respond<A: Application>(
    app: &A,
    mut request: poem::Request,
    exchange: Exchange,
    stage: &watch::Receiver<Stage>,
) -> Response<ResponseBody> {
    let _working = exchange.server_step();
    let is_http2 = request.version() == Version::HTTP_2;
    // A client that sends `Expect` waits with the body until the server reads it.
    let is_body_withheld = request.headers().contains_key(header::EXPECT);
    let body: BoxBody<Bytes, io::Error> = request.take_body().into();
    let unread = if body.is_end_stream() {
        None
    } else {
        let (body, unread) = RequestBody::new(body, &exchange);
        request.set_body(Body::from(BoxBody::new(body)));
        Some(unread)
    };
    let mut response: Response<BoxBody<_, _>> = app.get_response(request).await.into();
    if !is_http2 && *stage.borrow() != Stage::Serving {
        response = closing(response);
    }

    // A response with this header ends the connection, so there is no next request to read up to.
    let connection = response.headers().get(header::CONNECTION);
    let is_last = connection.is_some_and(|value| value == "close");
    // On HTTP/2 hyper resets the stream, and keeps the connection.
    if let Some(unread) = unread.filter(|_| !is_http2)
        && !unread.discard(!is_body_withheld && !is_last).await
    {
        exchange.leave_body_unread();
        return finish(closing(response), exchange);
    }
    finish(response, exchange)
}

/// Adds the header that says that the connection ends after this response.
fn closing<B>(mut response: Response<B>) -> Response<B> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

fn finish(
    response: Response<BoxBody<Bytes, io::Error>>,
    exchange: Exchange,
) -> Response<ResponseBody> {
    response.map(|body| ResponseBody::new(body, exchange))
}

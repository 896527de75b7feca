//! The accept loop: sockets in, requests to the service, and an orderly end.
//!
//! Imports no other room; the service is any poem endpoint. Compared with `poem::Server` it limits
//! how long a client may keep a connection waiting and how many there are, survives running out
//! of file descriptors, and breaks the transfer when a body fails half-way: a truncated list must
//! not look like a complete one.
//!
//! What is not even HTTP (a garbled request line, a head past 16 KiB) is answered by hyper itself,
//! with a bare 400, 414 or 431: it never becomes a request, so no error envelope can be put on it.

mod clock;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use poem::http::uri::Scheme;
use poem::http::{self, Version};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Body, Endpoint};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use clock::{Clock, Exchange, WatchedBody, WatchedStream};

/// The largest request head, in bytes, and how much of an answer hyper gathers before it writes.
const HTTP1_BUFFER: usize = 16 * 1024;
/// Requests that one HTTP/2 connection may have open at a time.
const HTTP2_STREAMS: u32 = 100;
/// The largest HTTP/2 request head, in bytes, decompressed.
const HTTP2_HEADER_LIST: u32 = 16 * 1024;
/// Streams that an HTTP/2 client may open and reset before we see them ("rapid reset"): more end
/// the connection.
const HTTP2_RESETS: usize = 20;
/// The pause after a failed accept, for descriptors to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// File descriptors left for everything that is not a client's connection: the database pool,
/// logs, the runtime.
const OTHER_DESCRIPTORS: usize = 256;

/// What clients are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the connection, or a later request's first byte, to the end of the request's head.
    pub header_timeout: Duration,
    /// The longest silence while it is the client's move: between requests, in the middle of
    /// sending a body, in the middle of reading an answer. How long a handler may take is not
    /// limited here.
    pub idle_timeout: Duration,
    /// Connections at a time; further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// What runs when the server is told to stop gets this long to finish.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            // Longer than the 60 s after which common load balancers drop an idle connection:
            // the side that reuses connections must be the one that closes them.
            idle_timeout: Duration::from_secs(75),
            max_connections: 4096,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// Serves `app` on `listener`, over HTTP/1.1 and HTTP/2 (with prior knowledge), until `shutdown`
/// resolves; then drains.
///
/// Draining closes the listener at once, idle connections too, and tells the others to end after
/// the request in hand; what has not ended after [`Limits::shutdown_grace`] is cut. Dropping the
/// future cuts everything.
///
/// A panic in `app` ends its connection (on HTTP/2 its stream), nothing else.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    app: E,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let app = Arc::new(app);
    let http = Arc::new(protocols());
    let slots = Arc::new(Semaphore::new(make_room(limits.max_connections)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();

    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Reaping also wakes an accept that pauses for want of descriptors: one is free now.
            // A task that panicked has been reported by the panic hook.
            Some(_ended) = connections.join_next() => {}
            (stream, peer, slot) = accept(&listener, &slots) => {
                let app = Arc::clone(&app);
                let http = Arc::clone(&http);
                let watcher = graceful.watcher();
                connections.spawn(async move {
                    serve_connection(stream, peer, app, &http, limits, watcher).await;
                    drop(slot);
                });
            }
        }
    }
    drop(listener);

    while connections.try_join_next().is_some() {}
    tracing::info!(
        connections = connections.len(),
        grace_seconds = limits.shutdown_grace.as_secs_f32(),
        "stopping: no new connections, requests in progress may finish"
    );
    if tokio::time::timeout(limits.shutdown_grace, graceful.shutdown())
        .await
        .is_err()
    {
        while connections.try_join_next().is_some() {}
        tracing::warn!(
            connections = connections.len(),
            grace_seconds = limits.shutdown_grace.as_secs_f32(),
            "cut the connections that did not finish in time"
        );
    }
    connections.shutdown().await;
}

/// [`serve`] until `first`, a [`shutdown_signal`] that has been listened for since before there was
/// anything to serve; a second signal while it drains ends it at once.
pub async fn serve_until_signal<E: Endpoint + 'static>(
    listener: TcpListener,
    app: E,
    limits: Limits,
    first: impl Future<Output = ()>,
) {
    let stop = Notify::new();
    let impatience = async {
        first.await;
        stop.notify_one();
        shutdown_signal().await;
        tracing::warn!("a second signal: cutting the connections that have not finished");
    };
    tokio::select! {
        () = serve(listener, app, limits, stop.notified()) => {}
        () = impatience => {}
    }
}

/// Resolves at the next SIGTERM or SIGINT (Ctrl-C). From its first call on, neither ends the
/// process by itself.
pub async fn shutdown_signal() {
    let received = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        },
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "cannot listen for signals: only SIGKILL will stop this server");
            return std::future::pending().await;
        }
    };
    tracing::info!(signal = received, "told to stop");
}

/// What the protocols allow. Times are the [`Clock`]'s business, so hyper keeps none of its own:
///
/// - its HTTP/1 header timeout would also close connections that idle between requests, and does
///   not cover the first bytes, by which HTTP/2 is told from HTTP/1;
/// - its HTTP/2 keep-alive pings would have every living client prove, again and again, that its
///   connection is not idle. A dead client is found by the idle timeout as well.
fn protocols() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .header_read_timeout(None)
        // A client that has said all it has to say may close its side and still read the answer.
        .half_close(true)
        .max_buf_size(HTTP1_BUFFER);
    http.http2()
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HTTP2_HEADER_LIST)
        .max_pending_accept_reset_streams(HTTP2_RESETS);
    http
}

/// The next connection, once there is a slot for it. Failures are logged and waited out: none of
/// those that accept can meet is a reason to stop serving.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            // The client gave up while it waited to be accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again shortly");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection<E: Endpoint + 'static>(
    stream: TcpStream,
    peer: SocketAddr,
    app: Arc<E>,
    http: &auto::Builder<TokioExecutor>,
    limits: Limits,
    watcher: Watcher,
) {
    // Answers are written whole: waiting to fill a packet (Nagle) could only delay their last one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let remote = RemoteAddr(Addr::SocketAddr(peer));
    let local = LocalAddr(
        stream
            .local_addr()
            .map(Addr::SocketAddr)
            .unwrap_or_default(),
    );

    let clock = Clock::start(limits.header_timeout, limits.idle_timeout);
    let io = TokioIo::new(WatchedStream::new(stream, Arc::clone(&clock)));
    let service = hyper::service::service_fn({
        let clock = Arc::clone(&clock);
        move |request: http::Request<Incoming>| {
            let exchange = Exchange::begin(&clock, request.version() == Version::HTTP_2);
            let request = (request, local.clone(), remote.clone(), Scheme::HTTP).into();
            let app = Arc::clone(&app);
            async move { Ok::<_, Infallible>(answer(&*app, request, exchange).await) }
        }
    });
    let connection = watcher.watch(http.serve_connection(io, service));
    match clock.limit(connection).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%peer, %error, "connection ended early"),
        None => tracing::debug!(%peer, "connection closed: its client was silent for too long"),
    }
}

/// One request to the endpoint and its answer back, with the clock told whose move it is.
async fn answer<E: Endpoint>(
    app: &E,
    mut request: poem::Request,
    exchange: Exchange,
) -> http::Response<WatchedBody> {
    let _handling = exchange.our_move();
    let body: BoxBody<Bytes, io::Error> = request.take_body().into();
    if !body.is_end_stream() {
        let watched = WatchedBody::of_request(body, &exchange);
        request.set_body(Body::from(BoxBody::new(watched)));
    }
    let response: http::Response<BoxBody<_, _>> = app.get_response(request).await.into();
    response.map(|body| WatchedBody::of_answer(body, exchange))
}

/// Raises this process's limit of open files so that `connections` fit, and gives how many do.
///
/// The customary soft limit, 1024, exists for programs that use select(2), which this one is not.
fn make_room(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let files = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let needed = files(connections.saturating_add(OTHER_DESCRIPTORS));
    let mut allowed = current.unwrap_or(u64::MAX);
    if allowed < needed {
        let raised = needed.min(maximum.unwrap_or(u64::MAX));
        let limit = Rlimit {
            current: Some(raised),
            maximum,
        };
        if setrlimit(Resource::Nofile, limit).is_ok() {
            allowed = raised;
        }
    }
    if allowed >= needed {
        return connections;
    }
    let fitting = usize::try_from(allowed.saturating_sub(files(OTHER_DESCRIPTORS)))
        .unwrap_or(usize::MAX)
        .max(1);
    tracing::warn!(
        open_files = allowed,
        connections = fitting,
        wanted = connections,
        "the limit of open files (ulimit -n) leaves room for fewer connections"
    );
    fitting
}

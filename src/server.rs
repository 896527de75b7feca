//! The accept loop: accepts connections, passes requests to the application, and shuts down in
//! order.
//!
//! Imports `deadlines`, and `api` to tell the log of requests that a connection was cut off; the
//! application is any [`Application`]. Compared with `poem::Server` it
//! limits how long a client may keep a connection waiting and how many connections there are,
//! survives running out of file descriptors, and breaks the transfer when a body fails half-way: a
//! truncated list must not look like a complete one.
//!
//! - `connection`: hyper's protocols over one socket, and each request to the application
//! - `rejection`: responses to requests that hyper rejects
//! - `timer`, `stream`, `body`: how long a connection waits for its client
//! - `descriptors`, `signals`: the process's limit of open files, and the signals that stop it

mod body;
mod connection;
mod descriptors;
mod rejection;
mod signals;
mod stream;
mod timer;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper_util::server::graceful::GracefulShutdown;
use poem::Endpoint;
use poem::http::{Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::deadlines;

pub use signals::shutdown_signal;

/// The pause after a failed accept, for descriptors to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The application that is served: an endpoint that also makes the responses to requests that do
/// not reach it.
pub trait Application: Endpoint {
    /// The response to a request that is rejected with `status` before the endpoint is called,
    /// because it is not valid HTTP. Its `X-Request-Id` is logged; the connection ends after it.
    fn reject(&self, status: StatusCode) -> Response<Bytes>;
}

/// The limits for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest time from the connection, or a later request's first byte, to the end of the
    /// request's head.
    pub header_timeout: Duration,
    /// The longest silence while the client has to act: between requests, in the middle of sending
    /// a body, in the middle of reading a response. How long a handler may take is not limited
    /// here.
    pub idle_timeout: Duration,
    /// The most connections at a time; further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// How long requests in progress may take to finish after the server was told to stop.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: deadlines::HEAD,
            idle_timeout: deadlines::IDLE,
            max_connections: 4096,
            shutdown_grace: deadlines::SHUTDOWN,
        }
    }
}

/// Serves `app` on `listener`, over HTTP/1.1 and HTTP/2 (with prior knowledge), until `shutdown`
/// resolves, and then drains.
///
/// Draining closes the listener and idle connections at once, and the other connections after the
/// request in progress. Connections that have not ended after [`Limits::shutdown_grace`] are
/// closed. Dropping the future closes all connections.
///
/// A panic in `app` ends its connection (on HTTP/2 its stream), nothing else.
pub async fn serve<A: Application + 'static>(
    listener: TcpListener,
    app: A,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let app = Arc::new(app);
    let http = Arc::new(connection::protocols());
    let slots = Arc::new(Semaphore::new(descriptors::raise_limit_for(
        limits.max_connections,
    )));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();

    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            // A connection that ends frees a descriptor, so this also ends the pause of an accept
            // that lacked one. A task that panicked has been reported by the panic hook.
            Some(_ended) = connections.join_next() => {}
            (stream, peer, slot) = accept(&listener, &slots) => {
                let app = Arc::clone(&app);
                let http = Arc::clone(&http);
                let watcher = graceful.watcher();
                connections.spawn(async move {
                    connection::serve_connection(stream, peer, app, &http, limits, watcher).await;
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

/// Calls [`serve`] until `first` resolves, which is a [`shutdown_signal`] that the caller has
/// polled since before the start. A second signal during the drain ends it at once.
pub async fn serve_until_signal<A: Application + 'static>(
    listener: TcpListener,
    app: A,
    limits: Limits,
    first: impl Future<Output = ()>,
) {
    let stop = Notify::new();
    let second = async {
        first.await;
        stop.notify_one();
        shutdown_signal().await;
        tracing::warn!("a second signal: cutting the connections that have not finished");
    };
    tokio::select! {
        () = serve(listener, app, limits, stop.notified()) => {}
        () = second => {}
    }
}

/// Waits for a free slot and accepts the next connection. A failure is logged and followed by
/// another attempt: no failure of accept is a reason to stop serving.
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

//! The accept loop: accepts connections, passes requests to the application, and shuts down in
//! order.
//!
//! Imports `deadlines`, `clients`, `metrics`, and `api` to tell the log of requests that a connection was cut off; the
//! application is any [`Application`]. Compared with `poem::Server` it
//! limits how long a client may keep a connection waiting and how many connections there are, in all and
//! of one network, survives running out of file descriptors, and breaks the transfer when a body fails half-way: a
//! truncated list must not look like a complete one.
//!
//! - `connection`: hyper's protocols over one socket, and each request to the application
//! - `rejection`: responses to requests that hyper rejects
//! - `slots`: how many connections there are, and which one is closed in favour of another
//! - `timer`, `reading`, `stream`, `body`: how long a connection waits for its client
//! - `streams`: the tasks of HTTP/2 streams, which can be aborted
//! - `proxied`: the header of the PROXY protocol, with the address of the client
//! - `tls`: the certificate, and the handshake of connections with TLS
//! - `monitoring`: another server, for those who observe this one
//! - `descriptors`, `signals`: the process's limit of open files, and the signals that it handles

mod body;
mod connection;
mod descriptors;
mod monitoring;
mod proxied;
mod reading;
mod rejection;
mod signals;
mod slots;
mod stream;
mod streams;
mod timer;
mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use poem::Endpoint;
use poem::http::{Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clients::{Network, Opening};
use crate::deadlines;
use crate::metrics::Connections;

pub use monitoring::MonitoringServer;
pub use signals::{Hangups, shutdown_signal};
pub use tls::{KeyPair, Tls, keep_current};

use slots::{Slot, Slots};

/// The pause after a failed accept, for descriptors to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The application that is served: an endpoint that also makes the responses to requests that do
/// not reach it.
pub trait Application: Endpoint {
    /// The response to a request that is rejected with `status` before the endpoint is called,
    /// because it is not valid HTTP. Its `X-Request-Id` is logged; the connection ends after it.
    fn reject(&self, status: StatusCode) -> Response<Bytes>;

    /// The network that the connections of `peer` are counted by; `None` if there may be as many as there
    /// are slots.
    fn network(&self, peer: IpAddr) -> Option<Network>;

    /// How a connection of `peer` begins.
    fn opening(&self, peer: IpAddr) -> Opening;
    /// Where connections and their bytes are counted. By default nobody reads the counts.
    fn metrics_of_connections(&self) -> Connections {
        Connections::default()
    }

    /// Called once, when the server was told to stop. From now on the application reports that it is
    /// not ready for further clients; requests are still passed to it.
    fn announce_shutdown(&self);
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
    /// The longest time in which a client may take less than 30 KiB of its responses while there is more
    /// for it to read. Then the HTTP/2 streams whose responses it does not read are reset, or else the
    /// connection is closed.
    pub reading_timeout: Duration,
    /// The most connections at a time. For a further one, the connection that has been idle longest is
    /// closed; it waits, and others in the kernel's backlog, only while none is idle.
    pub max_connections: usize,
    /// The most connections of one network at a time, but never more than a quarter of
    /// `max_connections`. For a further one, the connection of the network that has been idle longest is
    /// closed; while none is idle, the further one is closed at once.
    pub address_connections: usize,
    /// How long new connections are still accepted after the server was told to stop.
    pub shutdown_delay: Duration,
    /// How long connections without a request are kept open after the listener was closed.
    pub last_request: Duration,
    /// How long requests in progress may take to finish after the listener was closed.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: deadlines::HEAD,
            idle_timeout: deadlines::IDLE,
            reading_timeout: deadlines::READING,
            max_connections: 4096,
            address_connections: 256,
            shutdown_delay: Duration::ZERO,
            last_request: deadlines::LAST_REQUEST,
            shutdown_grace: deadlines::SHUTDOWN,
        }
    }
}

/// The stages of the server's end. Every connection watches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Connections stay open for further requests.
    Serving,
    /// Each response is the last one of its connection.
    Draining,
    /// Connections without a request in progress are closed, too.
    Closing,
}

/// Serves `app` on `listener`, over HTTP/1.1 and HTTP/2 (with prior knowledge, or negotiated within
/// `tls`), until `shutdown` resolves, and then drains, so that no request of a client that keeps to
/// HTTP fails:
///
/// 1. The application announces the shutdown ([`Application::announce_shutdown`]). From here on each
///    response is the last one of its connection: it has `Connection: close`, or on HTTP/2 a GOAWAY
///    follows.
/// 2. For [`Limits::shutdown_delay`], new connections are still accepted. Then the listener is closed.
/// 3. For [`Limits::last_request`], connections without a request are kept open: a request may be on
///    its way. Then they are closed.
/// 4. Connections that have not ended [`Limits::shutdown_grace`] after step 2 are closed.
///
/// Dropping the future closes all connections. A panic in `app` ends its connection (on HTTP/2 its
/// stream), nothing else.
pub async fn serve<A: Application + 'static>(
    listener: TcpListener,
    app: A,
    tls: Option<Tls>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let stage = watch::Sender::new(Stage::Serving);
    let slots = descriptors::raise_limit_for(limits.max_connections);
    let mut acceptor = Acceptor {
        metrics: app.metrics_of_connections(),
        app: Arc::new(app),
        http: Arc::new(connection::protocols()),
        tls,
        slots: Slots::new(slots, &limits),
        waiting: None,
        stage: stage.subscribe(),
        connections: JoinSet::new(),
    };
    acceptor.accept_until(&listener, shutdown).await;

    acceptor.app.announce_shutdown();
    stage.send_replace(Stage::Draining);
    if !limits.shutdown_delay.is_zero() {
        tracing::info!(
            seconds = limits.shutdown_delay.as_secs_f32(),
            "shutting down: /health is 503, new connections are accepted for the time of SHUTDOWN_DELAY"
        );
        let delay = tokio::time::sleep(limits.shutdown_delay);
        acceptor.accept_until(&listener, delay).await;
    }
    acceptor.accept_established(listener);

    let mut connections = acceptor.connections;
    while connections.try_join_next().is_some() {}
    tracing::info!(
        connections = connections.len(),
        grace_seconds = limits.shutdown_grace.as_secs_f32(),
        "stopping: no new connections, requests in progress may finish"
    );
    let drained = async {
        let all_ended = wait_for_all(&mut connections);
        if timeout(limits.last_request, all_ended).await.is_err() {
            stage.send_replace(Stage::Closing);
            wait_for_all(&mut connections).await;
        }
    };
    if timeout(limits.shutdown_grace, drained).await.is_err() {
        while connections.try_join_next().is_some() {}
        tracing::warn!(
            connections = connections.len(),
            grace_seconds = limits.shutdown_grace.as_secs_f32(),
            "cut the connections that did not finish in time"
        );
    }
    connections.shutdown().await;
}

/// Waits until every connection has ended.
async fn wait_for_all(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// Starts a task for each connection.
struct Acceptor<A> {
    app: Arc<A>,
    http: Arc<connection::Protocols>,
    tls: Option<Tls>,
    slots: Arc<Slots>,
    /// A connection that was accepted and has no slot yet.
    waiting: Option<Accepted>,
    stage: watch::Receiver<Stage>,
    metrics: Connections,
    connections: JoinSet<()>,
}

/// An accepted connection.
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    /// What the connection is counted by.
    network: Option<Network>,
    /// Whether it begins with a header of the PROXY protocol.
    has_proxy_header: bool,
}

impl<A: Application + 'static> Acceptor<A> {
    /// Accepts connections until `end` resolves.
    async fn accept_until(&mut self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            let admit = |stream, peer| admit(&*self.app, &self.slots, stream, peer);
            tokio::select! {
                biased;
                () = &mut end => return,
                // A connection that ends frees a descriptor, so this also ends the pause of an accept
                // that lacked one. A task that panicked has been reported by the panic hook.
                Some(_ended) = self.connections.join_next() => {}
                (accepted, slot) = accept(listener, &self.slots, admit, &mut self.waiting) => {
                    self.start(accepted, slot);
                }
            }
        }
    }

    /// Accepts the connections that the kernel has established already, and closes the listener, which
    /// would reset them.
    fn accept_established(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        if let Some(accepted) = self.waiting.take()
            && let Some(slot) = self.slots.try_take(accepted.network)
        {
            self.start(accepted, slot);
        }
        while let Ok((stream, peer)) = listener.accept() {
            let is_ready = stream.set_nonblocking(true);
            let Ok(stream) = is_ready.and_then(|()| TcpStream::from_std(stream)) else {
                continue;
            };
            let Some(accepted) = admit(&*self.app, &self.slots, stream, peer) else {
                continue;
            };
            let Some(slot) = self.slots.try_take(accepted.network) else {
                return;
            };
            self.start(accepted, slot);
        }
    }

    fn start(&mut self, accepted: Accepted, slot: Slot) {
        let Accepted {
            mut stream,
            mut peer,
            has_proxy_header,
            ..
        } = accepted;
        let (app, http) = (Arc::clone(&self.app), Arc::clone(&self.http));
        let (tls, timer, stage) = (
            self.tls.clone(),
            Arc::clone(&slot.timer),
            self.stage.clone(),
        );
        let counted = self.metrics.open();
        self.connections.spawn(async move {
            let _counted = counted;
            if has_proxy_header {
                let network_of = |client| app.network(client);
                let client =
                    proxied::read_client(&mut stream, peer, network_of, &slot, stage.clone());
                match client.await {
                    Some(client) => peer = client,
                    None => return,
                }
            }
            connection::serve_connection(stream, peer, app, &http, tls, timer, stage).await;
            drop(slot);
        });
    }
}

/// Calls [`serve`] until `first` resolves, which is a [`shutdown_signal`] that the caller has
/// polled since before the start. A second signal during the drain ends it at once.
pub async fn serve_until_signal<A: Application + 'static>(
    listener: TcpListener,
    app: A,
    tls: Option<Tls>,
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
        () = serve(listener, app, tls, limits, stop.notified()) => {}
        () = second => {}
    }
}

/// A connection from `peer`, if the application accepts it, and its network may have another one.
fn admit(
    app: &impl Application,
    slots: &Slots,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<Accepted> {
    let opening = app.opening(peer.ip());
    if opening == Opening::Refused {
        tracing::debug!(%peer, "refused a connection that is not of a trusted proxy");
        return None;
    }
    let network = app.network(peer.ip());
    let is_admitted = network.is_none_or(|network| slots.admit(network));
    is_admitted.then_some(Accepted {
        stream,
        peer,
        network,
        has_proxy_header: opening == Opening::ProxyHeader,
    })
}

/// Accepts the next connection of a network that has not its share of the slots, and waits for a slot.
/// The connection is in `waiting` meanwhile, so that it is not lost when this is dropped.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Slots>,
    admit: impl Fn(TcpStream, SocketAddr) -> Option<Accepted>,
    waiting: &mut Option<Accepted>,
) -> (Accepted, Slot) {
    loop {
        let Some(accepted) = waiting.as_ref() else {
            let (stream, peer) = accept_any(listener).await;
            *waiting = admit(stream, peer);
            continue;
        };
        let slot = slots.take(accepted.network).await;
        if let Some(accepted) = waiting.take() {
            return (accepted, slot);
        }
    }
}

/// Accepts the next connection. A failure is logged and followed by another attempt: no failure of accept
/// is a reason to stop serving.
async fn accept_any(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client gave up while it waited to be accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again shortly");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

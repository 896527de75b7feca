//! A server with an application that tests can observe and control, and clients that see every
//! byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ecommerce_api::clients::{Network, Opening};
use ecommerce_api::server::{self, Application, Limits, Tls};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use poem::endpoint::{make, make_sync};
use poem::http::{self, Request, StatusCode, Version};
use poem::{Body, Endpoint, Response, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::SHORT;
use crate::common::headers::transfer_violations;
use crate::common::wire::Received;

/// The address of the proxy of [`Server::start_behind_proxy`].
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What a test can observe and control in the application.
pub struct Events {
    /// Receives a value when a request has reached `/wait`.
    pub wait_reached: mpsc::UnboundedReceiver<()>,
    /// Releases the requests that wait at `/wait`.
    pub release: Arc<Notify>,
    /// Notified when the body of `/endless` is dropped and no longer read.
    pub endless_dropped: Arc<Notify>,
    /// The number of chunks of 16 KiB of `/endless` that were passed to the server.
    pub endless_chunks: Arc<AtomicUsize>,
    /// Notified when nothing holds the bytes of a response of `/large` any more.
    pub large_dropped: Arc<Notify>,
    /// Whether the server has announced its shutdown.
    pub is_stopping: Arc<AtomicBool>,
}

pub struct Server {
    pub address: SocketAddr,
    pub stop: Arc<Notify>,
    pub events: Events,
    pub task: JoinHandle<()>,
}

impl Server {
    pub async fn start(limits: Limits) -> Self {
        Self::launch(None, limits, |_| Opening::Request).await
    }

    /// As [`Server::start`], for connections that begin with a header of the PROXY protocol. They are accepted
    /// from 127.0.0.2 only, which is not limited.
    pub async fn start_behind_proxy(tls: Option<Tls>, limits: Limits) -> Self {
        Self::launch(tls, limits, |peer| {
            if peer == PROXY {
                Opening::ProxyHeader
            } else {
                Opening::Refused
            }
        })
        .await
    }

    /// As [`Server::start`], with TLS.
    pub async fn start_with_tls(tls: Tls, limits: Limits) -> Self {
        Self::launch(Some(tls), limits, |_| Opening::Request).await
    }

    async fn launch(tls: Option<Tls>, limits: Limits, opening: fn(IpAddr) -> Opening) -> Self {
        let (app, events) = app_with(opening);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn({
            let stop = Arc::clone(&stop);
            async move { server::serve(listener, app, tls, limits, stop.notified()).await }
        });
        Self {
            address,
            stop,
            events,
            task,
        }
    }

    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Connects from 127.0.0.`host`.
    pub async fn connect_from(&self, host: u8) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, host], 0).into()).unwrap();
        Client(soon(socket.connect(self.address)).await.unwrap())
    }

    /// Connects with HTTP/2. The client sends PINGs, and each stream has a window of `window` bytes.
    pub async fn connect_http2_with_pings(
        &self,
        window: u32,
    ) -> (Http2, JoinHandle<hyper::Result<()>>) {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(window)
            .keep_alive_interval(SHORT / 4)
            .handshake(stream);
        let (client, connection) = soon(handshake).await.unwrap();
        (client, tokio::spawn(connection))
    }

    pub async fn connect_http2(&self) -> (Http2, JoinHandle<hyper::Result<()>>) {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (client, connection) = soon(handshake).await.unwrap();
        (client, tokio::spawn(connection))
    }
}

/// The routes, and the response to requests that are not valid HTTP.
struct Rejecting {
    routes: Route,
    is_stopping: Arc<AtomicBool>,
    opening: fn(IpAddr) -> Opening,
}

impl Endpoint for Rejecting {
    type Output = Response;

    async fn call(&self, request: poem::Request) -> poem::Result<Response> {
        self.routes.call(request).await
    }
}

impl Application for Rejecting {
    fn reject(&self, status: StatusCode) -> http::Response<Bytes> {
        let body = format!("rejected: {}", status.as_u16());
        let response = http::Response::builder().status(status);
        response
            .header("x-request-id", "of-a-rejection")
            .body(body.into())
            .unwrap()
    }

    fn network(&self, peer: IpAddr) -> Option<Network> {
        let is_unlimited =
            peer == Ipv4Addr::LOCALHOST || (self.opening)(peer) == Opening::ProxyHeader;
        (!is_unlimited).then(|| peer.into())
    }

    fn opening(&self, peer: IpAddr) -> Opening {
        (self.opening)(peer)
    }

    fn announce_shutdown(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }
}

pub fn app() -> (impl Application + 'static, Events) {
    app_with(|_| Opening::Request)
}

fn app_with(opening: fn(IpAddr) -> Opening) -> (impl Application + 'static, Events) {
    let (reached, wait_reached) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let endless_dropped = Arc::new(Notify::new());
    let large_dropped = Arc::new(Notify::new());
    let endless_chunks = Arc::new(AtomicUsize::new(0));
    let is_stopping = Arc::new(AtomicBool::new(false));
    let events = Events {
        is_stopping: Arc::clone(&is_stopping),
        wait_reached,
        release: Arc::clone(&release),
        endless_dropped: Arc::clone(&endless_dropped),
        endless_chunks: Arc::clone(&endless_chunks),
        large_dropped: Arc::clone(&large_dropped),
    };
    let slow = || {
        make(|request: poem::Request| async move {
            request.into_body().into_bytes().await?;
            tokio::time::sleep(SHORT).await;
            Ok::<_, poem::error::ReadBodyError>(
                Response::builder()
                    .header("connection", "close")
                    .body("slow"),
            )
        })
    };
    let route = Route::new()
        .at("/hello", make_sync(|_| "hello"))
        .at(
            "/large",
            make_sync(move |_| {
                let dropped = OnDrop(Arc::clone(&large_dropped));
                Body::from_bytes(Bytes::from_owner(Large(vec![b'x'; 512 * 1024], dropped)))
            }),
        )
        .at(
            "/client",
            make_sync(|request: poem::Request| request.remote_addr().to_string()),
        )
        .at("/echo", make(|request| async { request.into_body() }))
        .at("/slow", slow())
        .at(
            "/slow-body",
            make_sync(|_| {
                Body::from_bytes_stream(stream::unfold(
                    ["slow", " body"].iter(),
                    |mut parts| async move {
                        let part = *parts.next()?;
                        tokio::time::sleep(SHORT).await;
                        Some((Ok::<_, io::Error>(part), parts))
                    },
                ))
            }),
        )
        .at(
            "/broken",
            make_sync(|_| {
                let parts = [Ok("first part"), Err(io::Error::other("the rest is lost"))];
                Body::from_bytes_stream(stream::iter(parts).then(|part| async {
                    // Lets hyper write the part before this one first.
                    tokio::task::yield_now().await;
                    part
                }))
            }),
        )
        .at(
            "/endless",
            make_sync(move |_| endless(&endless_dropped, &endless_chunks)),
        )
        .at(
            "/last",
            make_sync(|_| {
                Response::builder()
                    .status(StatusCode::NOT_IMPLEMENTED)
                    .header("connection", "close")
                    .body("last")
            }),
        )
        .at("/bad", make_sync(|_| StatusCode::BAD_REQUEST))
        .at("/too-large", make_sync(|_| StatusCode::PAYLOAD_TOO_LARGE))
        .at("/panic", make_sync(|_| -> String { panic!("on request") }))
        .at(
            "/wait",
            make(move |_| {
                let reached = reached.clone();
                let release = Arc::clone(&release);
                async move {
                    let released = release.notified();
                    reached.send(()).unwrap();
                    released.await;
                    "released"
                }
            }),
        );
    let app = Rejecting {
        routes: route,
        is_stopping,
        opening,
    };
    (app, events)
}

/// A body without an end, which counts its chunks.
fn endless(dropped: &Arc<Notify>, chunks: &Arc<AtomicUsize>) -> Body {
    let dropped = OnDrop(Arc::clone(dropped));
    let chunks = Arc::clone(chunks);
    Body::from_bytes_stream(stream::repeat_with(move || {
        let _held = &dropped;
        chunks.fetch_add(1, Ordering::Relaxed);
        Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 16 * 1024]))
    }))
}

/// A body that tells when it is dropped.
struct Large(
    Vec<u8>,
    #[expect(dead_code, reason = "acts when it is dropped")] OnDrop,
);

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

// ── Clients ─────────────────────────────────────────────────────────────────────────────────────

/// An HTTP/1 client that sends and receives bytes as they are.
pub struct Client(pub TcpStream);

pub struct ReceivedResponse {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    pub async fn send(&mut self, text: &str) {
        soon(self.0.write_all(text.as_bytes())).await.unwrap();
    }

    /// Reads one response, whose body has the length of its `Content-Length`.
    pub async fn response(&mut self) -> ReceivedResponse {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(self.0.read_u8()).await.expect("a response"));
        }
        let received = Received::read(&head);
        let violations = transfer_violations(&received.headers, &["content-type", "x-request-id"]);
        assert!(violations.is_empty(), "{violations:?}");
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        soon(self.0.read_exact(&mut body)).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        ReceivedResponse { status, head, body }
    }

    /// Reads everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        soon(self.0.read_to_end(&mut rest)).await.unwrap();
        rest
    }
}

pub type Http2 = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

/// Sends a GET and waits for the head of its response; the body is not read.
pub async fn begin(client: &Http2, path: &str) -> http::Response<hyper::body::Incoming> {
    let request = Request::get(format!("http://a{path}"));
    let request = request.body(Empty::new()).unwrap();
    soon(client.clone().send_request(request)).await.unwrap()
}

pub async fn get(client: &Http2, path: &str) -> hyper::Result<(StatusCode, Bytes)> {
    let request = Request::get(format!("http://a{path}"))
        .body(Empty::new())
        .unwrap();
    let response = soon(client.clone().send_request(request)).await?;
    assert_eq!(response.version(), Version::HTTP_2);
    let names = response.headers().keys();
    let headers: Vec<_> = names
        .map(|name| (name.to_string(), String::new()))
        .collect();
    let violations = transfer_violations(&headers, &["content-type"]);
    assert!(violations.is_empty(), "{violations:?}");
    let status = response.status();
    let body = soon(response.into_body().collect()).await?.to_bytes();
    Ok((status, body))
}

/// Waits for `expected`; fails when that takes too long, instead of hanging.
pub async fn soon<F: Future>(expected: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), expected)
        .await
        .expect("the future completes in time")
}

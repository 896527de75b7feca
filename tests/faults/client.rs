//! An HTTP client on one connection, which it replaces when it breaks or is closed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// How long a client waits for a response, longer than any deadline of the service.
const PATIENCE: Duration = Duration::from_mins(1);

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    Response(Response),
    /// The request was sent, and the connection ended without a response.
    Unanswered,
    /// No connection: the request was not sent.
    Refused,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub has_retry_after: bool,
    /// `null` if the body is not JSON.
    pub body: Value,
}

pub struct Client {
    address: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// Sends one request and reads its response.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> Outcome {
        self.send_with_key(method, path, body, None).await
    }

    /// Sends one request, with an `Idempotency-Key`.
    pub async fn send_with_key(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Outcome {
        let Some(mut connection) = self.connection().await else {
            // Without a pause, a client that is refused would occupy the processor.
            sleep(Duration::from_millis(20)).await;
            return Outcome::Refused;
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let content = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(content)).unwrap();
        let response = async {
            let response = connection.send_request(request).await.ok()?;
            let status = response.status().as_u16();
            let has_retry_after = response.headers().contains_key("retry-after");
            let body = response.into_body().collect().await.ok()?.to_bytes();
            Some(Response {
                status,
                has_retry_after,
                body: serde_json::from_slice(&body).unwrap_or_default(),
            })
        };
        match timeout(PATIENCE, response).await {
            Ok(Some(response)) => {
                self.connection = Some(connection);
                Outcome::Response(response)
            }
            Ok(None) | Err(_) => Outcome::Unanswered,
        }
    }

    /// The open connection, or a new one. A connection that the service closed is not used again.
    async fn connection(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Some(connection);
        }
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (connection, io) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        spawn_local(io);
        Some(connection)
    }
}

//! TLS with a real client, and clients that do not keep to it.

use std::fs;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ecommerce_api::server::{KeyPair, Limits, Tls};
use hyper_util::rt::{TokioExecutor, TokioIo};
use poem::http::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};

use crate::harness::{Server, get, soon};
use crate::proxied::header;
use crate::{FAR, SHORT};

const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A server with a certificate of its own, and the certificate for its clients.
struct Secure {
    server: Server,
    cert: CertificateDer<'static>,
    _directory: TempDir,
}

impl Secure {
    async fn start(limits: Limits) -> Self {
        Self::start_with_hsts(Some(300), limits).await
    }

    async fn start_with_hsts(hsts_max_age: Option<u32>, limits: Limits) -> Self {
        Self::launch(hsts_max_age, async |tls| {
            Server::start_with_tls(tls, limits).await
        })
        .await
    }

    async fn launch(hsts_max_age: Option<u32>, start: impl AsyncFnOnce(Tls) -> Server) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = KeyPair {
            cert: directory.path().join("cert.pem"),
            key: directory.path().join("key.pem"),
        };
        fs::write(&files.cert, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let hsts = hsts_max_age.map(|seconds| format!("max-age={seconds}").parse().unwrap());
        let tls = Tls::load(files, hsts).unwrap();
        assert_eq!(tls.warning(), None);
        Self {
            server: start(tls).await,
            cert: made.cert.der().clone(),
            _directory: directory,
        }
    }

    async fn connect(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.server.address).await.unwrap();
        self.handshake(stream, versions, protocols).await
    }

    /// Negotiates TLS on an open connection.
    async fn handshake(
        &self,
        stream: TcpStream,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.cert.clone()).unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let name = ServerName::try_from("localhost").unwrap();
        soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    async fn client(&self) -> TlsStream<TcpStream> {
        self.connect(BOTH, &["http/1.1"]).await.unwrap()
    }
}

async fn send(client: &mut TlsStream<TcpStream>, bytes: &[u8]) {
    soon(client.write_all(bytes)).await.unwrap();
    soon(client.flush()).await.unwrap();
}

/// What arrives up to the end, and whether the end was announced by a `close_notify`.
async fn rest(client: &mut TlsStream<TcpStream>) -> (String, bool) {
    let mut rest = Vec::new();
    let end = soon(client.read_to_end(&mut rest)).await;
    let is_announced = match end {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => panic!("{error}"),
    };
    (String::from_utf8(rest).unwrap(), is_announced)
}

/// Sends a request and reads until the body of the response has arrived.
async fn hello(client: &mut TlsStream<TcpStream>) -> String {
    send(client, HELLO).await;
    let mut response = Vec::new();
    while !response.ends_with(b"hello") {
        response.push(soon(client.read_u8()).await.unwrap());
    }
    String::from_utf8(response).unwrap()
}

#[tokio::test]
async fn both_versions_of_tls_and_both_protocols_are_served() {
    let secure = Secure::start_with_hsts(None, FAR).await;
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        for (offered, chosen) in [
            (&["http/1.1"][..], Some("http/1.1")),
            (&["http/1.1", "h2"], Some("h2")),
            (&[], None),
        ] {
            let mut client = secure.connect(&[version], offered).await.unwrap();
            let (_, connection) = client.get_ref();
            assert_eq!(connection.protocol_version(), Some(expected));
            assert_eq!(connection.alpn_protocol(), chosen.map(str::as_bytes));
            if chosen == Some("h2") {
                let io = TokioIo::new(client);
                let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
                let (http2, connection) = soon(handshake).await.unwrap();
                tokio::spawn(connection);
                get(&http2, "/broken").await.unwrap_err();
                let response = get(&http2, "/hello").await.unwrap();
                assert_eq!(response, (StatusCode::OK, Bytes::from("hello")));
            } else {
                hello(&mut client).await;
            }
        }
    }
}

#[tokio::test]
async fn every_response_over_tls_says_that_browsers_use_tls_later_and_no_other_does() {
    const HSTS: &str = "strict-transport-security: max-age=300\r\n";
    let secure = Secure::start(FAR).await;
    assert!(hello(&mut secure.client().await).await.contains(HSTS));
    let mut client = secure.client().await;
    send(&mut client, b"not HTTP\r\n\r\n").await;
    let (rejection, is_announced) = rest(&mut client).await;
    assert!(rejection.contains(HSTS), "{rejection}");
    assert!(rejection.ends_with("rejected: 400"), "{rejection}");
    assert!(is_announced);

    let mut plain = Server::start(FAR).await.connect().await;
    plain.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!plain.response().await.head.contains("strict-transport"));
}

#[tokio::test]
async fn a_body_that_fails_half_way_looks_truncated() {
    let secure = Secure::start(FAR).await;
    for version in ["1.1", "1.0"] {
        let mut client = secure.client().await;
        let request = format!("GET /broken HTTP/{version}\r\nhost: a\r\n\r\n");
        send(&mut client, request.as_bytes()).await;
        let (response, is_announced) = rest(&mut client).await;
        assert!(response.contains("first part"), "{response}");
        assert!(!response.contains("\r\n0\r\n"), "{response}");
        assert!(!is_announced, "HTTP/{version}: the end looks complete");
    }
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_reads_its_response() {
    let secure = Secure::start(FAR).await;
    let mut client = secure.client().await;
    send(&mut client, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(client.shutdown()).await.unwrap();
    let (response, is_announced) = rest(&mut client).await;
    assert!(response.ends_with("slow"), "{response}");
    assert!(is_announced);
}

#[tokio::test]
async fn a_plain_request_gets_a_response_that_names_https() {
    let secure = Secure::start(FAR).await;
    let mut client = secure.server.connect().await;
    // More than the handshake would read: the response must not be lost in a reset.
    let long = "x".repeat(40_000);
    client
        .send(&format!(
            "POST /echo HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"
        ))
        .await;
    client.0.shutdown().await.unwrap();
    let response = String::from_utf8(client.rest().await).unwrap();
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert!(response.contains("HTTPS"), "{response}");
    hello(&mut secure.client().await).await;
}

#[tokio::test]
async fn a_failed_handshake_gets_an_alert_and_nothing_else_fails() {
    let secure = Secure::start(FAR).await;
    let error = secure.connect(BOTH, &["imap"]).await.unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
    let mut client = secure.server.connect().await;
    client
        .0
        .write_all(&[0x16, 3, 1, 0, 4, 0xff, 0, 0, 0])
        .await
        .unwrap();
    client.0.shutdown().await.unwrap();
    // An alert is a record of type 21.
    assert_eq!(client.rest().await.first(), Some(&21));
    hello(&mut secure.client().await).await;
}

#[tokio::test]
async fn a_silent_client_delays_nobody_and_is_disconnected_after_the_header_timeout() {
    let secure = Secure::start(Limits {
        header_timeout: SHORT * 3,
        ..FAR
    })
    .await;
    let mut silent = secure.server.connect().await;
    // The beginning of a record.
    let mut half = secure.server.connect().await;
    half.0.write_all(&[0x16, 3, 1]).await.unwrap();
    hello(&mut secure.client().await).await;
    assert_eq!(silent.rest().await, b"");
    assert_eq!(half.rest().await, b"");
    // The handshake alone is no head.
    let mut client = secure.client().await;
    assert_eq!(rest(&mut client).await.0, "");
}

#[tokio::test]
async fn stopping_ends_idle_connections_with_close_notify_and_does_not_wait_for_handshakes() {
    let mut secure = Secure::start(FAR).await;
    let _silent = secure.server.connect().await;
    let mut idle = secure.client().await;
    hello(&mut idle).await;
    let mut busy = secure.client().await;
    send(&mut busy, b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(secure.server.events.wait_reached.recv()).await;
    secure.server.stop.notify_one();
    assert_eq!(rest(&mut idle).await, (String::new(), true));
    secure.server.events.release.notify_waiters();
    let (response, is_announced) = rest(&mut busy).await;
    assert!(response.ends_with("released"), "{response}");
    assert!(is_announced);
    soon(secure.server.task).await.unwrap();
}

#[tokio::test]
async fn a_header_of_the_proxy_protocol_precedes_the_handshake() {
    let start = async |tls| Server::start_behind_proxy(Some(tls), FAR).await;
    let secure = Secure::launch(None, start).await;
    let mut client = secure.server.connect_from(2).await.0;
    soon(client.write_all(&header(7))).await.unwrap();
    let mut client = secure.handshake(client, BOTH, &["http/1.1"]).await.unwrap();
    hello(&mut client).await;
}

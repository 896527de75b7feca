//! TLS: the certificate and its key, the handshake, and the replacement of both files while the
//! server runs.
//!
//! Imports `server::timer` and `server::signals`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use poem::http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig,
};
use tokio_rustls::server::TlsStream;

use super::signals::Hangups;
use super::timer::ClientTimer;

/// The protocols within TLS that the server offers, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// The most encrypted bytes of a connection that wait for the socket, as much as hyper gathers.
const SEND_BUFFER: usize = 16 * 1024;
/// How often the files are looked at. A change takes effect when they did not change for this long,
/// so that a certificate and its key are not read while they are being written.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);
/// The response to a request without TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    connection: close\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 51\r\n\r\n\
    This port speaks HTTPS: use a URL with https://...\n";

/// The certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The file of the server's certificate, followed by the certificates of its issuers.
    pub cert: PathBuf,
    /// The file of the certificate's private key.
    pub key: PathBuf,
}

/// TLS for all connections of a server. Clones share the certificate.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: KeyPair,
    config: RwLock<Arc<ServerConfig>>,
    /// The value of `Strict-Transport-Security`.
    hsts: Option<HeaderValue>,
}

impl Tls {
    /// Reads the certificate and its key. With `hsts`, each response has the header
    /// `Strict-Transport-Security` with this value.
    ///
    /// # Errors
    /// One line that names the file, the problem and what to do.
    pub fn load(files: KeyPair, hsts: Option<HeaderValue>) -> Result<Self, String> {
        let config = RwLock::new(files.load()?);
        Ok(Self(Arc::new(Shared {
            files,
            config,
            hsts,
        })))
    }

    /// Why clients will not accept the certificate at this time; `None` while it is valid.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.0.files.warning()
    }

    /// The value of `Strict-Transport-Security` for responses.
    pub(super) fn hsts(&self) -> Option<HeaderValue> {
        self.0.hsts.clone()
    }

    /// Reads the files again. Connections that exist keep the certificate that they have.
    fn reload(&self) {
        let cert = self.0.files.cert.display();
        match self.0.files.load() {
            Ok(config) => {
                *self
                    .0
                    .config
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!(%cert, "read the TLS certificate again");
                if let Some(warning) = self.warning() {
                    tracing::warn!("{warning}");
                }
            }
            Err(problem) => {
                tracing::error!("{problem}; the TLS certificate from before stays in use");
            }
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let config = self.0.config.read();
        let config = Arc::clone(&config.unwrap_or_else(PoisonError::into_inner));
        config.into()
    }

    /// Negotiates TLS on a new connection. When that fails, the client gets a TLS alert, or a short
    /// response if it has sent a request without TLS, and time to read it.
    pub(super) async fn handshake(
        &self,
        mut stream: TcpStream,
        timer: &ClientTimer,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
            stream.write_all(PLAIN_HTTP).await?;
            linger(stream, timer).await;
            return Err(io::Error::other("the client does not use TLS"));
        }
        let accept = self.acceptor().accept_with(stream, |connection| {
            connection.set_buffer_limit(Some(SEND_BUFFER));
        });
        match accept.into_fallible().await {
            Ok(stream) => Ok(stream),
            Err((error, stream)) => {
                linger(stream, timer).await;
                Err(error)
            }
        }
    }
}

/// Ends a connection without a reset, which could destroy what the client has not read yet.
async fn linger(mut stream: TcpStream, timer: &ClientTimer) {
    timer.start_lingering();
    let mut discarded = [0; 1024];
    if stream.shutdown().await.is_ok() {
        while stream.read(&mut discarded).await.is_ok_and(|read| read > 0) {}
    }
}

/// Reads the files of `tls` again at each SIGHUP, and when they have changed. Without TLS a SIGHUP is
/// only logged. Never resolves.
pub async fn keep_current(tls: Option<Tls>, mut hangups: Hangups) {
    let Some(tls) = tls else {
        loop {
            hangups.next().await;
            tracing::info!("received SIGHUP, which reads TLS_CERT again: it is not set");
        }
    };
    let mut loaded = tls.0.files.versions().await;
    let mut last = loaded.clone();
    loop {
        tokio::select! {
            () = hangups.next() => {}
            () = tokio::time::sleep(WATCH_INTERVAL) => {
                let now = tls.0.files.versions().await;
                let is_stable = now == last;
                last = now;
                if !is_stable || last == loaded {
                    continue;
                }
            }
        }
        // Taken before the files are read, so that a later change is noticed.
        loaded = tls.0.files.versions().await;
        last.clone_from(&loaded);
        let tls = tls.clone();
        // A panic has been reported by the panic hook; the certificate stays in use.
        let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
    }
}

/// Changes with each replacement, by a new file, by a link to another one, or in place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

async fn version(file: &Path) -> Option<Version> {
    let metadata = tokio::fs::metadata(file).await.ok()?;
    Some(Version {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

impl KeyPair {
    async fn versions(&self) -> [Option<Version>; 2] {
        [version(&self.cert).await, version(&self.key).await]
    }

    fn load(&self) -> Result<Arc<ServerConfig>, String> {
        let problem = |error: Error| format!("TLS cannot be set up: {error}");
        let certified = self.certified_key()?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(problem)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Sessions are resumed from tickets that clients keep, so they take no memory here.
        config.ticketer = ring::Ticketer::new().map_err(problem)?;
        Ok(Arc::new(config))
    }

    fn certified_key(&self) -> Result<CertifiedKey, String> {
        let (cert, key) = (self.cert.display(), self.key.display());
        let chain = self.chain()?;
        let text = read("TLS_KEY", &self.key)?;
        let private = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
            let is_encrypted = text.windows(9).any(|word| word == b"ENCRYPTED");
            if is_encrypted {
                format!("TLS_KEY {key} is encrypted: decrypt it, for example with `openssl pkey`")
            } else {
                format!("TLS_KEY {key} contains no private key: name the PEM file of the key")
            }
        })?;
        let private = ring::default_provider()
            .key_provider
            .load_private_key(private)
            .map_err(|_| {
                format!(
                    "TLS_KEY {key} contains a key that is not supported: \
                     use RSA (2048 bits or more), P-256, P-384 or Ed25519"
                )
            })?;
        let certified = CertifiedKey::new(chain, private);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => Err(format!(
                "TLS_KEY {key} does not belong to the first certificate in TLS_CERT {cert}: \
                 name the key with which the certificate was requested"
            )),
            Err(error) => Err(format!(
                "TLS_CERT {cert} cannot be used: {error}; request a new certificate"
            )),
        }
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let cert = self.cert.display();
        let text = read("TLS_CERT", &self.cert)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain =
            chain.map_err(|error| format!("TLS_CERT {cert} is not a valid PEM file: {error}"))?;
        if chain.is_empty() {
            return Err(format!(
                "TLS_CERT {cert} contains no certificate: name a PEM file with the server's \
                 certificate, followed by those of its issuers"
            ));
        }
        Ok(chain)
    }

    fn warning(&self) -> Option<String> {
        let chain = self.chain().ok()?;
        let (first, issuers) = chain.split_first()?;
        let parsed = ParsedCertificate::try_from(first).ok()?;
        // The validity is checked before the issuer is looked for, which is not found.
        let error = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &RootCertStore::empty(),
            issuers,
            UnixTime::now(),
            ring::default_provider()
                .signature_verification_algorithms
                .all,
        );
        let cert = self.cert.display();
        let hours = |from: UnixTime, to: UnixTime| (to.as_secs() - from.as_secs()).div_ceil(3600);
        match error {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                time,
                not_after,
            })) => Some(format!(
                "the certificate in TLS_CERT {cert} expired {} hours ago: clients refuse it until \
                 it is renewed",
                hours(not_after, time)
            )),
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                time,
                not_before,
            })) => Some(format!(
                "the certificate in TLS_CERT {cert} is not valid before {} hours from now: clients \
                 refuse it; check this machine's clock",
                hours(time, not_before)
            )),
            _ => None,
        }
    }
}

fn read(setting: &str, file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| {
        format!(
            "{setting} {} cannot be read: {error}; check the path and its permissions",
            file.display()
        )
    })
}

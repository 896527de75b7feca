//! The URL of the database, translated into the driver's options.
//!
//! `mysql://user:password@host:port/database?socket=…&ssl_mode=…&ssl_ca=…` (or `mariadb://…`). In
//! user, password and database, characters with a meaning in URLs are percent-encoded.
//!
//! | `ssl_mode`        | the connection                                                            |
//! |-------------------|---------------------------------------------------------------------------|
//! | `disabled`        | is not encrypted; the default                                             |
//! | `required`        | is encrypted; the server's certificate is not checked                     |
//! | `verify_ca`       | is encrypted; the certificate comes from `ssl_ca` and may name any host   |
//! | `verify_identity` | is encrypted; the certificate names the host and comes from `ssl_ca`, or without `ssl_ca` from the system's roots |
//!
//! Combinations in which a parameter would be ignored are rejected, so that no URL promises a
//! protection that the connection does not have. MySQL's `preferred` is rejected too, since an
//! attacker on the network can turn it into `disabled`.
//!
//! A [`DatabaseUrl`] cannot be printed: `Debug` and `Display` show neither user nor password.
//! Imports no other module.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use mysql_async::{Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

const DEFAULT_PORT: u16 = 3306;
/// The longest path that fits into Linux's `sockaddr_un`, in bytes.
const LONGEST_SOCKET_PATH: usize = 107;
/// Keep-alive probes start after this idle time, well before a cloud's load balancer forgets a connection.
const TCP_KEEPALIVE_MS: u32 = 60_000;

/// How a connection is protected; `ssl_mode` in the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Plain text.
    Disabled,
    /// Encrypted; the server's certificate is not checked.
    Required,
    /// Encrypted; the server's certificate comes from this CA (a PEM file).
    VerifyCa(PathBuf),
    /// Encrypted; the certificate names the host and comes from this CA, or without one from a CA
    /// of the system.
    VerifyIdentity(Option<PathBuf>),
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Tcp { host: String, port: u16 },
    Socket(String),
}

/// The address of a database, with the credentials for it.
#[derive(Clone)]
pub struct DatabaseUrl {
    address: Address,
    user: String,
    password: Option<SecretString>,
    database: String,
    tls: Tls,
}

/// Why a text is not the URL of a database: one line that repeats neither user nor password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUrl(String);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidUrl {}

fn invalid<T>(message: impl Into<String>) -> Result<T, InvalidUrl> {
    Err(InvalidUrl(message.into()))
}

impl DatabaseUrl {
    /// Parses a URL. Reads the file of `ssl_ca`, so that a wrong file is reported early.
    ///
    /// # Errors
    /// When the text is not such a URL, contradicts itself, or `ssl_ca` holds no certificate.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text.trim()).map_err(|error| {
            InvalidUrl(format!(
                "not a database URL ({error}); write mysql://user:password@host:port/database, \
                 with / ? # @ : in user and password percent-encoded"
            ))
        })?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return invalid("the database URL must start with mysql://");
        }
        if url.path().contains('@')
            || url.query().is_some_and(|query| query.contains('@'))
            || url.fragment().is_some()
        {
            return invalid(
                "the database URL ends in the middle of user or password: percent-encode \
                 / ? # @ there (%2F %3F %23 %40)",
            );
        }

        let database = decode(
            url.path().strip_prefix('/').unwrap_or_default(),
            "the database name",
        )?;
        if database.is_empty() {
            return invalid("the database URL names no database: mysql://…@host:port/database");
        }
        if database.contains(['/', '`']) {
            return invalid("the database URL's path must be the database's name alone");
        }
        let mut parameters = parameters(&url)?;
        let address = address(&url, parameters.remove("socket"))?;
        let mode = parameters.remove("ssl_mode");
        let tls = tls(mode.as_deref(), parameters.remove("ssl_ca"))?;
        if matches!(address, Address::Socket(_)) && tls != Tls::Disabled {
            return invalid(
                "the database URL has both socket and ssl_mode: a Unix socket is not encrypted; leave one out",
            );
        }

        Ok(Self {
            address,
            user: decode(url.username(), "the user name")?,
            password: match url.password() {
                Some(password) => Some(decode(password, "the password")?.into()),
                None => None,
            },
            database,
            tls,
        })
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// How connections are protected.
    #[must_use]
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The options of the asynchronous driver.
    #[must_use]
    pub fn async_opts(&self) -> Opts {
        let options = OptsBuilder::default()
            .user(Some(self.user.clone()))
            .pass(
                self.password
                    .as_ref()
                    .map(|password| password.expose_secret().to_owned()),
            )
            .db_name(Some(self.database.clone()))
            // Otherwise the driver would replace an encrypted TCP connection by the server's Unix
            // socket.
            .prefer_socket(false)
            .tcp_keepalive(Some(TCP_KEEPALIVE_MS))
            // An UPDATE reports every row that it matched, including unchanged ones.
            .client_found_rows(true)
            // Diesel keeps a cache of its own.
            .stmt_cache_size(0)
            .ssl_opts(self.ssl_opts());
        match &self.address {
            Address::Tcp { host, port } => options
                .ip_or_hostname(host.clone())
                .tcp_port(*port)
                // `localhost` is 127.0.0.1, as in the C client: another server may listen on ::1.
                .resolved_ips((host == "localhost").then(|| vec![IpAddr::from([127, 0, 0, 1])])),
            Address::Socket(path) => options.socket(Some(path.clone())),
        }
        .into()
    }

    fn ssl_opts(&self) -> Option<SslOpts> {
        let only = |ca: &Path| {
            SslOpts::default()
                .with_root_certs(vec![ca.to_path_buf().into()])
                .with_disable_built_in_roots(true)
        };
        match &self.tls {
            Tls::Disabled => None,
            Tls::Required => Some(
                SslOpts::default()
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true),
            ),
            Tls::VerifyCa(ca) => Some(only(ca).with_danger_skip_domain_validation(true)),
            Tls::VerifyIdentity(Some(ca)) => Some(only(ca)),
            Tls::VerifyIdentity(None) => Some(SslOpts::default()),
        }
    }
}

/// The address and the database, without credentials.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}")?,
            Address::Tcp { host, port } => write!(f, "{host}:{port}")?,
            Address::Socket(path) => write!(f, "socket {path}")?,
        }
        write!(f, ", database {}", self.database)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self}, {:?})", self.tls)
    }
}

fn decode(text: &str, what: &str) -> Result<String, InvalidUrl> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| InvalidUrl(format!("{what} in the database URL is not UTF-8")))?;
    if decoded.contains('\0') {
        return invalid(format!("{what} in the database URL contains a NUL"));
    }
    Ok(decoded.into_owned())
}

fn parameters(url: &Url) -> Result<HashMap<&'static str, String>, InvalidUrl> {
    const KNOWN: [&str; 3] = ["socket", "ssl_mode", "ssl_ca"];
    let mut found = HashMap::new();
    for pair in url.query().unwrap_or_default().split('&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = KNOWN.into_iter().find(|known| *known == name) else {
            // A name with other characters may be the rest of a password that contains a `?`.
            let plain = name.len() <= 32
                && pair.contains('=')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte));
            let name = if plain {
                format!(" {name}")
            } else {
                String::new()
            };
            return invalid(format!(
                "unknown parameter{name} in the database URL; there are socket, ssl_mode and ssl_ca"
            ));
        };
        let value = decode(value, name)?;
        if value.is_empty() {
            return invalid(format!("{name} in the database URL is empty"));
        }
        if found.insert(name, value).is_some() {
            return invalid(format!("{name} stands twice in the database URL"));
        }
    }
    Ok(found)
}

fn address(url: &Url, socket: Option<String>) -> Result<Address, InvalidUrl> {
    let host = match url.host() {
        None | Some(Host::Domain("")) => None,
        Some(Host::Domain(name)) => Some(name.to_ascii_lowercase()),
        Some(Host::Ipv4(ip)) => Some(ip.to_string()),
        Some(Host::Ipv6(ip)) => Some(ip.to_string()),
    };
    match (socket, host) {
        (Some(path), _) if path.len() > LONGEST_SOCKET_PATH => invalid(format!(
            "socket in the database URL is longer than {LONGEST_SOCKET_PATH} bytes; use a shorter path, or a symbolic link to its directory"
        )),
        (Some(_), Some(host)) if host != "localhost" => {
            invalid("the database URL has both a host and a socket; write localhost for a socket")
        }
        (Some(path), _) => Ok(Address::Socket(path)),
        (None, None) => {
            invalid("the database URL names no host: mysql://user:password@host:port/database")
        }
        (None, Some(host)) => {
            // A host name has no other characters.
            let plain = host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
            if !plain {
                return invalid("the host in the database URL is not a host name");
            }
            let port = url.port().unwrap_or(DEFAULT_PORT);
            Ok(Address::Tcp { host, port })
        }
    }
}

fn tls(mode: Option<&str>, ca: Option<String>) -> Result<Tls, InvalidUrl> {
    let ca = ca.map(PathBuf::from);
    if let Some(ca) = &ca {
        let pem = std::fs::read(ca)
            .map_err(|error| InvalidUrl(format!("cannot read ssl_ca {}: {error}", ca.display())))?;
        // The driver ignores a file without a certificate.
        let header = b"-----BEGIN CERTIFICATE-----";
        if !pem.windows(header.len()).any(|window| window == header) {
            return invalid(format!("ssl_ca {} holds no PEM certificate", ca.display()));
        }
    }
    match (mode, ca) {
        (None | Some("disabled"), None) => Ok(Tls::Disabled),
        (Some("required"), None) => Ok(Tls::Required),
        (Some("verify_ca"), Some(ca)) => Ok(Tls::VerifyCa(ca)),
        (Some("verify_identity"), ca) => Ok(Tls::VerifyIdentity(ca)),
        (Some("verify_ca"), None) => invalid(
            "ssl_mode=verify_ca needs ssl_ca=<PEM file>; to trust the system's certificates, use ssl_mode=verify_identity",
        ),
        (None, Some(_)) => {
            invalid("ssl_ca is given without ssl_mode: add ssl_mode=verify_identity or verify_ca")
        }
        (Some("disabled" | "required"), Some(_)) => invalid(
            "ssl_ca would be ignored with this ssl_mode: use ssl_mode=verify_identity or verify_ca",
        ),
        (Some("preferred"), _) => invalid(
            "ssl_mode=preferred protects nothing; use disabled, required, verify_ca or verify_identity",
        ),
        (Some(_), _) => invalid(
            "unknown ssl_mode in the database URL; there are disabled, required, verify_ca and verify_identity",
        ),
    }
}

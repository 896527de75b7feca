//! The gate: what is checked of a request before any handler sees it.
//!
//! The host that it is addressed to, the size of its body, and its parameters against the
//! contract: every one of them, so that an unknown or repeated query parameter is named. Bodies
//! are checked where they are parsed, in [`super::json`].

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use poem::http::{HeaderValue, header};
use poem::{Body, Request};

use crate::contract::Operation;
use crate::error::{Error, Place, Violation};

use super::failures::Refusal;
use super::lists::paging;

/// The largest body that is taken, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// How much more of a body that is too large is read and thrown away, so that a client that writes
/// first and reads afterwards gets to read its 413.
const MAX_DRAIN: usize = 16 * MAX_BODY;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Which hosts a request may be addressed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Whatever the client says.
    Any,
    /// Names of this machine itself. A page on a foreign site whose name was rebound to 127.0.0.1
    /// still says that foreign name here, and gets nothing.
    Loopback,
    /// These names, in lower case, without ports.
    Named(Vec<String>),
}

impl FromStr for Hosts {
    type Err = String;

    /// `*`, or names and addresses separated by commas, without ports (any port will do).
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let names = text.split(',').map(|name| name.trim().to_ascii_lowercase());
        names
            .map(host_name)
            .collect::<Result<_, _>>()
            .map(Self::Named)
    }
}

fn host_name(name: String) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if name.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{name}]"));
    }
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let valid = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.bytes().all(plain),
    };
    if valid {
        Ok(name)
    } else {
        Err(format!(
            "`{name}` is not a host name: write * or, for example, shop.example,localhost"
        ))
    }
}

impl Hosts {
    /// Refuses a request that is addressed to another host, or to more than one.
    pub(super) fn check(&self, request: &Request) -> Result<(), Refusal> {
        let mut headers = request.headers().get_all(header::HOST).iter();
        let first = headers.next();
        if headers.next().is_some() {
            return Err(Error::Invalid(vec![Violation::new(
                Place::Header,
                "Host",
                "is there twice",
            )])
            .into());
        }
        // A host in the request line overrules the header (RFC 9112, 3.2.2).
        let host = request
            .uri()
            .authority()
            .map(poem::http::uri::Authority::as_str)
            .or_else(|| first.and_then(|host| host.to_str().ok()));
        let name = host.map(without_port).map(str::to_ascii_lowercase);
        let known = match (self, name.as_deref()) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Loopback, Some(name)) => is_loopback(name),
            (Self::Named(names), Some(name)) => names.iter().any(|known| known == name),
        };
        let violation = || {
            Violation::new(
                Place::Header,
                "Host",
                "is not a host that this server answers for; see ALLOWED_HOSTS",
            )
        };
        if known {
            Ok(())
        } else {
            Err(Error::Invalid(vec![violation()]).into())
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') =>
        {
            name
        }
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Reads the request's body into memory and puts it back whole.
///
/// # Errors
/// 413 when it is larger than [`MAX_BODY`], 400 when it is cut off or takes longer than 30 s.
pub(super) async fn take_body(request: &mut Request) -> Result<(), Refusal> {
    let declared = request
        .header(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok());
    let waits = request.header(header::EXPECT).is_some();
    if waits && declared.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Refusal::PayloadTooLarge);
    }
    match tokio::time::timeout(BODY_TIMEOUT, read(request.take_body())).await {
        Ok(body) => {
            request.set_body(body?);
            Ok(())
        }
        Err(_) => Err(Error::Invalid(vec![Violation::in_body(
            "",
            "did not arrive within 30 seconds",
        )])
        .into()),
    }
}

async fn read(body: Body) -> Result<Body, Refusal> {
    let mut chunks = body.into_bytes_stream();
    let mut kept = BytesMut::new();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|_| Error::Invalid(vec![Violation::in_body("", "was cut off")]))?;
        length += chunk.len();
        if length <= MAX_BODY {
            kept.extend_from_slice(&chunk);
        } else if length > MAX_DRAIN {
            break;
        }
    }
    if length > MAX_BODY {
        Err(Refusal::PayloadTooLarge)
    } else {
        Ok(Body::from_bytes(kept.freeze()))
    }
}

/// Makes each header parameter one line of ASCII. Several lines are one list (RFC 9110, 5.3), of
/// which the framework would read only the first; and it would take a line with other bytes for
/// absent, so that a condition would not hold anything back.
pub(super) fn join_headers(operation: &'static Operation, request: &mut Request) {
    for name in header_names(operation) {
        let lines = request.headers().get_all(name).iter();
        let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
        if lines.is_empty() || (lines.len() == 1 && lines[0].is_ascii()) {
            continue;
        }
        let mut line = lines.join(&b", "[..]);
        line.iter_mut()
            .filter(|byte| !byte.is_ascii())
            .for_each(|byte| *byte = b'?');
        if let Ok(line) = HeaderValue::from_bytes(&line) {
            request.headers_mut().insert(name, line);
        }
    }
}

fn header_names(operation: &'static Operation) -> impl Iterator<Item = &'static str> {
    let parameters = operation.parameters.iter();
    let headers = parameters.filter(|parameter| parameter.place == Place::Header);
    headers.map(|parameter| parameter.name.as_str())
}

/// Checks the parameters of a request to `operation`, in path, query and headers.
///
/// # Errors
/// 400 with every violation.
pub(super) fn check_parameters(operation: &Operation, request: &Request) -> Result<(), Refusal> {
    let query = request.uri().query().unwrap_or_default();
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap_or_default())
    };
    let mut violations = operation.parameter_violations(request.uri().path(), query, header);
    violations.extend(paging::violations(&operation.id, query));
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations).into())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use poem::http::Uri;

    use super::*;
    use crate::api::contracts;

    fn violations(method: &str, uri: &str) -> Vec<String> {
        let uri: Uri = uri.parse().unwrap();
        let operation = contracts::find(method, uri.path()).unwrap();
        let request = Request::builder().uri(uri).finish();
        match check_parameters(operation, &request) {
            Ok(()) => Vec::new(),
            Err(Refusal::Domain(Error::Invalid(violations))) => violations
                .into_iter()
                .map(|violation| format!("{} {}", violation.field, violation.message))
                .collect(),
            Err(refusal) => panic!("another refusal: {}", refusal.answer().status()),
        }
    }

    #[test]
    fn every_parameter_is_checked_and_every_violation_named() {
        assert!(violations("GET", "/api/users/7/cart?page=2&limit=%31%30").is_empty());
        assert!(violations("GET", "/api/users?").is_empty());
        assert_eq!(
            violations(
                "GET",
                "/api/users/0/cart?page=0&limit=1001&limt=3&page=1&%00=&a%zz=1&limit=%ff"
            ),
            [
                "id must be a whole number from 1 to 2147483647",
                "page must be a whole number from 1 to 2147483647",
                "limit must be a whole number from 1 to 1000",
                "limt is not a known query parameter",
                "page is there twice",
                "\\u{0} is not a known query parameter",
                "a%zz has a broken percent-encoding",
                "limit is there twice",
            ]
        );
        assert_eq!(
            violations("DELETE", "/api/cart/user/%zz"),
            ["user_id has a broken percent-encoding"]
        );
        assert_eq!(
            violations("DELETE", "/api/cart/1?page=1"),
            ["page is not a known query parameter"]
        );
    }

    #[test]
    fn a_header_that_came_in_several_lines_is_checked_as_one() {
        let operation = contracts::find("DELETE", "/api/cart/1").unwrap();
        let check = |lines: &[&[u8]]| {
            let mut request = Request::builder()
                .uri(Uri::from_static("/api/cart/1"))
                .finish();
            for line in lines {
                let line = HeaderValue::from_bytes(line).unwrap();
                request.headers_mut().append("if-match", line);
            }
            join_headers(operation, &mut request);
            let joined = request.header("if-match").map(str::to_owned);
            check_parameters(operation, &request).ok().map(|()| joined)
        };
        assert_eq!(check(&[]), Some(None));
        let both = Some(Some("\"a\", W/\"b\"".to_owned()));
        assert_eq!(check(&[b"\"a\"", b"W/\"b\""]), both);
        let replaced = Some(Some("*, \"?\"".to_owned()));
        assert_eq!(check(&[b"*", b"\"\xff\""]), replaced);
        assert_eq!(check(&[b"\xff"]), Some(Some("?".to_owned())));
        let long = [b'a'; 1025];
        assert_eq!(check(&[&long]), None);
    }

    #[test]
    fn allowed_hosts_are_a_star_or_a_list_of_names() {
        assert_eq!("*".parse(), Ok(Hosts::Any));
        let names = ["shop.example", "[::1]", "10.0.0.1"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(
            "Shop.Example, ::1, 10.0.0.1".parse(),
            Ok(Hosts::Named(names))
        );
        for wrong in ["", "a:80", "https://a", "a b", "*,a", "a,,b", "[x]", "a/b"] {
            assert!(wrong.parse::<Hosts>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_compared_without_port_and_case() {
        let check = |hosts: &Hosts, host: &str| {
            hosts
                .check(&Request::builder().header("host", host).finish())
                .is_ok()
        };
        for host in [
            "localhost",
            "LocalHost:8088",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:8088",
            "[::1]",
        ] {
            assert!(check(&Hosts::Loopback, host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "",
            "[::2]",
        ] {
            assert!(!check(&Hosts::Loopback, host), "{host}");
        }
        let named = Hosts::Named(vec!["shop.example".to_owned()]);
        assert!(check(&named, "Shop.Example:443"));
        assert!(!check(&named, "localhost"));
        assert!(check(&Hosts::Any, "anything"));
        assert!(
            Hosts::Loopback.check(&Request::default()).is_err(),
            "no Host at all"
        );
    }
}

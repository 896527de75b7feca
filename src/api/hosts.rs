//! The hosts in whose name the service accepts requests.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use poem::Request;
use poem::http::uri::{Authority, Scheme};
use poem::http::{HeaderValue, Version, header};

use crate::error::Error;
use crate::violation::{Place, Violation};

use super::failures::Failure;

/// The hosts to which a request may be addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Every host.
    Any,
    /// The loopback names and addresses of this machine. This prevents DNS rebinding: a browser that
    /// was led to 127.0.0.1 by the name of a foreign site still sends that name as `Host`.
    Loopback,
    /// These names, in lower case, without ports.
    Named(Vec<String>),
}

impl FromStr for Hosts {
    type Err = String;

    /// Parses `*`, or names and addresses separated by commas. They have no ports: every port matches.
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
    /// Checks that a request is addressed to one of these hosts.
    ///
    /// # Errors
    /// 400 when it is addressed to another host, has several `Host` headers, or on HTTP/2 names another host in
    /// `Host` than in `:authority`.
    pub(super) fn check(&self, request: &Request) -> Result<(), Failure> {
        let mut headers = request.headers().get_all(header::HOST).iter();
        let first = headers.next();
        if headers.next().is_some() {
            return Err(invalid("is there twice"));
        }
        if request.version() == Version::HTTP_2
            && let (Some(host), Some(authority)) = (first, request.uri().authority())
            && !is_same(host, authority, request.uri().scheme())
        {
            return Err(invalid("names another host than :authority"));
        }
        // A host in the request line takes precedence over the header (RFC 9112, 3.2.2).
        let host = request
            .uri()
            .authority()
            .map(Authority::as_str)
            .or_else(|| first.and_then(|host| host.to_str().ok()));
        let name = host.map(without_port).map(str::to_ascii_lowercase);
        let known = match (self, name.as_deref()) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Loopback, Some(name)) => is_loopback(name),
            (Self::Named(names), Some(name)) => names.iter().any(|known| known == name),
        };
        if known {
            Ok(())
        } else {
            Err(invalid(
                "is not a host that this server answers for; see ALLOWED_HOSTS",
            ))
        }
    }
}

fn invalid(problem: &str) -> Failure {
    Error::Invalid(vec![Violation::new(Place::Header, "Host", problem)]).into()
}

/// Whether the header and the pseudo-header name the same host and port (RFC 9113, 8.3.1). A port that is
/// absent is that of the scheme.
fn is_same(host: &HeaderValue, authority: &Authority, scheme: Option<&Scheme>) -> bool {
    let default = if scheme == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    let parts = |authority: &Authority| {
        let port = authority.port_u16().unwrap_or(default);
        (authority.host().to_ascii_lowercase(), port)
    };
    let host = Authority::try_from(host.as_bytes());
    host.is_ok_and(|host| parts(&host) == parts(authority))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_hosts_are_parsed_from_a_star_or_a_list_of_names() {
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
    #[test]
    fn on_http2_two_different_hosts_are_rejected() {
        let check = |version, target: &str, host: &str| {
            let uri = target.parse().expect("a target");
            let request = Request::builder().version(version).uri(uri);
            let request = request.header("host", host).finish();
            Hosts::Any.check(&request).is_ok()
        };
        for (target, host, is_accepted) in [
            ("http://a.example/", "a.example", true),
            ("http://a.example/", "A.Example:80", true),
            ("https://a.example:443/", "a.example", true),
            ("http://a.example:8088/", "a.example:8088", true),
            ("http://[::1]:8088/", "[::1]:8088", true),
            ("/", "a.example", true),
            ("http://a.example/", "b.example", false),
            ("http://a.example/", "a.example:8088", false),
            ("http://a.example:8088/", "a.example", false),
            ("http://a.example/", "b@a.example/", false),
            ("http://a.example/", "", false),
        ] {
            let accepted = check(Version::HTTP_2, target, host);
            assert_eq!(accepted, is_accepted, "{target} {host}");
            // On HTTP/1.1 the target decides.
            assert!(check(Version::HTTP_11, target, host), "{target} {host}");
        }
    }
}

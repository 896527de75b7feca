//! Clients as the service counts them: the address that a request came from, and the network that
//! the limits for one client apply to. Imports no other module.
//!
//! - `forwarding`: the client's address in the headers of proxies

mod forwarding;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;
use poem::http::HeaderMap;

/// A connection to the server. The server puts it into the extensions of each of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// A number that no other connection of this process has.
    pub id: u64,
    /// The address at the other end: that of the client, or of a proxy.
    pub peer: IpAddr,
}

impl Connection {
    /// A new connection from `peer`.
    #[must_use]
    pub fn new(peer: IpAddr) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, peer }
    }
}

/// The client that sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The number of the connection that the request came on; `None` for a client behind a trusted proxy,
    /// which sends the requests of many clients on one connection.
    pub connection: Option<u64>,
    /// The address of the client.
    pub address: IpAddr,
    /// What the limits for one client are counted by; `None` for a client without such limits.
    pub network: Option<Network>,
}

/// The network that a client is counted by: an IPv4 address, or the first 64 bits of an IPv6 address,
/// since one customer of a provider has at least that many addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let prefix = address.to_bits() & !u128::from(u64::MAX);
                Ipv6Addr::from_bits(prefix).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl Network {
    /// The larger network around this one, which one provider has: the first 16 bits of an IPv4 address, or
    /// the first 32 of an IPv6 address.
    #[must_use]
    pub fn region(self) -> Self {
        Self(match self.0 {
            IpAddr::V4(address) => {
                let prefix = address.to_bits() & 0xFFFF_0000;
                Ipv4Addr::from_bits(prefix).into()
            }
            IpAddr::V6(prefix) => Ipv6Addr::from_bits(prefix.to_bits() >> 96 << 96).into(),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(prefix) => write!(f, "{prefix}/64"),
        }
    }
}

/// A set of addresses, as networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// No address.
    pub const NONE: Self = Self(Vec::new());

    /// Whether `address` is in one of the networks. An IPv4 address that is mapped to IPv6 is compared as
    /// IPv4.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = String;

    /// Parses addresses and networks such as `10.0.0.0/8,2001:db8::/32,192.0.2.7`, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text.trim(), "" | "none") {
            return Ok(Self::NONE);
        }
        let networks = text.split(',').map(|network| {
            let network = network.trim();
            let address = || network.parse::<IpAddr>().map(IpNet::from);
            network.parse().or_else(|_| address()).map_err(|_| {
                format!("{network:?} is not an address or a network such as 10.0.0.0/8")
            })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }
}

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// With a request, or with the handshake of TLS.
    Request,
    /// With a header of the PROXY protocol.
    ProxyHeader,
    /// The connection is not accepted.
    Refused,
}

/// How the client of a request is found, and which clients have no limits of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The addresses whose clients have no limits of their own.
    pub exempt: Networks,
    /// The addresses of proxies whose headers are believed.
    pub trusted_proxies: Networks,
    /// Whether every connection has to be one of a trusted proxy that begins with a header of the PROXY
    /// protocol.
    pub proxy_protocol: bool,
}

impl Default for Rules {
    /// Clients of this machine have no limits of their own, and no proxy is trusted.
    fn default() -> Self {
        let loopback = [
            IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8),
            IpAddr::from(Ipv6Addr::LOCALHOST).into(),
        ];
        Self {
            exempt: Networks(loopback.into()),
            trusted_proxies: Networks::NONE,
            proxy_protocol: false,
        }
    }
}

impl Rules {
    /// The rules for the settings `ADDRESS_LIMIT_EXEMPT` and `TRUSTED_PROXIES`.
    ///
    /// # Errors
    /// One line, that names the setting.
    pub fn parse(exempt: &str, trusted_proxies: &str) -> Result<Self, String> {
        let parse = |name: &str, networks: &str| {
            let networks = networks.parse();
            networks.map_err(|error: String| format!("{name}: {error}"))
        };
        Ok(Self {
            exempt: parse("ADDRESS_LIMIT_EXEMPT", exempt)?,
            trusted_proxies: parse("TRUSTED_PROXIES", trusted_proxies)?,
            proxy_protocol: false,
        })
    }

    /// These rules with the setting `PROXY_PROTOCOL`.
    ///
    /// # Errors
    /// One line, when it is set and there is no trusted proxy.
    pub fn with_proxy_protocol(self, proxy_protocol: bool) -> Result<Self, String> {
        if proxy_protocol && self.trusted_proxies == Networks::NONE {
            return Err(
                "PROXY_PROTOCOL is set without TRUSTED_PROXIES: name the proxies, since \
                        connections from elsewhere are closed"
                    .to_owned(),
            );
        }
        Ok(Self {
            proxy_protocol,
            ..self
        })
    }

    /// How a connection from `peer` begins.
    #[must_use]
    pub fn opening(&self, peer: IpAddr) -> Opening {
        match (self.proxy_protocol, self.trusted_proxies.contain(peer)) {
            (false, _) => Opening::Request,
            (true, true) => Opening::ProxyHeader,
            (true, false) => Opening::Refused,
        }
    }

    /// The client of a request with `headers` that came on `connection`: the other end of the
    /// connection, or if that is a trusted proxy, the address that its headers name. `None` stands for a
    /// request that came on no connection, as in tests, whose client has no limits.
    #[must_use]
    pub fn client(&self, connection: Option<&Connection>, headers: &HeaderMap) -> Client {
        let Some(connection) = connection else {
            return Client {
                connection: None,
                address: Ipv4Addr::LOCALHOST.into(),
                network: None,
            };
        };
        let peer = connection.peer.to_canonical();
        let named = if self.trusted_proxies.contain(peer) {
            forwarding::client_address(headers, &self.trusted_proxies)
        } else {
            Ok(None)
        };
        match named {
            Ok(Some(address)) => Client {
                connection: None,
                address,
                network: self.network(address),
            },
            Ok(None) => Client {
                connection: Some(connection.id),
                address: peer,
                network: self.network(peer),
            },
            // Not exempt even if the proxy is, or clients could avoid their limits by bad headers.
            Err(forwarding::Malformed) => Client {
                connection: None,
                address: peer,
                network: Some(peer.into()),
            },
        }
    }

    /// Whether the client of a request with `headers` that came on `connection` uses HTTPS, as the headers of
    /// a trusted proxy say.
    #[must_use]
    pub fn is_forwarded_https(&self, connection: Option<&Connection>, headers: &HeaderMap) -> bool {
        connection.is_some_and(|it| self.trusted_proxies.contain(it.peer))
            && forwarding::is_https(headers, &self.trusted_proxies)
    }

    /// What the connections of `peer` are counted by; `None` if they are not limited, as those of a
    /// trusted proxy, which carry the requests of many clients.
    #[must_use]
    pub fn network_of_connections(&self, peer: IpAddr) -> Option<Network> {
        let network = self.network(peer);
        network.filter(|_| !self.trusted_proxies.contain(peer))
    }

    /// What the limits for the client at `address` are counted by; `None` for a client without limits.
    fn network(&self, address: IpAddr) -> Option<Network> {
        (!self.exempt.contain(address)).then(|| address.into())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn network(address: &str) -> String {
        Network::from(address.parse::<IpAddr>().unwrap()).to_string()
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_first_64_bits() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9"), network("2001:db8:1:2:3:4:5:6"));
        assert_ne!(network("2001:db8:1:3::9"), network("2001:db8:1:2::9"));
    }

    #[test]
    fn an_ipv4_client_is_counted_by_its_address_also_on_an_ipv6_socket() {
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn a_region_is_the_network_of_a_provider() {
        let region = |address: &str| {
            let network = Network::from(address.parse::<IpAddr>().unwrap());
            network.region().0.to_string()
        };
        assert_eq!(region("192.0.2.1"), "192.0.0.0");
        assert_eq!(region("2001:db8:1:2::9"), "2001:db8::");
    }

    #[test]
    fn networks_contain_the_addresses_of_their_prefixes() {
        let networks: Networks = "10.0.0.0/8, ::1, 192.0.2.7".parse().unwrap();
        for address in ["10.255.0.1", "::1", "192.0.2.7", "::ffff:10.0.0.1"] {
            assert!(networks.contain(address.parse().unwrap()), "{address}");
        }
        for address in ["11.0.0.1", "::2", "192.0.2.8"] {
            assert!(!networks.contain(address.parse().unwrap()), "{address}");
        }
        assert_eq!("none".parse(), Ok(Networks::NONE));
    }

    #[test]
    fn what_is_no_network_is_named() {
        let error = "10.0.0.0/8,example.org".parse::<Networks>().unwrap_err();
        assert!(error.contains("\"example.org\""), "{error}");
        let error = Rules::parse("10.0.0.0/33", "none").unwrap_err();
        assert!(error.starts_with("ADDRESS_LIMIT_EXEMPT: "), "{error}");
        let error = Rules::parse("none", "proxy").unwrap_err();
        assert!(error.starts_with("TRUSTED_PROXIES: "), "{error}");
    }

    /// The client of a request from `peer` with `X-Forwarded-For: forwarded`, unless that is empty.
    fn client(rules: &Rules, peer: &str, forwarded: &str) -> Client {
        let mut headers = HeaderMap::new();
        if !forwarded.is_empty() {
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        let connection = Connection::new(peer.parse().unwrap());
        rules.client(Some(&connection), &headers)
    }

    #[test]
    fn exempt_clients_are_not_counted() {
        let rules = Rules::parse("127.0.0.0/8", "none").unwrap();
        assert_eq!(client(&rules, "127.0.0.2", "").network, None);
        let counted = client(&rules, "192.0.2.1", "");
        assert_eq!(counted.network, Some(counted.address.into()));
    }

    #[test]
    fn only_the_headers_of_trusted_proxies_are_believed() {
        let rules = Rules::parse("127.0.0.0/8", "127.0.0.1,10.0.0.0/8").unwrap();
        for (peer, forwarded, address, network) in [
            ("127.0.0.1", "192.0.2.7", "192.0.2.7", Some("192.0.2.7")),
            (
                "::ffff:10.0.0.1",
                "192.0.2.7",
                "192.0.2.7",
                Some("192.0.2.7"),
            ),
            ("192.0.2.1", "198.51.100.9", "192.0.2.1", Some("192.0.2.1")),
            ("127.0.0.2", "198.51.100.9", "127.0.0.2", None),
            ("127.0.0.1", "", "127.0.0.1", None),
            ("127.0.0.1", "127.0.0.9", "127.0.0.9", None),
            ("127.0.0.1", "nobody", "127.0.0.1", Some("127.0.0.1")),
        ] {
            let found = client(&rules, peer, forwarded);
            let network = network.map(|network| network.parse::<IpAddr>().unwrap().into());
            let is_behind_proxy = peer != address || forwarded == "nobody";
            let case = format!("{peer}, {forwarded:?}");
            assert_eq!(found.address, address.parse::<IpAddr>().unwrap(), "{case}");
            assert_eq!(found.network, network, "{case}");
            assert_eq!(found.connection.is_none(), is_behind_proxy, "{case}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_that_its_client_uses_https() {
        let rules = Rules::parse("none", "10.0.0.0/8").unwrap();
        let headers = [(
            "x-forwarded-proto".parse().unwrap(),
            "https".parse().unwrap(),
        )];
        let headers = HeaderMap::from_iter(headers);
        for (peer, expected) in [
            ("10.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("192.0.2.1", false),
        ] {
            let connection = Connection::new(peer.parse().unwrap());
            let is_https = rules.is_forwarded_https(Some(&connection), &headers);
            assert_eq!(is_https, expected, "{peer}");
        }
    }

    #[test]
    fn by_default_no_header_is_believed() {
        let found = client(&Rules::default(), "127.0.0.1", "192.0.2.7");
        assert_eq!(found.address.to_string(), "127.0.0.1");
    }

    #[test]
    fn with_the_proxy_protocol_only_trusted_proxies_may_connect() {
        let rules = Rules::parse("none", "10.0.0.0/8").unwrap();
        let opening = |rules: &Rules, peer: &str| rules.opening(peer.parse().unwrap());
        assert_eq!(opening(&rules, "10.0.0.1"), Opening::Request);
        assert_eq!(opening(&rules, "192.0.2.1"), Opening::Request);
        let rules = rules.with_proxy_protocol(true).unwrap();
        assert_eq!(opening(&rules, "::ffff:10.0.0.1"), Opening::ProxyHeader);
        assert_eq!(opening(&rules, "192.0.2.1"), Opening::Refused);
        let error = Rules::default().with_proxy_protocol(true).unwrap_err();
        assert!(error.contains("TRUSTED_PROXIES"), "{error}");
    }

    #[test]
    fn connections_of_trusted_proxies_are_not_limited() {
        let rules = Rules::parse("127.0.0.1", "10.0.0.0/8").unwrap();
        let is_limited = |peer: &str| {
            rules
                .network_of_connections(peer.parse().unwrap())
                .is_some()
        };
        assert!(!is_limited("10.0.0.1"));
        assert!(!is_limited("127.0.0.1"));
        assert!(is_limited("127.0.0.2"));
    }
}

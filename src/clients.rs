//! Clients as the service counts them: the address that a request came from, and the network that
//! the limits for one client apply to. Imports no other module.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;

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
    /// The number of the connection that the request came on.
    pub connection: u64,
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

/// How the client of a request is found, and which clients have no limits of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The addresses whose clients have no limits of their own.
    pub exempt: Networks,
}

impl Default for Rules {
    /// Clients of this machine have no limits of their own.
    fn default() -> Self {
        let loopback = [
            IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8),
            IpAddr::from(Ipv6Addr::LOCALHOST).into(),
        ];
        Self {
            exempt: Networks(loopback.into()),
        }
    }
}

impl Rules {
    /// The rules for the setting `ADDRESS_LIMIT_EXEMPT`.
    ///
    /// # Errors
    /// One line, that names the setting.
    pub fn parse(exempt: &str) -> Result<Self, String> {
        let exempt = exempt.parse();
        Ok(Self {
            exempt: exempt.map_err(|error| format!("ADDRESS_LIMIT_EXEMPT: {error}"))?,
        })
    }

    /// The client of a request that came on `connection`; `None` stands for a request that came on no
    /// connection, as in tests, whose client has no limits.
    #[must_use]
    pub fn client(&self, connection: Option<&Connection>) -> Client {
        let Some(connection) = connection else {
            return Client {
                connection: u64::MAX,
                address: Ipv4Addr::LOCALHOST.into(),
                network: None,
            };
        };
        let address = connection.peer.to_canonical();
        Client {
            connection: connection.id,
            address,
            network: self.network(address),
        }
    }

    /// What the limits for the client at `address` are counted by; `None` for a client without limits.
    #[must_use]
    pub fn network(&self, address: IpAddr) -> Option<Network> {
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
        let error = Rules::parse("10.0.0.0/33").unwrap_err();
        assert!(error.starts_with("ADDRESS_LIMIT_EXEMPT: "), "{error}");
    }

    #[test]
    fn exempt_clients_are_not_counted() {
        let rules = Rules::parse("127.0.0.0/8").unwrap();
        let client = |peer: &str| rules.client(Some(&Connection::new(peer.parse().unwrap())));
        assert_eq!(client("127.0.0.2").network, None);
        let counted = client("192.0.2.1");
        assert_eq!(counted.network, Some(counted.address.into()));
    }
}

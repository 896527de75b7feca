//! Connections that begin with a header of the PROXY protocol, version 2: it has the address of the client.
//!
//! Imports `server::slots`, `server::timer`, and `api` for [`CutOff`].

use std::io;
use std::net::{IpAddr, SocketAddr};

use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;

use crate::api::CutOff;
use crate::clients::Network;

use super::Stage;
use super::slots::Slot;

/// The length of the part of the header that every header has. The length of the rest is in its last two bytes.
const FIXED: usize = 16;

const CONFIG: ParseConfig = ParseConfig {
    include_tlvs: false,
    allow_v1: false,
    allow_v2: true,
};

/// Reads the header from `stream`, within the time for the first head. Then the connection is counted by the
/// client's network. Returns the address of the client, or `proxy` for a connection of the proxy itself; `None`
/// when the connection has to be closed.
pub(super) async fn read_client(
    stream: &mut (impl AsyncRead + Unpin),
    proxy: SocketAddr,
    network_of: impl Fn(IpAddr) -> Option<Network>,
    slot: &Slot,
    mut stage: watch::Receiver<Stage>,
) -> Option<SocketAddr> {
    let reading = async {
        tokio::select! {
            client = read(stream) => client,
            _ = stage.wait_for(|stage| *stage == Stage::Closing) => {
                Err(io::Error::other("the server stops"))
            }
        }
    };
    let client = match slot.timer.limit(reading, &CutOff::default()).await {
        Some(Ok(client)) => client.unwrap_or(proxy),
        Some(Err(error)) => {
            tracing::debug!(%proxy, %error, "closed a connection without a header of the PROXY protocol");
            return None;
        }
        None => {
            tracing::debug!(%proxy, "the header of the PROXY protocol took too long");
            return None;
        }
    };
    let is_admitted = network_of(client.ip()).is_none_or(|network| slot.count_by(network));
    is_admitted.then_some(client)
}

/// The address of the client; `None` if the proxy says that the connection is its own, or not whose it is.
/// Nothing behind the header is read.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    let mut header = fixed.to_vec();
    if ProxyHeader::parse(&header, CONFIG) == Err(Error::BufferTooShort) {
        let [.., high, low] = fixed;
        let rest = usize::from(u16::from_be_bytes([high, low]));
        header.resize(FIXED + rest, 0);
        stream.read_exact(&mut header[FIXED..]).await?;
    }
    let invalid = |_| io::Error::other("it is not valid");
    let (header, _) = ProxyHeader::parse(&header, CONFIG).map_err(invalid)?;
    match header.proxied_address() {
        Some(address) if address.protocol == Protocol::Stream => Ok(Some(address.source)),
        Some(_) => Err(io::Error::other("it is that of a datagram")),
        None => Ok(None),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A header with this command, family and rest.
    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        let fixed = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family]].concat();
        [&fixed, &length[..], rest].concat()
    }

    /// What is read of `bytes`, or the error, as text; and how many bytes are left.
    async fn found(mut bytes: &[u8]) -> (String, usize) {
        let client = match read(&mut bytes).await {
            Ok(Some(client)) => client.to_string(),
            Ok(None) => "the proxy".to_owned(),
            Err(error) => error.to_string(),
        };
        (client, bytes.len())
    }

    #[tokio::test]
    async fn the_source_is_the_client() {
        let ipv4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x10, 0, 0, 80];
        let mut ipv6 = [0; 36];
        ipv6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        ipv6[15] = 7;
        ipv6[32] = 0x10;
        let with_more = [&ipv4[..], &[4, 0, 2, 0, 0]].concat();
        for (command, family, rest, expected) in [
            (0x21, 0x11, &ipv4[..], "192.0.2.7:4096"),
            (0x21, 0x11, &with_more, "192.0.2.7:4096"),
            (0x21, 0x21, &ipv6, "[2001:db8::7]:4096"),
            (0x21, 0x00, &[], "the proxy"),
            (0x21, 0x31, &[0; 216], "the proxy"),
            (0x20, 0x00, &[], "the proxy"),
            (0x20, 0x11, &ipv4, "the proxy"),
            (0x21, 0x12, &ipv4, "it is that of a datagram"),
            (0x11, 0x11, &ipv4, "it is not valid"),
            (0x21, 0x11, &ipv4[..8], "it is not valid"),
            (0x21, 0x21, &ipv4, "it is not valid"),
        ] {
            let bytes = [&header(command, family, rest)[..], b"GET"].concat();
            let (found, left) = found(&bytes).await;
            let case = format!("{command:x} {family:x} {rest:?}");
            assert_eq!(found, expected, "{case}");
            if !found.starts_with("it is ") {
                assert_eq!(left, 3, "{case}");
            }
        }
    }

    #[tokio::test]
    async fn nothing_else_is_a_header() {
        for bytes in [
            &b"PROXY TCP4 192.0.2.7 10.0.0.1 4096 80\r\nGET / HTTP/1.1\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03..............",
        ] {
            let (found, left) = found(bytes).await;
            assert_eq!(
                (found.as_str(), left),
                ("it is not valid", bytes.len() - FIXED)
            );
        }
        let whole = header(0x21, 0x11, &[0; 12]);
        for length in 0..whole.len() {
            assert_eq!(found(&whole[..length]).await.0, "early eof", "{length}");
        }
    }
}

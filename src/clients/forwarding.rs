//! The client's address and scheme in the headers of proxies: `Forwarded` (RFC 7239), `X-Forwarded-For` and
//! `X-Forwarded-Proto`.
//!
//! Each proxy appends the address that it got the request from, so a client can write whatever it
//! likes at the beginning. Only what a trusted proxy wrote is read: from the right, up to the first
//! address that is not a trusted proxy.

use std::iter;
use std::mem;
use std::net::{IpAddr, SocketAddr};

use poem::http::{HeaderMap, HeaderValue, header};

use super::Networks;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The headers of a trusted proxy name no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a proxy wrote about the sender of the request that it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hop {
    address: IpAddr,
    /// Whether the request came by HTTPS, if the proxy says so.
    is_https: Option<bool>,
}

/// The client's address in the headers of a request that a trusted proxy sent; `None` if it sent none.
///
/// A proxy passes the header that it does not write itself as it came from the client. So where both
/// are present, they must name the same address.
pub(super) fn client_address(
    headers: &HeaderMap,
    trusted: &Networks,
) -> Result<Option<IpAddr>, Malformed> {
    let forwarded = client(forwarded_hops(headers), trusted)?.map(|hop| hop.address);
    let x_forwarded = client(x_forwarded_hops(headers), trusted)?.map(|hop| hop.address);
    match (forwarded, x_forwarded) {
        (Some(one), Some(other)) if one != other => Err(Malformed),
        (one, other) => Ok(one.or(other)),
    }
}

/// Whether the headers of a request that a trusted proxy sent say that the client uses HTTPS, and none of
/// them says that it does not.
pub(super) fn is_https(headers: &HeaderMap, trusted: &Networks) -> bool {
    let forwarded = match client(forwarded_hops(headers), trusted) {
        Ok(hop) => hop.and_then(|hop| hop.is_https),
        Err(Malformed) => Some(false),
    };
    let x_forwarded = lines(headers, X_FORWARDED_PROTO)
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .next()
        .map(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"));
    match (forwarded, x_forwarded) {
        (Some(one), Some(other)) => one && other,
        (one, other) => one.or(other).unwrap_or_default(),
    }
}

/// The lines of a header, the last one first. They may contain any bytes, since clients write them, too.
fn lines<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> + use<'h> {
    headers
        .get_all(name)
        .iter()
        .rev()
        .map(HeaderValue::as_bytes)
}

/// The first of `hops`, the last proxy's first, that is not a trusted proxy, or else the last one.
/// `None` without hops.
fn client(
    hops: impl Iterator<Item = Result<Hop, Malformed>>,
    trusted: &Networks,
) -> Result<Option<Hop>, Malformed> {
    let mut client = None;
    for hop in hops {
        let hop = hop?;
        client = Some(hop);
        if !trusted.contain(hop.address) {
            break;
        }
    }
    Ok(client)
}

/// The hops in `X-Forwarded-For`, the last one first.
fn x_forwarded_hops(headers: &HeaderMap) -> impl Iterator<Item = Result<Hop, Malformed>> {
    lines(headers, X_FORWARDED_FOR)
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(|hop| {
            let text = str::from_utf8(hop).map_err(|_| Malformed)?;
            let address = address(text.trim()).ok_or(Malformed)?;
            Ok(Hop {
                address,
                is_https: None,
            })
        })
}

/// The hops in `Forwarded`, the last one first.
fn forwarded_hops(headers: &HeaderMap) -> impl Iterator<Item = Result<Hop, Malformed>> {
    lines(headers, header::FORWARDED.as_str())
        .filter(|line| !line.trim_ascii().is_empty())
        .flat_map(|mut rest| {
            iter::from_fn(move || (!rest.is_empty()).then(|| hop(take_last_element(&mut rest))))
        })
}

/// Takes the last element of a line of `Forwarded`, and the comma before it. From the right, quotes that a
/// client has left open cannot hide what a proxy appended.
fn take_last_element<'l>(line: &mut &'l [u8]) -> &'l [u8] {
    let mut is_quoted = false;
    for (index, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(&line[..index]) => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                let last = &line[index + 1..];
                *line = &line[..index];
                return last;
            }
            _ => {}
        }
    }
    mem::take(line)
}

/// Whether the byte after `before` is escaped, by an odd number of backslashes.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

/// Parses one element, such as `for=192.0.2.7;proto=https`.
fn hop(element: &[u8]) -> Result<Hop, Malformed> {
    let element = String::from_utf8_lossy(element);
    let mut rest = element.trim();
    let (mut node, mut scheme) = (None, None);
    loop {
        let (name, after) = rest.split_once('=').ok_or(Malformed)?;
        let name = name.trim();
        let (value, after) = value(after)?;
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(Malformed);
        }
        let known = match name.to_ascii_lowercase().as_str() {
            "for" => Some(&mut node),
            "proto" => Some(&mut scheme),
            _ => None,
        };
        if known.is_some_and(|known| known.replace(value).is_some()) {
            // There must be one of each.
            return Err(Malformed);
        }
        let after = after.trim_start();
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(';').ok_or(Malformed)?;
    }
    let address = node.as_deref().and_then(address).ok_or(Malformed)?;
    let is_https = scheme.map(|scheme| scheme.eq_ignore_ascii_case("https"));
    Ok(Hop { address, is_https })
}

/// Takes a token or a quoted string from the beginning of `text`. Returns its value, and the rest.
fn value(text: &str) -> Result<(String, &str), Malformed> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token_byte(byte));
        let (token, rest) = text.split_at(end.unwrap_or(text.len()));
        return Ok((token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next().ok_or(Malformed)? {
            '"' => return Ok((value, characters.as_str())),
            '\\' => value.push(characters.next().ok_or(Malformed)?),
            other => value.push(other),
        }
    }
}

/// Whether a token of HTTP may contain `byte`. A colon, which it may not, is in addresses that are not
/// quoted although they should be.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte)
}

/// Parses an address, with or without a port. An IPv6 address may be in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    address
        .or_else(with_port)
        .map(|it: IpAddr| it.to_canonical())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn trusted() -> Networks {
        "10.0.0.0/8,2001:db8:f::/48".parse().unwrap()
    }

    fn headers<'l>(lines: &[(&'static str, impl AsRef<[u8]> + 'l)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_bytes(line.as_ref()).unwrap());
        }
        headers
    }

    /// The address that the lines name, as text; `malformed`, or `none`.
    fn found(lines: &[(&'static str, impl AsRef<[u8]>)]) -> String {
        match client_address(&headers(lines), &trusted()) {
            Ok(Some(address)) => address.to_string(),
            Ok(None) => "none".to_owned(),
            Err(Malformed) => "malformed".to_owned(),
        }
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        for (lines, expected) in [
            (&["192.0.2.7"][..], "192.0.2.7"),
            (&["192.0.2.7, 10.0.0.1"], "192.0.2.7"),
            (&["198.51.100.9, 192.0.2.7,10.0.0.1 ,10.0.0.2"], "192.0.2.7"),
            (&["198.51.100.9", "192.0.2.7", "10.0.0.1"], "192.0.2.7"),
            // What is left of the client's address is the client's own.
            (&["\"junk, ;=, 192.0.2.7"], "192.0.2.7"),
            (&["junk", "192.0.2.7"], "192.0.2.7"),
            // Only proxies: the first one is the client.
            (&["10.0.0.3, 10.0.0.1"], "10.0.0.3"),
            (&["192.0.2.7:5000"], "192.0.2.7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["[2001:db8::7]:80, 2001:db8:f::1"], "2001:db8::7"),
            (&["::ffff:192.0.2.7"], "192.0.2.7"),
            (&["192.0.2.7, ::ffff:10.0.0.1"], "192.0.2.7"),
            (&["192.0.2.7, unknown"], "malformed"),
            (&["192.0.2.7,"], "malformed"),
            (&["192.0.2.7, , 10.0.0.1"], "malformed"),
            (&["192.0.2.7", "10.0.0.1 10.0.0.2"], "malformed"),
            (&["192.0.2.300"], "malformed"),
            (&["192.0.2.7:port"], "malformed"),
            (&["shop.example"], "malformed"),
            (&[""], "malformed"),
            (&[], "none"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect();
            assert_eq!(found(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        for (lines, expected) in [
            (&["for=192.0.2.7"][..], "192.0.2.7"),
            (&["For=192.0.2.7;proto=https;by=10.0.0.1"], "192.0.2.7"),
            (
                &["proto=http; for=\"192.0.2.7:80\" ;host=\"a,b\""],
                "192.0.2.7",
            ),
            (&["for=\"[2001:db8::7]:4711\""], "2001:db8::7"),
            (&["for=\"[2001:db8::7]\", for=10.0.0.1"], "2001:db8::7"),
            (&["for=\"192.0.2.\\7\""], "192.0.2.7"),
            (
                &["for=198.51.100.9, for=192.0.2.7", "for=10.0.0.1"],
                "192.0.2.7",
            ),
            (&["for=_hidden, for=192.0.2.7"], "192.0.2.7"),
            (&["junk", "for=192.0.2.7"], "192.0.2.7"),
            (&["for=unknown"], "malformed"),
            (&["for=192.0.2.7, for=_hidden"], "malformed"),
            (&["proto=https"], "malformed"),
            (&["for=192.0.2.7;for=198.51.100.9"], "malformed"),
            (&["for=[2001:db8::7]"], "malformed"),
            (&["for = 192.0.2.7"], "malformed"),
            (&["for=\"192.0.2.7"], "malformed"),
            (&["192.0.2.7"], "malformed"),
            (&["for=192.0.2.7;proto=http;proto=https"], "malformed"),
            (&["for=192.0.2.7;"], "malformed"),
            (&["for=192.0.2.7,"], "malformed"),
            (&["", "for=192.0.2.7"], "192.0.2.7"),
            (&["for=192.0.2.7", ""], "192.0.2.7"),
            (&["", " "], "none"),
            // What is left of the client's address is the client's own, and cannot hide it.
            (&["junk, ;=, for=192.0.2.7"], "192.0.2.7"),
            (&["for=198.51.100.9;a=\", for=192.0.2.7"], "192.0.2.7"),
            (&["for=198.51.100.9;a=\", for=\"192.0.2.7\""], "192.0.2.7"),
            (&["for=198.51.100.9;a=\\, for=\"192.0.2.7\""], "192.0.2.7"),
            (
                &["a=\"\\, for=\"192.0.2.7\";host=\"a\\\"b, c\\\\\", for=10.0.0.1"],
                "192.0.2.7",
            ),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            assert_eq!(found(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn any_bytes_may_be_left_of_the_address() {
        let found = |name, line: &[u8]| found(&[(name, line)]);
        for junk in [&b"\xff"[..], b"\"\x80\xfe", b"for=\xc3\x28"] {
            let line = [junk, b", 192.0.2.7, 10.0.0.1"].concat();
            assert_eq!(found(X_FORWARDED_FOR, &line), "192.0.2.7", "{junk:?}");
            let line = [junk, b", for=192.0.2.7;by=\"\xff\", for=10.0.0.1"].concat();
            assert_eq!(found("forwarded", &line), "192.0.2.7", "{junk:?}");
        }
        assert_eq!(found(X_FORWARDED_FOR, b"192.0.2.7, \xff"), "malformed");
        assert_eq!(found("forwarded", b"for=192.0.2.7, \xff"), "malformed");
        assert_eq!(found("forwarded", b"for=192.0.2.7\xff"), "malformed");
    }

    #[test]
    fn the_scheme_is_that_of_the_client() {
        let proto = X_FORWARDED_PROTO;
        for (lines, expected) in [
            (&[][..], false),
            (&[("forwarded", "for=192.0.2.7;proto=https")], true),
            (&[("forwarded", "for=192.0.2.7;Proto=\"HTTPS\"")], true),
            (&[("forwarded", "for=192.0.2.7;proto=http")], false),
            (&[("forwarded", "for=192.0.2.7")], false),
            // The client's own.
            (
                &[("forwarded", "for=192.0.2.9;proto=https, for=192.0.2.7")],
                false,
            ),
            // The outer proxy's connection was encrypted, and the inner one's was not.
            (
                &[(
                    "forwarded",
                    "for=192.0.2.7;proto=https, for=10.0.0.1;proto=http",
                )],
                true,
            ),
            (&[("forwarded", "proto=https")], false),
            (&[(proto, "https")], true),
            (&[(proto, "HTTPS ")], true),
            (&[(proto, "http")], false),
            (&[(proto, "https, http")], false),
            (&[(proto, "https"), (proto, "http")], false),
            (&[(proto, "http, https")], true),
            (
                &[("forwarded", "for=192.0.2.7;proto=http"), (proto, "https")],
                false,
            ),
            (&[("forwarded", "for=192.0.2.7"), (proto, "https")], true),
        ] {
            let is_https = is_https(&headers(lines), &trusted());
            assert_eq!(is_https, expected, "{lines:?}");
        }
    }

    #[test]
    fn two_headers_must_name_the_same_address() {
        let x_forwarded = (X_FORWARDED_FOR, "192.0.2.7, 10.0.0.1");
        let both = |forwarded| found(&[("forwarded", forwarded), x_forwarded]);
        assert_eq!(both("for=192.0.2.7"), "192.0.2.7");
        assert_eq!(both("for=198.51.100.9"), "malformed");
        assert_eq!(both("for=unknown"), "malformed");
    }
}

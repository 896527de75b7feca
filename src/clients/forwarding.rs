//! The client's address in the headers of proxies: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Each proxy appends the address that it got the request from, so a client can write whatever it
//! likes at the beginning. Only what a trusted proxy wrote is read: from the right, up to the first
//! address that is not a trusted proxy.

use std::iter;
use std::net::{IpAddr, SocketAddr};

use poem::http::{HeaderMap, header};

use super::Networks;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The headers of a trusted proxy name no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The client's address in the headers of a request that a trusted proxy sent; `None` if it sent none.
///
/// A proxy passes the header that it does not write itself as it came from the client. So where both
/// are present, they must name the same address.
pub(super) fn client_address(
    headers: &HeaderMap,
    trusted: &Networks,
) -> Result<Option<IpAddr>, Malformed> {
    let lines = |name| headers.get_all(name).iter().rev().map(|line| line.to_str());
    let forwarded = lines(header::FORWARDED.as_str())
        .flat_map(|line| line.ok().map_or_else(|| vec![None], forwarded_hops));
    let x_forwarded = lines(X_FORWARDED_FOR)
        .flat_map(|line| line.unwrap_or_default().rsplit(','))
        .map(|hop| address(hop.trim()));
    match (client(forwarded, trusted)?, client(x_forwarded, trusted)?) {
        (Some(one), Some(other)) if one != other => Err(Malformed),
        (one, other) => Ok(one.or(other)),
    }
}

/// The first of `hops`, the last proxy's first, that is not a trusted proxy, or else the last one.
/// `None` without hops.
fn client(
    hops: impl Iterator<Item = Option<IpAddr>>,
    trusted: &Networks,
) -> Result<Option<IpAddr>, Malformed> {
    let mut client = None;
    for hop in hops {
        let address = hop.ok_or(Malformed)?;
        client = Some(address);
        if !trusted.contain(address) {
            break;
        }
    }
    Ok(client)
}

/// The addresses in one line of `Forwarded`, the rightmost first; `None` stands for an element without an
/// address, and for a line that does not keep to the grammar.
fn forwarded_hops(line: &str) -> Vec<Option<IpAddr>> {
    let mut rest = line;
    let mut hops = Vec::new();
    let elements = iter::from_fn(|| (!rest.is_empty()).then(|| element(&mut rest)));
    for element in elements {
        match element {
            Ok(Some(node)) => hops.push(address(&node)),
            Ok(None) => hops.push(None),
            // Where the elements of the line begin is unknown.
            Err(Malformed) => return vec![None],
        }
    }
    hops.reverse();
    hops
}

/// Takes one element, such as `for=192.0.2.7;proto=https`, and the comma after it from the beginning of
/// `rest`. Returns the value of its parameter `for`.
fn element(rest: &mut &str) -> Result<Option<String>, Malformed> {
    let mut node = None;
    loop {
        let (name, after) = rest.split_once('=').ok_or(Malformed)?;
        let name = name.trim();
        let (value, after) = value(after)?;
        let is_token = !name.is_empty() && name.bytes().all(is_token_byte);
        let is_second = name.eq_ignore_ascii_case("for") && node.is_some();
        if !is_token || is_second {
            return Err(Malformed);
        }
        if name.eq_ignore_ascii_case("for") {
            node = Some(value);
        }
        let after = after.trim_start();
        if let Some(next) = after.strip_prefix(';') {
            *rest = next;
            continue;
        }
        *rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return Err(Malformed),
        };
        return Ok(node);
    }
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
    use poem::http::HeaderValue;

    use super::*;

    /// The address that the lines name, as text; `malformed`, or `none`.
    fn found(lines: &[(&'static str, &str)]) -> String {
        let trusted = "10.0.0.0/8,2001:db8:f::/48".parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_str(line).unwrap());
        }
        match client_address(&headers, &trusted) {
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
            // A client's quote must not hide what the proxy appended.
            (&["for=198.51.100.9;a=\", for=192.0.2.7"], "malformed"),
            (&["for=198.51.100.9;a=\", for=\"192.0.2.7\""], "malformed"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            assert_eq!(found(&lines), expected, "{lines:?}");
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

//! Decodes percent-encoded text in paths and queries. Imports nothing else of the crate.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// One `name=value` of a query, decoded.
#[derive(Debug, PartialEq, Eq)]
pub struct QueryPair<'q> {
    /// The name as it was sent.
    pub raw_name: &'q str,
    /// The name; `None` when its percent-encoding is broken.
    pub name: Option<Cow<'q, str>>,
    /// The value, which is empty without a `=`; `None` when its percent-encoding is broken.
    pub value: Option<Cow<'q, str>>,
}

/// The pairs of a query (the text after `?`), in their order. `+` is decoded as a space.
pub fn query_pairs(query: &str) -> impl Iterator<Item = QueryPair<'_>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        QueryPair {
            raw_name: name,
            name: decode_query(name),
            value: decode_query(value),
        }
    })
}

fn decode_query(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return decode(text);
    }
    let with_spaces = text.replace('+', " ");
    decode(&with_spaces).map(|text| Cow::Owned(text.into_owned()))
}

/// Decodes percent-encoded text. `None` when a `%` is not followed by two hexadecimal digits, or when the
/// bytes are not UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let is_valid = |escape: &str| {
        let digits = escape.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut escapes = text.split('%').skip(1);
    if !escapes.all(is_valid) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// Decodes the escapes of characters that need none, and writes the other escapes in capitals: paths that
/// differ only in this are the same (RFC 3986, 6.2.2). Allocates only for a path with a `%`.
#[must_use]
pub fn normalise_path(path: &str) -> Cow<'_, str> {
    let Some((first, escaped)) = path.split_once('%') else {
        return path.into();
    };
    let mut normal = first.to_owned();
    for part in escaped.split('%') {
        let digits = part
            .get(..2)
            .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if is_unreserved(byte) => normal.push(byte.into()),
            Some(_) => {
                normal.push('%');
                normal.push_str(&part[..2].to_ascii_uppercase());
            }
            None => normal.push('%'),
        }
        normal.push_str(if byte.is_some() { &part[2..] } else { part });
    }
    normal.into()
}

/// Whether a character of a path needs no escape and is equivalent to its escape (RFC 3986, 2.3).
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_paths_have_one_normal_form() {
        for (path, normal) in [
            ("/things/mine", "/things/mine"),
            ("/%74hings/%6Dine%2d%7E", "/things/mine-~"),
            ("/a%2fb%2F%c3%A9", "/a%2Fb%2F%C3%A9"),
            ("/%2541%%34%4", "/%2541%4%4"),
            ("/%é%4é%+1", "/%é%4é%+1"),
        ] {
            assert_eq!(normalise_path(path), normal);
        }
        let plain = normalise_path("/a");
        assert!(matches!(plain, Cow::Borrowed(_)));
    }

    #[test]
    fn a_plus_is_a_space_only_in_a_query() {
        assert_eq!(decode("a+b%2B%20").as_deref(), Some("a+b+ "));
        let pairs: Vec<_> = query_pairs("a+b=c+d%2B&&e&%zz=%&f==").collect();
        let pair = |raw_name, name: Option<&'static str>, value: Option<&'static str>| QueryPair {
            raw_name,
            name: name.map(Cow::Borrowed),
            value: value.map(Cow::Borrowed),
        };
        assert_eq!(
            pairs,
            [
                pair("a+b", Some("a b"), Some("c d+")),
                pair("e", Some("e"), Some("")),
                pair("%zz", None, None),
                pair("f", Some("f"), Some("=")),
            ]
        );
    }

    #[test]
    fn a_broken_percent_encoding_is_not_decoded() {
        for text in ["%", "%2", "%2g", "%%20", "%ff", "%é0"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}

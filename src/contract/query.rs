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

#[cfg(test)]
mod tests {
    use super::*;

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

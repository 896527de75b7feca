//! The format `email` in requests: a `Mailbox` of RFC 5321, 4.1.2, without a display name or comments.
//!
//! The crate `email_address`, which `jsonschema` and poem-openapi use, also accepts any text in front
//! of `<address>`, even with line breaks. With such a value a client could inject headers into emails
//! that are sent to this address.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest local part and the longest domain, in bytes (RFC 5321, 4.5.3.1).
const MAX_LOCAL_PART: usize = 64;
const MAX_DOMAIN: usize = 255;
const MAX_LABEL: usize = 63;

/// Whether `text` is an email address. Internationalised addresses (RFC 6531) are not accepted.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local_part, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let literal = domain
        .strip_prefix('[')
        .and_then(|domain| domain.strip_suffix(']'));
    is_local_part(local_part) && literal.map_or_else(|| is_domain(domain), is_address)
}

/// `Dot-string / Quoted-string`, the latter not empty.
fn is_local_part(text: &str) -> bool {
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    text.len() <= MAX_LOCAL_PART && quoted.map_or_else(|| is_dot_string(text), is_quoted)
}

fn is_dot_string(text: &str) -> bool {
    let is_atext =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// The text between the quotes of a `Quoted-string`: printable ASCII, in which quotes and backslashes
/// are escaped by a backslash.
fn is_quoted(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let character = if byte == b'\\' {
            bytes.next()
        } else {
            Some(byte)
        };
        let is_printable = character.is_some_and(|byte| matches!(byte, b' '..=b'~'));
        if !is_printable || byte == b'"' {
            return false;
        }
    }
    !text.is_empty()
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= MAX_DOMAIN && text.split('.').all(is_label)
}

/// An IPv4 address, or `IPv6:` (in any letter case) and an IPv6 address.
fn is_address(text: &str) -> bool {
    match text.split_once(':') {
        Some((tag, address)) => {
            tag.eq_ignore_ascii_case("IPv6") && address.parse::<Ipv6Addr>().is_ok()
        }
        None => text.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_a_mailbox_of_rfc_5321() {
        let long = |local: usize, label: usize| {
            format!("{}@{}.example", "a".repeat(local), "b".repeat(label))
        };
        for email in [
            "a@b",
            "a@b.c",
            "Ada.Lovelace+shop@example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "1@2.3",
            "a@xn--bcher-kva.example",
            "a@a--b.example",
            r#""a b"@c.co"#,
            r#"" "@c.co"#,
            r#""a@b"@c.co"#,
            r#""Ada <a@b.co>"@c.co"#,
            r#""a\"b\\c\ d"@c.co"#,
            r#""a.b..c."@c.co"#,
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
            "a@[ipv6:::1]",
            &long(64, 63),
        ] {
            assert!(is_email(email), "{email}");
        }
        for other in [
            "",
            "@",
            "nobody",
            "@b.co",
            "a@",
            "a@b@c.co",
            "\"Ada\r\nBcc: x@y.z <v@c.co>\"",
            "\"Ada\r\nBcc: x\"@c.co",
            "Ada\r\nBcc: x@y.z <v@c.co>",
            "Ada <v@c.co>",
            "Ada <v@c.co> ",
            " <v@c.co>",
            "<v@c.co>",
            "v@c.co (Ada)",
            "(Ada)v@c.co",
            " v@c.co",
            "v@c.co ",
            "v@c.co\n",
            "v@c.co\r\n",
            "\tv@c.co",
            "v @c.co",
            "v@ c.co",
            "v@c.co,w@c.co",
            ".v@c.co",
            "v.@c.co",
            "v..w@c.co",
            "v\u{0}@c.co",
            "v\u{7f}@c.co",
            "é@c.co",
            "v@é.co",
            "v@\u{ff43}.co",
            "v@c\u{3002}co",
            r#"""@c.co"#,
            r#"""#,
            r#""@c.co"#,
            r#""a"b@c.co"#,
            r#"b"a"@c.co"#,
            r#""a"b"@c.co"#,
            r#""a\"@c.co"#,
            r#""a"."b"@c.co"#,
            "\"a\tb\"@c.co",
            "\"a\r\n b\"@c.co",
            "\"a\\\u{0}b\"@c.co",
            "\"é\"@c.co",
            "v@-c.co",
            "v@c-.co",
            "v@c..co",
            "v@.co",
            "v@c.co.",
            "v@c_d.co",
            "v@c!d.co",
            "v@c/d.co",
            "v@[192.0.2.256]",
            "v@[192.0.2.1",
            "v@192.0.2.1]",
            "v@[]",
            "v@[::1]",
            "v@[IPv6:192.0.2.1]",
            "v@[IPv6:]",
            "v@[x:y]",
            "v@[c.co]",
            "mailto:<v@c.co>",
            &long(65, 1),
            &long(1, 64),
            &format!("v@{}", "c.".repeat(127) + "co"),
        ] {
            assert!(!is_email(other), "{other:?}");
        }
    }
}

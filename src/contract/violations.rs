//! What violations have in common: how many are collected, and how the places are written that a client
//! chose the names of.

use std::fmt::Write as _;

/// How many violations of one value are collected at most. A response that names a hundred thus knows
/// whether there are more.
pub const MAX_VIOLATIONS: usize = 101;

/// How many characters of a name that the client chose are sent back at most.
const MAX_NAME: usize = 64;

/// The JSON pointer of the property `name` under `parent` (RFC 6901); a long name is cut and
/// control characters are spelt out, since the client chose it.
pub(super) fn child(parent: &str, name: &str) -> String {
    format!(
        "{parent}/{}",
        printable(name).replace('~', "~0").replace('/', "~1")
    )
}

/// At most 64 characters of `text`, those that do not print (or change direction) as `\u{…}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(MAX_NAME) {
        let odd = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if character.is_control() || odd {
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    if text.chars().nth(MAX_NAME).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_or_odd_names_are_cut_and_spelt_out() {
        assert_eq!(printable("a\u{0}b\u{202e}"), "a\\u{0}b\\u{202e}");
        assert_eq!(printable(&"x".repeat(65)).chars().count(), 65);
        assert!(printable(&"x".repeat(65)).ends_with('…'));
    }
}

//! The limits of all checks: the number of violations, and the length of the names from clients that
//! violations repeat.

use std::fmt::Write as _;

/// The largest number of violations that are collected for one value. A response lists 100; one more
/// shows that there are others.
pub const MAX_VIOLATIONS: usize = 101;

/// The largest number of characters that a violation repeats of a name from a client.
const MAX_NAME: usize = 64;

/// The JSON pointer (RFC 6901) of the property `name` in the value at `parent`. The name is made
/// [`printable`], since the client chose it.
pub(super) fn child_pointer(parent: &str, name: &str) -> String {
    format!(
        "{parent}/{}",
        printable(name).replace('~', "~0").replace('/', "~1")
    )
}

/// The first 64 characters of `text`. Control characters, invisible ones and those that change the
/// direction of text are written as `\u{…}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(MAX_NAME) {
        let is_invisible = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if character.is_control() || is_invisible {
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
    fn long_names_are_cut_and_invisible_characters_are_escaped() {
        assert_eq!(printable("a\u{0}b\u{202e}"), "a\\u{0}b\\u{202e}");
        assert_eq!(printable(&"x".repeat(65)).chars().count(), 65);
        assert!(printable(&"x".repeat(65)).ends_with('…'));
    }
}

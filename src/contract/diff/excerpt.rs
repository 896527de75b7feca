//! Excerpts of long texts for reports.
//!
//! Imports nothing else of the crate.

/// Texts with more characters are cut to this many.
const SHOWN: usize = 120;

/// The beginning of a text.
pub(in crate::contract) fn beginning(text: &str) -> String {
    around(text, 0)
}

/// Excerpts of two texts around the first character at which they differ.
pub(in crate::contract) fn around_difference(one: &str, other: &str) -> (String, String) {
    let pairs = one.chars().zip(other.chars());
    let same = pairs.take_while(|(a, b)| a == b).count();
    (around(one, same), around(other, same))
}

/// The excerpt of a text around the character at `index`. A third of it precedes that character.
fn around(text: &str, index: usize) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let start = index.saturating_sub(SHOWN / 3).min(length - SHOWN);
    let shown: String = text.chars().skip(start).take(SHOWN).collect();
    let before = if start > 0 { "…" } else { "" };
    let after = if start + SHOWN < length { "…" } else { "" };
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_not_cut() {
        assert_eq!(beginning("short"), "short");
        assert_eq!(
            around_difference("one", ""),
            ("one".to_owned(), String::new())
        );
    }

    #[test]
    fn long_texts_are_cut_around_the_first_difference() {
        let (before, after) = ("é".repeat(200), "ü".repeat(200));
        let (one, other) =
            around_difference(&format!("{before}1{after}"), &format!("{before}2{after}"));
        assert_eq!(one, format!("…{}1{}…", "é".repeat(40), "ü".repeat(79)));
        assert_eq!(other, one.replace('1', "2"));
    }

    #[test]
    fn an_excerpt_near_an_end_of_the_text_is_as_long_as_any_other() {
        let long = "x".repeat(200);
        let (one, other) = around_difference(&format!("{long}1"), &format!("2{long}"));
        assert_eq!(one, format!("{}…", "x".repeat(120)));
        assert_eq!(other, format!("2{}…", "x".repeat(119)));
        let (one, other) = around_difference(&format!("{long}1"), &long);
        assert_eq!(one, format!("…{}1", "x".repeat(119)));
        assert_eq!(other, format!("…{}", "x".repeat(120)));
    }
}

//! Long texts, cut so that what matters can be seen.
//!
//! Imports nothing of ours.

/// Longer texts are cut to about this many characters.
const SHOWN: usize = 120;

/// The start of a text.
pub(in crate::contract) fn start(text: &str) -> String {
    around(text, 0)
}

/// Two texts, both cut around the first character at which they differ.
pub(in crate::contract) fn both(one: &str, other: &str) -> (String, String) {
    let pairs = one.chars().zip(other.chars());
    let same = pairs.take_while(|(a, b)| a == b).count();
    (around(one, same), around(other, same))
}

/// The part of a text around the character with this index, a third of it before that character.
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
    fn a_short_text_stays_whole() {
        assert_eq!(start("short"), "short");
        assert_eq!(both("one", ""), ("one".to_owned(), String::new()));
    }

    #[test]
    fn long_texts_are_cut_around_the_first_difference() {
        let (before, after) = ("é".repeat(200), "ü".repeat(200));
        let (one, other) = both(&format!("{before}1{after}"), &format!("{before}2{after}"));
        assert_eq!(one, format!("…{}1{}…", "é".repeat(40), "ü".repeat(79)));
        assert_eq!(other, one.replace('1', "2"));
    }

    #[test]
    fn a_difference_near_an_end_is_shown_with_as_much_of_the_other_side() {
        let long = "x".repeat(200);
        let (one, other) = both(&format!("{long}1"), &format!("2{long}"));
        assert_eq!(one, format!("{}…", "x".repeat(120)));
        assert_eq!(other, format!("2{}…", "x".repeat(119)));
        let (one, other) = both(&format!("{long}1"), &long);
        assert_eq!(one, format!("…{}1", "x".repeat(119)));
        assert_eq!(other, format!("…{}", "x".repeat(120)));
    }
}

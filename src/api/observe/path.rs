//! The path of a request for the log.

use std::borrow::Cow;

/// The largest number of bytes of a path that are logged.
const MAX_PATH: usize = 512;

/// The beginning of a path for the log. A path with other characters than ASCII is escaped, since
/// these could control a terminal.
pub(super) fn printable_path(path: &str) -> Cow<'_, str> {
    let is_cut = path.len() > MAX_PATH;
    let path = &path[..path.floor_char_boundary(MAX_PATH)];
    match (path.is_ascii(), is_cut) {
        (true, false) => path.into(),
        (true, true) => format!("{path}…").into(),
        (false, _) => {
            let escaped = path.escape_debug().to_string();
            let end = escaped.floor_char_boundary(MAX_PATH);
            format!(
                "{}{}",
                &escaped[..end],
                if is_cut || end < escaped.len() {
                    "…"
                } else {
                    ""
                }
            )
            .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_when_it_is_longer_than_the_limit() {
        let longest = "a".repeat(MAX_PATH);
        assert_eq!(printable_path(&longest), longest);
        assert_eq!(
            printable_path(&format!("{longest}a")),
            format!("{longest}…")
        );
    }
}

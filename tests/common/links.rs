//! The check of the header `Link`: its links lead to the existing pages, with all parameters.

use std::collections::BTreeSet;

use serde_json::Value;

use super::wire::Sent;

/// The violations in a value of `Link`, which must have the links `first`, `prev`, `next` and `last` to the
/// existing pages, each with all parameters.
pub fn violations(value: &str, sent: &Sent, pagination: &Value) -> Vec<String> {
    let number = |name: &str| pagination[name].as_i64().unwrap_or_default();
    let (page, limit, total) = (number("page"), number("limit"), number("total"));
    let last = ((total + limit - 1) / limit).max(1);
    let mut expected = vec![("first", 1), ("last", last)];
    if page < last {
        expected.push(("next", page + 1));
    }
    if page > 1 {
        // Past the end, the previous page is the last one that has rows.
        expected.push(("prev", (page - 1).min(last)));
    }
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for link in value.split(", ") {
        let parts = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix('"'))
            .and_then(|link| link.split_once(">; rel=\""));
        let Some((reference, relation)) = parts else {
            found.push(format!("Link: `{link}` is not a link"));
            continue;
        };
        let linked = Sent::new("GET", reference, &[], b"");
        let query = linked.query();
        let kept = |query: &[(&str, &str)]| -> BTreeSet<(String, String)> {
            let pairs = query
                .iter()
                .map(|(name, value)| (decoded(name), decoded(value)));
            pairs
                .filter(|(name, _)| !["page", "limit"].contains(&name.as_str()))
                .collect()
        };
        let value = |name| {
            query
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        };
        let has_limit = value("limit").map_or(limit == 10, |text| text == limit.to_string());
        if !reference.starts_with('?') || kept(&query) != kept(&sent.query()) || !has_limit {
            found.push(format!("Link: `{link}` leads to another list"));
        }
        let linked_page = value("page").and_then(|page| page.parse().ok());
        seen.push((relation, linked_page.unwrap_or(0)));
    }
    seen.sort_unstable();
    expected.sort_unstable();
    if seen != expected {
        found.push(format!("Link: {seen:?} instead of {expected:?}"));
    }
    found
}

/// A name or value of a query, decoded.
fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let bytes = percent_encoding::percent_decode_str(&spaced);
    bytes.decode_utf8_lossy().into_owned()
}

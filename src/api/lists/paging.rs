//! Pages of lists: what `page` and `limit` mean, which parameters need one of them, and the headers
//! that lead from a page to the others.
//!
//! Imports `db` for the type of a page, `contract` for the pairs of a query, and `error`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::Response;
use poem::http::HeaderValue;

use crate::contract::query_pairs;
use crate::db::Page;
use crate::error::{Place, Violation};

use super::super::types::Id;

/// The parameters that ask for a page. Where only one of them is given, the other is as
/// [`DEFAULTS`] says.
pub(in crate::api) const PARAMETERS: [&str; 2] = ["page", "limit"];

/// The value of each parameter that is absent while the other one is given.
pub(in crate::api) const DEFAULTS: [(&str, i32); 2] = [("page", 1), ("limit", 10)];

/// The parameters (operation, name, values) that need `page` or `limit` beside them, since the rows
/// of a whole list so filtered or ordered may all have to be read and sorted. No values are any.
pub(in crate::api) const NEEDED: [(&str, &str, &[&str]); 3] = [
    ("listUsers", "q", &[]),
    ("listProducts", "q", &[]),
    ("listProducts", "sort", &["title", "-title"]),
];

/// The longest `Link` in bytes. Clients and proxies refuse a response whose headers are longer than
/// they expect, 16 KiB in all or less.
pub(in crate::api) const MAX_LINKS: usize = 4096;

/// What a query component keeps as it is (RFC 3986, 2.3); all else is percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Whether `name`, sent with this value, needs a page.
pub(in crate::api) fn is_needed(operation: &str, name: &str, value: &str) -> bool {
    NEEDED.iter().any(|(id, parameter, values)| {
        *id == operation && *parameter == name && (values.is_empty() || values.contains(&value))
    })
}

/// Names each parameter of a query that needs a page where the query asks for none.
pub(in crate::api) fn violations(operation: &str, query: &str) -> Vec<Violation> {
    let mut unpaged: Vec<String> = Vec::new();
    for pair in query_pairs(query) {
        let name = pair.name.unwrap_or_default();
        if PARAMETERS.contains(&&*name) {
            return Vec::new();
        }
        let value = pair.value.unwrap_or_default();
        if is_needed(operation, &name, &value) && !unpaged.iter().any(|known| *known == name) {
            unpaged.push(name.into_owned());
        }
    }
    let problem = "needs `page` or `limit` beside it";
    let unpaged = unpaged.into_iter();
    unpaged
        .map(|name| Violation::new(Place::Query, name, problem))
        .collect()
}

/// The page that a list's parameters ask for; `None` when there are none.
pub(in crate::api) fn page(number: Option<Id>, size: Option<i32>) -> Option<Page> {
    let [(_, first), (_, default_size)] = DEFAULTS;
    (number.is_some() || size.is_some()).then(|| Page {
        number: number.map_or(first, |number| number.0),
        size: size.unwrap_or(default_size),
    })
}

/// A page, and how many rows its list has.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Paged {
    pub page: Page,
    pub total: i64,
}

/// Adds the headers `Link` and `X-Total-Count` to a page, which was asked for with this query.
pub(super) fn add_links(response: &mut Response, paged: Paged, query: &str) {
    let headers = response.headers_mut();
    headers.insert("x-total-count", paged.total.into());
    let links = links(paged, query);
    if links.len() <= MAX_LINKS
        && let Ok(links) = HeaderValue::try_from(links)
    {
        headers.insert("link", links);
    }
}

/// The links (RFC 8288) to the first, previous, next and last page: references relative to the
/// request's URL, with all its other parameters.
fn links(Paged { page, total }: Paged, query: &str) -> String {
    let last = last_page(page.size, total);
    let number = i64::from(page.number);
    let targets = [
        ("first", Some(1)),
        ("prev", (number > 1).then(|| last.min(number - 1))),
        ("next", (number < last).then_some(number + 1)),
        ("last", Some(last)),
    ];
    let others = other_parameters(query);
    let links = targets.into_iter().filter_map(|(relation, target)| {
        let (number, size) = (target?, page.size);
        Some(format!(
            "<?{others}page={number}&limit={size}>; rel=\"{relation}\""
        ))
    });
    links.collect::<Vec<_>>().join(", ")
}

/// The last page that has a row; the first when there is none. A page past the largest `int32`
/// cannot be asked for.
fn last_page(size: i32, total: i64) -> i64 {
    let size = i64::from(size);
    (total.max(1) + size - 1)
        .div_euclid(size)
        .min(i32::MAX.into())
}

/// The query without `page` and `limit`, encoded anew and followed by `&` if it is not empty: what a
/// client sends is not all allowed in a header.
fn other_parameters(query: &str) -> String {
    let mut others = String::new();
    for pair in query_pairs(query) {
        let (Some(name), Some(value)) = (pair.name, pair.value) else {
            continue;
        };
        if !PARAMETERS.contains(&&*name) {
            let encoded = |text| utf8_percent_encode(text, ENCODED).to_string();
            others.extend([&encoded(&name), "=", &encoded(&value), "&"]);
        }
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: i32, size: i32, total: i64, query: &str) -> String {
        let page = Page { number, size };
        links(Paged { page, total }, query)
    }

    #[test]
    fn a_page_links_to_the_others_that_there_are() {
        let first = r#"<?page=1&limit=10>; rel="first""#;
        let last = r#"<?page=3&limit=10>; rel="last""#;
        let next = |number| format!(r#"<?page={number}&limit=10>; rel="next""#);
        let prev = |number| format!(r#"<?page={number}&limit=10>; rel="prev""#);
        let links = |number| of(number, 10, 21, "");
        assert_eq!(links(1), format!("{first}, {}, {last}", next(2)));
        assert_eq!(
            links(2),
            format!("{first}, {}, {}, {last}", prev(1), next(3))
        );
        assert_eq!(links(3), format!("{first}, {}, {last}", prev(2)));
        assert_eq!(
            links(9),
            format!("{first}, {}, {last}", prev(3)),
            "past the end"
        );
        let only = r#"<?page=1&limit=10>; rel="first", <?page=1&limit=10>; rel="last""#;
        for total in [0, 1, 10] {
            assert_eq!(of(1, 10, total, ""), only);
        }
        let far = of(i32::MAX, 1, 5_000_000_000, "");
        assert!(!far.contains("next"), "no page follows it: {far}");
    }

    #[test]
    fn links_keep_the_other_parameters() {
        let query = "limit=2&q=a+b%3E%2C%22%C3%A9&page=1&sort=-title&";
        let link = of(1, 2, 1, query);
        let expected = "<?q=a%20b%3E%2C%22%C3%A9&sort=-title&page=1&limit=2>";
        assert!(link.starts_with(expected), "{link}");
    }

    #[test]
    fn some_parameters_need_a_page() {
        assert!(is_needed("listUsers", "q", "anything"));
        assert!(is_needed("listProducts", "sort", "-title"));
        assert!(!is_needed("listProducts", "sort", "-id"));
        assert!(!is_needed("listUsers", "sort", "email"));
    }
}

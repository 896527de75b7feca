//! The parameters `page` and `limit`, the parameters that are accepted only together with one of them,
//! and the headers of a page (`Link` and `X-Total-Count`).
//!
//! Imports `db` for the type of a page, `contract` for the pairs of a query, and `error`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::Response;
use poem::http::HeaderValue;

use crate::contract::query_pairs;
use crate::db::Page;
use crate::violation::{Place, Violation};

use super::super::types::Id;

/// The parameters that request a page. When only one is present, the other has its value in
/// [`DEFAULTS`].
pub(in crate::api) const PARAMETERS: [&str; 2] = ["page", "limit"];

/// The value of each paging parameter when it is absent and the other one is present.
pub(in crate::api) const DEFAULTS: [(&str, i32); 2] = [("page", 1), ("limit", 10)];

/// The parameters that are accepted only together with `page` or `limit`: operation, name and values. An
/// empty list of values stands for all values. For a whole list with such a filter or order, the
/// database might have to read and sort the whole table.
pub(in crate::api) const NEEDED: [(&str, &str, &[&str]); 3] = [
    ("listUsers", "q", &[]),
    ("listProducts", "q", &[]),
    ("listProducts", "sort", &["title", "-title"]),
];

/// The longest value of `Link`, in bytes. Some clients and proxies reject a response with more than
/// 16 KiB of headers, some with less.
pub(in crate::api) const MAX_LINKS: usize = 4096;

/// The characters that are percent-encoded: all but the unreserved ones (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Whether the parameter `name` with this value is accepted only together with a paging parameter.
pub(in crate::api) fn needs_page(operation: &str, name: &str, value: &str) -> bool {
    NEEDED.iter().any(|(id, parameter, values)| {
        *id == operation && *parameter == name && (values.is_empty() || values.contains(&value))
    })
}

/// The violations of a query without `page` and `limit`: one for each parameter that needs them.
pub(in crate::api) fn violations(operation: &str, query: &str) -> Vec<Violation> {
    let mut unpaged: Vec<String> = Vec::new();
    for pair in query_pairs(query) {
        let name = pair.name.unwrap_or_default();
        if PARAMETERS.contains(&&*name) {
            return Vec::new();
        }
        let value = pair.value.unwrap_or_default();
        if needs_page(operation, &name, &value) && !unpaged.iter().any(|known| *known == name) {
            unpaged.push(name.into_owned());
        }
    }
    let problem = "needs `page` or `limit` beside it";
    let unpaged = unpaged.into_iter();
    unpaged
        .map(|name| Violation::new(Place::Query, name, problem))
        .collect()
}

/// The page that the values of `page` and `limit` request; `None` when both are absent.
pub(in crate::api) fn page(number: Option<Id>, size: Option<i32>) -> Option<Page> {
    let [(_, first), (_, default_size)] = DEFAULTS;
    (number.is_some() || size.is_some()).then(|| Page {
        number: number.map_or(first, |number| number.0),
        size: size.unwrap_or(default_size),
    })
}

/// A page, and the number of rows of its list.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Paged {
    pub page: Page,
    pub total: i64,
}

/// Adds the headers `Link` and `X-Total-Count` to the response with a page. `query` is that of the
/// request.
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

/// The value of `Link` (RFC 8288) with the first, previous, next and last page. The links are relative
/// to the URL of the request and keep its other parameters.
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

/// The number of the last page that has a row; 1 for an empty list. Numbers above the largest `int32` are
/// not valid and never occur.
fn last_page(size: i32, total: i64) -> i64 {
    let size = i64::from(size);
    (total.max(1) + size - 1)
        .div_euclid(size)
        .min(i32::MAX.into())
}

/// The parameters of a query except `page` and `limit`, each followed by `&`. They are encoded again,
/// since a query may contain characters that are not allowed in a header.
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

    fn links_of(number: i32, size: i32, total: i64, query: &str) -> String {
        let page = Page { number, size };
        links(Paged { page, total }, query)
    }

    #[test]
    fn a_page_links_to_the_pages_that_exist() {
        let first = r#"<?page=1&limit=10>; rel="first""#;
        let last = r#"<?page=3&limit=10>; rel="last""#;
        let next = |number| format!(r#"<?page={number}&limit=10>; rel="next""#);
        let prev = |number| format!(r#"<?page={number}&limit=10>; rel="prev""#);
        let links = |number| links_of(number, 10, 21, "");
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
            assert_eq!(links_of(1, 10, total, ""), only);
        }
        let far = links_of(i32::MAX, 1, 5_000_000_000, "");
        assert!(!far.contains("next"), "a page with a larger number: {far}");
    }

    #[test]
    fn links_keep_the_other_parameters() {
        let query = "limit=2&q=a+b%3E%2C%22%C3%A9&page=1&sort=-title&";
        let link = links_of(1, 2, 1, query);
        let expected = "<?q=a%20b%3E%2C%22%C3%A9&sort=-title&page=1&limit=2>";
        assert!(link.starts_with(expected), "{link}");
    }

    #[test]
    fn some_parameters_need_a_page() {
        assert!(needs_page("listUsers", "q", "anything"));
        assert!(needs_page("listProducts", "sort", "-title"));
        assert!(!needs_page("listProducts", "sort", "-id"));
        assert!(!needs_page("listUsers", "sort", "email"));
    }
}

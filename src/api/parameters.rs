//! Checks the parameters of a request against the contract: those in the path, query and headers.

use poem::Request;
use poem::http::HeaderValue;

use crate::contract::Operation;
use crate::violation::{Place, Violation};

use super::lists::paging;

/// Replaces each header parameter by one line of ASCII. Several lines with the same name are one list
/// (RFC 9110, 5.3), but poem-openapi reads only the first line. It also treats a line with bytes
/// outside of ASCII as absent, so that such an `If-Match` would not prevent an update. These bytes are
/// replaced by spaces, which no tag and no idempotency key has.
fn join_headers(operation: &'static Operation, request: &mut Request) {
    for name in header_names(operation) {
        let lines = request.headers().get_all(name).iter();
        let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
        if lines.is_empty() || (lines.len() == 1 && lines[0].is_ascii()) {
            continue;
        }
        let mut line = lines.join(&b", "[..]);
        line.iter_mut()
            .filter(|byte| !byte.is_ascii())
            .for_each(|byte| *byte = b' ');
        if let Ok(line) = HeaderValue::from_bytes(&line) {
            request.headers_mut().insert(name, line);
        }
    }
}

fn header_names(operation: &'static Operation) -> impl Iterator<Item = &'static str> {
    let parameters = operation.parameters.iter();
    let headers = parameters.filter(|parameter| parameter.place == Place::Header);
    headers.map(|parameter| parameter.name.as_str())
}

/// All violations in the parameters of a request to `operation`. Afterwards each header parameter of
/// the request is one line of ASCII.
pub(super) fn check(operation: &'static Operation, request: &mut Request) -> Vec<Violation> {
    join_headers(operation, request);
    let query = request.uri().query().unwrap_or_default();
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap_or_default())
    };
    let mut violations = operation.parameter_violations(request.uri().path(), query, header);
    violations.extend(paging::violations(&operation.id, query));
    violations
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use poem::http::Uri;

    use super::*;
    use crate::api::contracts;

    fn violations(method: &str, uri: &str) -> Vec<String> {
        let uri: Uri = uri.parse().unwrap();
        let operation = contracts::find(method, uri.path()).unwrap();
        let mut request = Request::builder().uri(uri).finish();
        let violations = check(operation, &mut request).into_iter();
        let lines =
            violations.map(|violation| format!("{} {}", violation.field, violation.message));
        lines.collect()
    }

    #[test]
    fn every_violation_of_every_parameter_is_reported() {
        assert!(violations("GET", "/api/users/7/cart?page=2&limit=%31%30").is_empty());
        assert!(violations("GET", "/api/users?").is_empty());
        assert_eq!(
            violations(
                "GET",
                "/api/users/0/cart?page=0&limit=1001&limt=3&page=1&%00=&a%zz=1&limit=%ff"
            ),
            [
                "id must be a whole number from 1 to 2147483647",
                "page must be a whole number from 1 to 2147483647",
                "limit must be a whole number from 1 to 1000",
                "limt is not a known query parameter",
                "page is there twice",
                "\\u{0} is not a known query parameter",
                "a%zz has a broken percent-encoding",
                "limit is there twice",
            ]
        );
        assert_eq!(
            violations("DELETE", "/api/cart/user/%zz"),
            ["user_id has a broken percent-encoding"]
        );
        assert_eq!(
            violations("DELETE", "/api/cart/1?page=1"),
            ["page is not a known query parameter"]
        );
    }

    #[test]
    fn a_header_of_several_lines_is_checked_as_one() {
        let operation = contracts::find("DELETE", "/api/cart/1").unwrap();
        let check = |lines: &[&[u8]]| {
            let mut request = Request::builder()
                .uri(Uri::from_static("/api/cart/1"))
                .finish();
            for line in lines {
                let line = HeaderValue::from_bytes(line).unwrap();
                request.headers_mut().append("if-match", line);
            }
            let violations = super::check(operation, &mut request);
            let joined = request.header("if-match").map(str::to_owned);
            violations.is_empty().then_some(joined)
        };
        assert_eq!(check(&[]), Some(None));
        let both = Some(Some("\"a\", W/\"b\"".to_owned()));
        assert_eq!(check(&[b"\"a\"", b"W/\"b\""]), both);
        let replaced = Some(Some("*, \" \"".to_owned()));
        assert_eq!(check(&[b"*", b"\"\xff\""]), replaced);
        assert_eq!(check(&[b"\xff"]), Some(Some(" ".to_owned())));
        let is_key = |line: &[u8]| {
            let mut request = Request::builder()
                .uri(Uri::from_static("/api/cart"))
                .finish();
            let line = HeaderValue::from_bytes(line).unwrap();
            request.headers_mut().insert("idempotency-key", line);
            let operation = contracts::find("POST", "/api/cart").unwrap();
            super::check(operation, &mut request).is_empty()
        };
        assert!(is_key(b"a"));
        assert!(!is_key(b"\xff") && !is_key(b"\xffa") && !is_key(b"a\xc3\xa9"));
        let long = [b'a'; 1025];
        assert_eq!(check(&[&long]), None);
    }
}

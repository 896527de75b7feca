//! The parameters of a request, checked against the contract: each one, in path, query and headers.

use percent_encoding::percent_decode_str;
use poem::Request;
use poem::http::HeaderValue;

use crate::contract::{Operation, Parameter};
use crate::error::{Place, Violation};

use super::lists::paging;

/// Makes each header parameter one line of ASCII. Several lines are one list (RFC 9110, 5.3), of
/// which the framework would read only the first; and it would take a line with other bytes for
/// absent, so that a condition would not hold anything back.
fn join_headers(operation: &Operation, request: &mut Request) {
    for name in header_names(operation) {
        let lines = request.headers().get_all(name).iter();
        let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
        if lines.is_empty() || (lines.len() == 1 && lines[0].is_ascii()) {
            continue;
        }
        let mut line = lines.join(&b", "[..]);
        line.iter_mut()
            .filter(|byte| !byte.is_ascii())
            .for_each(|byte| *byte = b'?');
        if let Ok(line) = HeaderValue::from_bytes(&line) {
            request.headers_mut().insert(name, line);
        }
    }
}

fn header_names(operation: &Operation) -> impl Iterator<Item = &'static str> {
    let parameters = operation.parameters.iter();
    let headers = parameters.filter(|parameter| parameter.place == Place::Header);
    headers.map(|parameter| parameter.name)
}

/// Everything that is wrong with the parameters of a request to `operation`, in path, query and
/// headers. Each of its header parameters is one line of ASCII then.
pub(super) fn check(operation: &Operation, request: &mut Request) -> Vec<Violation> {
    join_headers(operation, request);
    let mut violations = Vec::new();
    let segments = operation
        .path
        .split('/')
        .zip(request.uri().path().split('/'));
    for (placeholder, text) in segments.filter(|(segment, _)| segment.starts_with('{')) {
        let name = placeholder.trim_matches(['{', '}']);
        if let Some(parameter) = operation
            .parameters
            .iter()
            .find(|parameter| parameter.place == Place::Path && parameter.name == name)
        {
            violations.extend(violation(parameter, text));
        }
    }
    let (mut seen, mut unpaged) = (Vec::new(), Vec::new());
    for pair in request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = decode(name) else {
            violations.push(Violation::new(
                Place::Query,
                shown(name),
                "has a broken percent-encoding",
            ));
            continue;
        };
        let known = operation
            .parameters
            .iter()
            .find(|parameter| parameter.place == Place::Query && parameter.name == name);
        match known {
            None => violations.push(Violation::new(
                Place::Query,
                shown(&name),
                "is not a known query parameter",
            )),
            Some(parameter) if seen.contains(&parameter.name) => {
                violations.push(Violation::new(
                    Place::Query,
                    parameter.name,
                    "is there twice",
                ));
            }
            Some(parameter) => {
                seen.push(parameter.name);
                violations.extend(violation(parameter, text));
                let value = decode(text).unwrap_or_default();
                if paging::is_needed(operation.id, parameter.name, &value) {
                    unpaged.push(parameter.name);
                }
            }
        }
    }
    if !seen.iter().any(|name| paging::PARAMETERS.contains(name)) {
        let problem = "needs `page` or `limit` beside it";
        let unpaged = unpaged.into_iter();
        violations.extend(unpaged.map(|name| Violation::new(Place::Query, name, problem)));
    }
    for parameter in &operation.parameters {
        if parameter.place == Place::Header
            && let Some(value) = request.headers().get(parameter.name)
        {
            violations.extend(parameter.violation(value.to_str().unwrap_or_default()));
        }
    }
    violations
}

fn violation(parameter: &Parameter, text: &str) -> Option<Violation> {
    match decode(text) {
        Some(text) => parameter.violation(&text),
        None => Some(Violation::new(
            parameter.place,
            parameter.name,
            "has a broken percent-encoding",
        )),
    }
}

/// A percent-encoded name or value; `None` when an escape is not two hexadecimal digits or the
/// bytes are not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let escapes = text.split('%').skip(1);
    let whole = |escape: &str| {
        escape.len() >= 2 && escape.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
    };
    if !escapes.into_iter().all(whole) {
        return None;
    }
    let plus_is_space = text.replace('+', " ");
    percent_decode_str(&plus_is_space)
        .decode_utf8()
        .ok()
        .map(Into::into)
}

/// A name that the client chose, as it may be repeated to it.
fn shown(name: &str) -> String {
    crate::contract::printable(name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use poem::http::Uri;

    use super::*;
    use crate::contract;

    fn violations(method: &str, uri: &str) -> Vec<String> {
        let uri: Uri = uri.parse().unwrap();
        let operation = contract::find(method, uri.path()).unwrap();
        let mut request = Request::builder().uri(uri).finish();
        let violations = check(operation, &mut request).into_iter();
        let lines =
            violations.map(|violation| format!("{} {}", violation.field, violation.message));
        lines.collect()
    }

    #[test]
    fn every_parameter_is_checked_and_every_violation_named() {
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
    fn a_header_that_came_in_several_lines_is_checked_as_one() {
        let operation = contract::find("DELETE", "/api/cart/1").unwrap();
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
        let replaced = Some(Some("*, \"?\"".to_owned()));
        assert_eq!(check(&[b"*", b"\"\xff\""]), replaced);
        assert_eq!(check(&[b"\xff"]), Some(Some("?".to_owned())));
        let long = [b'a'; 1025];
        assert_eq!(check(&[&long]), None);
    }
}

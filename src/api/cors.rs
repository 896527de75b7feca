//! CORS: which web pages of other origins may call the API from a browser.
//!
//! `Access-Control-Allow-Credentials` is never sent. A page adds the access token to its requests itself, so
//! a browser sends nothing of the user that the page does not have, and `*` as the origin is safe.
//!
//! Imports nothing else of the crate.

use std::str::FromStr;

use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

/// The methods and headers that a page may send.
const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id",
);
/// The response headers that a page may read, beside the few that browsers always expose.
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "Allow, ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, \
     WWW-Authenticate, X-Request-Id, X-Total-Count",
);
/// The number of seconds for which a browser may cache the response to a preflight request.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may call the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Every origin.
    Any,
    /// These origins (`https://shop.example`).
    Origins(Vec<HeaderValue>),
}

impl FromStr for Cors {
    type Err = String;

    /// Parses `*`, or origins separated by commas. An empty text allows no origin.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let origins = text
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty());
        origins
            .map(origin)
            .collect::<Result<_, _>>()
            .map(Self::Origins)
    }
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let problem =
        || format!("`{text}` is not an origin: write `*` or, for example, https://shop.example");
    let url: url::Url = text.parse().map_err(|_| problem())?;
    if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != text {
        return Err(problem());
    }
    HeaderValue::from_str(text).map_err(|_| problem())
}

impl Cors {
    /// The value of `Vary`: the request headers on which responses depend.
    pub(super) fn vary(&self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Any => "Accept-Encoding",
            Self::Origins(_) => "Origin, Accept-Encoding",
        })
    }

    /// Adds the headers that allow a page of `origin`, the value of the request's `Origin`, to read the
    /// response.
    pub(super) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let allowed = match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Origins(origins) => origin.filter(|origin| origins.contains(origin)).cloned(),
        };
        if let Some(allowed) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
        }
    }
}

/// The response to a preflight request, without the headers that [`Cors::mark`] adds to every response;
/// `None` when `request` is not a preflight request.
pub(super) fn preflight(request: &Request) -> Option<Response> {
    let has_preflight_headers = request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && request.headers().contains_key(header::ORIGIN);
    (*request.method() == Method::OPTIONS && has_preflight_headers).then(|| {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS)
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS)
            .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)
            .finish()
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn origins_are_parsed_from_a_star_or_a_list() {
        assert_eq!("*".parse(), Ok(Cors::Any));
        assert_eq!("".parse(), Ok(Cors::Origins(Vec::new())));
        let two = vec![
            HeaderValue::from_static("https://a.example"),
            HeaderValue::from_static("http://b:81"),
        ];
        assert_eq!(
            "https://a.example, http://b:81".parse(),
            Ok(Cors::Origins(two))
        );
        for wrong in [
            "a.example",
            "https://a.example/",
            "https://a.example/path",
            "ftp://a",
            "null",
            "*,*",
        ] {
            assert!(wrong.parse::<Cors>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_preflight_request_is_options_with_origin_and_access_control_request_method() {
        let (origin, method) = (header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD);
        for (sent, headers, is_preflight) in [
            (Method::OPTIONS, vec![&origin, &method], true),
            (Method::OPTIONS, vec![&origin], false),
            (Method::OPTIONS, vec![&method], false),
            (Method::OPTIONS, vec![], false),
            (Method::PUT, vec![&origin, &method], false),
            (Method::PUT, vec![], false),
        ] {
            let request = Request::builder().method(sent.clone());
            let request = headers
                .iter()
                .fold(request, |request, name| request.header(*name, "x"));
            let response = preflight(&request.finish());
            assert_eq!(response.is_some(), is_preflight, "{sent} {headers:?}");
        }
    }

    #[test]
    fn no_origin_may_send_cookies() {
        for cors in [Cors::Any, "https://shop.example".parse().unwrap()] {
            let mut headers = HeaderMap::new();
            let origin = HeaderValue::from_static("https://shop.example");
            cors.mark(Some(&origin), &mut headers);
            assert!(headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        }
    }

    #[test]
    fn a_response_depends_on_the_origin_unless_every_origin_is_allowed() {
        let vary = |cors: &str| cors.parse::<Cors>().unwrap().vary();
        assert_eq!(vary("*"), "Accept-Encoding");
        for some in ["https://shop.example", ""] {
            assert_eq!(vary(some), "Origin, Accept-Encoding", "{some:?}");
        }
    }

    #[test]
    fn only_the_exact_origins_are_allowed() {
        let cors: Cors = "https://shop.example,http://localhost:3000"
            .parse()
            .unwrap();
        let allowed = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            cors.mark(Some(&HeaderValue::from_static(origin)), &mut headers);
            let exposed = headers.contains_key(header::ACCESS_CONTROL_EXPOSE_HEADERS);
            let allowed = headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(exposed, allowed.is_some(), "{origin}");
            allowed
        };
        for named in ["https://shop.example", "http://localhost:3000"] {
            assert_eq!(allowed(named), Some(HeaderValue::from_static(named)));
        }
        for other in [
            "https://shop.example.evil.test",
            "https://evil-shop.example",
            "https://a.shop.example",
            "https://shop.example:443",
            "https://shop.example:8443",
            "https://shop.exampl",
            "https://shopxexample",
            "https://SHOP.example",
            "https://shop.example/",
            "http://shop.example",
            "http://localhost",
            "http://localhost:30000",
            "https://localhost:3000",
            "https://shop.example,http://localhost:3000",
            "null",
            "*",
            "",
        ] {
            assert_eq!(allowed(other), None, "{other}");
        }
    }
}

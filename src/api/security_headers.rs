//! The headers that tell browsers not to do with a response what a response of this service is not for.
//!
//! Imports nothing else of the crate. They are those that OWASP's REST Security Cheat Sheet lists for
//! JSON, without `Permissions-Policy`, which means something only for pages. `Strict-Transport-Security`
//! is a matter of the server, which knows whether a connection is encrypted.

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

/// A response that is opened as a page loads nothing and stands in no frame.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

const OTHERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    // For browsers that do not know `frame-ancestors`.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    // Pages of other origins cannot embed a response, as a script or an image. Reading it with CORS, if
    // that is allowed, is not affected.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Adds the headers to those of a response. A response may have a content security policy of its own.
pub(super) fn add(headers: &mut HeaderMap) {
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(POLICY);
    for (name, value) in OTHERS {
        headers.insert(name, value);
    }
}

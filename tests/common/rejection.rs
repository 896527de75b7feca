//! The check of the response to a message that is not valid HTTP, and so has no operation and no path.

use serde_json::Value;

use super::headers::transfer_violations;
use super::wire::Received;

/// The headers of every response of the service, and the content type.
const HEADERS: [&str; 11] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "referrer-policy",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// The violations in the response to an invalid message.
pub fn violations(received: &Received) -> Vec<String> {
    let mut found = transfer_violations(&received.headers, &HEADERS);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("content-length", &received.body.len().to_string()),
    ] {
        if received.header(name) != Some(value) {
            found.push(format!("`{name}` is not `{value}`"));
        }
    }
    let id = received.header("x-request-id").unwrap_or_default();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        found.push(format!("`{id}` is not a request id"));
    }
    let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    if body["success"] != false
        || !is_text(&body["error"]["code"])
        || !is_text(&body["error"]["message"])
    {
        found.push(format!("body: is not an error envelope: {body}"));
    }
    found
}

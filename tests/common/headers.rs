//! The allow-list of response headers. A response may have a header only if the contract documents the
//! header for the operation and status, or if the condition of the header in [`TABLE`] holds.

use std::collections::BTreeSet;

use ecommerce_api::api::contracts;
use ecommerce_api::contract::{Contract, Operation};
use serde_json::Value;

use super::conformance::{Endpoint, Exchange};
use super::site::Page;

/// Whether a header with this value may be in a response.
type Condition = fn(&Exchange<'_>, &str) -> bool;

/// All headers that the contracts do not document.
const TABLE: [(&str, Condition); 23] = [
    // ── Transfer ──
    ("date", |_, _| true),
    ("connection", |_, value| {
        ["close", "keep-alive"].contains(&value)
    }),
    ("content-length", |exchange, value| {
        exchange.received.header("transfer-encoding").is_none()
            && ![204, 304].contains(&exchange.received.status)
            && (exchange.is_head()
                || !exchange.received.is_whole
                || value == exchange.received.length.to_string())
    }),
    ("transfer-encoding", |exchange, value| {
        value == "chunked" && !exchange.is_head() && ![204, 304].contains(&exchange.received.status)
    }),
    // ── Body ──
    ("content-type", |exchange, value| {
        exchange.content_type() == Some(value)
    }),
    ("content-encoding", |exchange, value| {
        let accepted = exchange.sent.header("accept-encoding").unwrap_or_default();
        let accepts_gzip = accepted.to_ascii_lowercase().contains("gzip");
        value == "gzip" && accepts_gzip && exchange.content_type().is_some()
    }),
    // ── Every response ──
    ("vary", |exchange, value| {
        // If any origin is allowed, the response does not depend on the origin.
        let any_origin = exchange.received.header("access-control-allow-origin") == Some("*");
        value
            == if any_origin {
                "Accept-Encoding"
            } else {
                "Origin, Accept-Encoding"
            }
    }),
    ("cache-control", |exchange, value| match exchange.endpoint {
        Endpoint::Page(Page { cache_control, .. }) if exchange.is_success() => {
            value == *cache_control
        }
        _ => value == "no-store",
    }),
    ("x-content-type-options", |_, value| value == "nosniff"),
    ("strict-transport-security", |exchange, value| {
        // Whether the client is a trusted proxy, the tests know.
        exchange.sent.header("x-forwarded-proto") == Some("https") && value.starts_with("max-age=")
    }),
    ("x-frame-options", |_, value| value == "DENY"),
    ("referrer-policy", |_, value| value == "no-referrer"),
    ("cross-origin-resource-policy", |_, value| {
        value == "same-origin"
    }),
    ("content-security-policy", |exchange, value| {
        let is_html = exchange
            .content_type()
            .is_some_and(|it| it.starts_with("text/html"));
        is_html == value.contains("style-src 'self'")
            && value.starts_with("default-src 'none'; ")
            && value.ends_with("frame-ancestors 'none'")
    }),
    ("x-request-id", |exchange, value| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_valid = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(plain);
        match exchange.sent.header("x-request-id").filter(is_valid) {
            Some(id) => value == id,
            None => value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
        }
    }),
    // ── CORS ──
    ("access-control-allow-origin", |exchange, value| {
        value == "*" || exchange.sent.header("origin") == Some(value)
    }),
    ("access-control-expose-headers", |exchange, value| {
        exchange
            .received
            .header("access-control-allow-origin")
            .is_some()
            && set(value) == exposed()
    }),
    ("access-control-allow-methods", |exchange, value| {
        exchange.is_preflight() && set(value) == methods()
    }),
    ("access-control-allow-headers", |exchange, value| {
        exchange.is_preflight() && set(value) == sendable()
    }),
    ("access-control-max-age", |exchange, value| {
        exchange.is_preflight() && value == "600"
    }),
    // ── Rate limits ──
    ("ratelimit", |exchange, value| {
        is_limit(value, &["r", "t"]) && exchange.received.header("ratelimit-policy").is_some()
    }),
    ("ratelimit-policy", |exchange, value| {
        let parameters = if value.contains(";qu=") {
            &["q", "qu", "w"][..]
        } else {
            &["q", "w"]
        };
        is_limit(value, parameters) && exchange.received.header("ratelimit").is_some()
    }),
    // ── Methods ──
    ("allow", |exchange, value| {
        let status = exchange.received.status;
        let is_options =
            exchange.sent.method == "OPTIONS" && status == 204 && !exchange.is_preflight();
        (status == 405 || is_options) && value == exchange.endpoint.methods().join(", ")
    }),
];

/// Whether a header value is the name of a limit with these parameters, such as `"login";r=9;t=6`.
fn is_limit(value: &str, parameters: &[&str]) -> bool {
    let mut parts = value.split(';');
    let name = parts.next().unwrap_or_default();
    let names = parts.map(|part| part.split_once('=').map_or("", |(name, _)| name));
    name.len() > 2
        && name.starts_with('"')
        && name.ends_with('"')
        && names.eq(parameters.iter().copied())
}

/// The headers of every response.
const ALWAYS: [&str; 8] = [
    "vary",
    "cache-control",
    "content-security-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// The headers that the HTTP server adds to the response of any application.
const TRANSFER: [&str; 4] = ["date", "connection", "content-length", "transfer-encoding"];

/// The violations in the headers of a response of the service.
pub fn violations(exchange: &Exchange<'_>) -> Vec<String> {
    let mut found = duplicates(&exchange.received.headers);
    let documented = exchange.documented_headers();
    for (name, value) in &exchange.received.headers {
        let in_table = TABLE.iter().find(|(known, _)| known == name);
        match in_table {
            Some((_, condition)) if !condition(exchange, value) => {
                found.push(format!("`{name}: {value}` is not allowed in this response"));
            }
            Some(_) => {}
            None if documented.contains(name) => {}
            None => found.push(format!("`{name}: {value}` is not documented")),
        }
    }
    let mut required = ALWAYS.to_vec();
    if exchange
        .received
        .header("access-control-allow-origin")
        .is_some()
    {
        required.push("access-control-expose-headers");
    }
    if exchange.is_preflight() {
        required.extend([
            "access-control-allow-methods",
            "access-control-allow-headers",
        ]);
    }
    if exchange.received.status == 405 {
        required.push("allow");
    }
    if exchange.received.status == 503 {
        required.push("retry-after");
    }
    if exchange.content_type().is_some() {
        required.push("content-type");
    }
    required.retain(|name| exchange.received.header(name).is_none());
    found.extend(required.iter().map(|name| format!("{name} is missing")));
    found
}

/// The violations in the headers of a response that hyper sends by itself, or that comes from another
/// application on the same server. Only the headers of a transfer and those in `others` may be present.
pub fn transfer_violations(headers: &[(String, String)], others: &[&str]) -> Vec<String> {
    let mut found = duplicates(headers);
    let known = |name: &str| TRANSFER.contains(&name) || others.contains(&name);
    let unexpected = headers.iter().filter(|(name, _)| !known(name));
    found.extend(unexpected.map(|(name, value)| format!("`{name}: {value}` is unexpected")));
    found
}

fn duplicates(headers: &[(String, String)]) -> Vec<String> {
    let names: BTreeSet<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let count = |name: &str| headers.iter().filter(|(known, _)| known == name).count();
    let twice = names.into_iter().filter(|name| count(name) > 1);
    twice
        .map(|name| format!("{name} is present twice"))
        .collect()
}

/// The elements of a comma-separated header value, in lower case.
fn set(value: &str) -> BTreeSet<String> {
    let elements = value.split(',').map(str::trim);
    elements.map(str::to_ascii_lowercase).collect()
}

/// The methods that a page of another origin must be allowed to use: those of the contracts.
pub fn methods() -> BTreeSet<String> {
    let methods = contracts::operations().map(|operation| operation.method.as_str());
    methods.map(str::to_ascii_lowercase).collect()
}

/// The request headers that a page of another origin must be allowed to send: the parameters of the
/// contracts, the access token and the content type.
pub fn sendable() -> BTreeSet<String> {
    let names = operations().flat_map(|(document, operation)| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(move |parameter| resolve(document, parameter));
        let headers = parameters.filter(|parameter| parameter["in"] == "header");
        headers.map(|header| header["name"].as_str().unwrap_or_default())
    });
    let mut names: BTreeSet<String> = names.map(str::to_ascii_lowercase).collect();
    names.extend(["authorization", "content-type"].map(str::to_owned));
    names
}

/// The response headers that a page of another origin must be able to read: those of the contracts, that
/// of a 405, and those of rate limits.
pub fn exposed() -> BTreeSet<String> {
    let headers = operations().flat_map(|(document, operation)| {
        let responses = entries(&operation["responses"]);
        responses.flat_map(move |(_, response)| entries(&resolve(document, response)["headers"]))
    });
    let mut names: BTreeSet<String> = headers.map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.extend(["allow", "ratelimit", "ratelimit-policy"].map(str::to_owned));
    names
}

/// Each operation of each contract, with the document of that contract.
fn operations() -> impl Iterator<Item = (&'static Value, &'static Value)> {
    let documents = contracts::contracts().iter();
    let documents = documents.map(|published| published.contract.document());
    documents.flat_map(|document| {
        let items = entries(&document["paths"]).flat_map(|(_, item)| entries(item));
        items.map(move |(_, operation)| (document, operation))
    })
}

fn entries(object: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// The target of a `$ref` in a document, or the value itself if it is not a reference.
pub fn resolve(document: &'static Value, value: &'static Value) -> &'static Value {
    let target = value["$ref"].as_str();
    let target = target.and_then(|target| document.pointer(target.trim_start_matches('#')));
    target.unwrap_or(value)
}

/// The document of the contract that an operation belongs to.
pub fn document_of(operation: &Operation) -> &'static Value {
    let mut contracts = contracts::contracts()
        .iter()
        .map(|published| &published.contract);
    let has_operation = |contract: &&Contract| {
        let mut operations = contract.operations().iter();
        operations.any(|known| std::ptr::eq(known, operation))
    };
    let contract = contracts.find(has_operation);
    contract.map_or(&Value::Null, Contract::document)
}

//! Response headers: an allow-list. A header is in a response because the contract documents it for
//! the operation and status, or because [`TABLE`] has it and its condition holds.

use std::collections::BTreeSet;

use ecommerce_api::api::contracts;
use ecommerce_api::contract::{Contract, Operation};
use serde_json::Value;

use super::conformance::{Answered, Endpoint};
use super::site::Page;

/// When a header beside the contract's may be in a response, and with which value.
type Condition = fn(&Answered<'_>, &str) -> bool;

/// Every header that no contract documents.
const TABLE: [(&str, Condition); 16] = [
    // ── Of the transfer ──
    ("date", |_, _| true),
    ("connection", |_, value| {
        ["close", "keep-alive"].contains(&value)
    }),
    ("content-length", |it, value| {
        it.received.header("transfer-encoding").is_none()
            && ![204, 304].contains(&it.received.status)
            && (it.is_head() || !it.received.is_whole || value == it.received.length.to_string())
    }),
    ("transfer-encoding", |it, value| {
        value == "chunked" && !it.is_head() && ![204, 304].contains(&it.received.status)
    }),
    // ── Of the body ──
    ("content-type", |it, value| it.content_type() == Some(value)),
    ("content-encoding", |it, value| {
        let accepted = it.sent.header("accept-encoding").unwrap_or_default();
        let accepts_gzip = accepted.to_ascii_lowercase().contains("gzip");
        value == "gzip" && accepts_gzip && it.content_type().is_some()
    }),
    // ── Of every response ──
    ("vary", |it, value| {
        // Where any origin may call, the response is the same for each of them.
        let any_origin = it.received.header("access-control-allow-origin") == Some("*");
        value
            == if any_origin {
                "Accept-Encoding"
            } else {
                "Origin, Accept-Encoding"
            }
    }),
    ("cache-control", |it, value| match it.endpoint {
        Endpoint::Page(Page { cache_control, .. }) if it.is_success() => value == *cache_control,
        _ => value == "no-store",
    }),
    ("x-content-type-options", |_, value| value == "nosniff"),
    ("x-request-id", |it, value| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_usable = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(plain);
        match it.sent.header("x-request-id").filter(is_usable) {
            Some(id) => value == id,
            None => value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
        }
    }),
    // ── Of CORS ──
    ("access-control-allow-origin", |it, value| {
        value == "*" || it.sent.header("origin") == Some(value)
    }),
    ("access-control-expose-headers", |it, value| {
        it.received.header("access-control-allow-origin").is_some() && set(value) == exposed()
    }),
    ("access-control-allow-methods", |it, value| {
        it.is_preflight() && set(value) == methods()
    }),
    ("access-control-allow-headers", |it, value| {
        it.is_preflight() && set(value) == sendable()
    }),
    ("access-control-max-age", |it, value| {
        it.is_preflight() && value == "600"
    }),
    // ── Of a method ──
    ("allow", |it, value| {
        let status = it.received.status;
        let is_asked = it.sent.method == "OPTIONS" && status == 204 && !it.is_preflight();
        (status == 405 || is_asked) && value == it.endpoint.methods().join(", ")
    }),
];

/// In every response.
const ALWAYS: [&str; 4] = [
    "vary",
    "cache-control",
    "x-content-type-options",
    "x-request-id",
];

/// What the server itself puts on a response, whatever the application is.
const TRANSFER: [&str; 4] = ["date", "connection", "content-length", "transfer-encoding"];

/// Everything that is wrong with the headers of a response.
pub fn violations(it: &Answered<'_>) -> Vec<String> {
    let mut found = duplicates(&it.received.headers);
    let documented = it.documented_headers();
    for (name, value) in &it.received.headers {
        let in_table = TABLE.iter().find(|(known, _)| known == name);
        match in_table {
            Some((_, condition)) if !condition(it, value) => {
                found.push(format!("`{name}: {value}` does not belong here"));
            }
            Some(_) => {}
            None if documented.contains(name) => {}
            None => found.push(format!("`{name}: {value}` is documented nowhere")),
        }
    }
    let mut required = ALWAYS.to_vec();
    if it.received.header("access-control-allow-origin").is_some() {
        required.push("access-control-expose-headers");
    }
    if it.is_preflight() {
        required.extend([
            "access-control-allow-methods",
            "access-control-allow-headers",
        ]);
    }
    if it.received.status == 405 {
        required.push("allow");
    }
    if it.received.status == 503 {
        required.push("retry-after");
    }
    if it.content_type().is_some() {
        required.push("content-type");
    }
    required.retain(|name| it.received.header(name).is_none());
    found.extend(required.iter().map(|name| format!("{name} is missing")));
    found
}

/// Everything that is wrong with a response that no request of the application was answered with:
/// what hyper refuses by itself, or what another application sends through the server.
pub fn transfer_violations(headers: &[(String, String)], others: &[&str]) -> Vec<String> {
    let mut found = duplicates(headers);
    let known = |name: &str| TRANSFER.contains(&name) || others.contains(&name);
    let strange = headers.iter().filter(|(name, _)| !known(name));
    found.extend(strange.map(|(name, value)| format!("`{name}: {value}` is unexpected")));
    found
}

fn duplicates(headers: &[(String, String)]) -> Vec<String> {
    let names: BTreeSet<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let count = |name: &str| headers.iter().filter(|(known, _)| known == name).count();
    let twice = names.into_iter().filter(|name| count(name) > 1);
    twice.map(|name| format!("{name} is there twice")).collect()
}

/// The elements of a list in a header, in lower case.
fn set(value: &str) -> BTreeSet<String> {
    let elements = value.split(',').map(str::trim);
    elements.map(str::to_ascii_lowercase).collect()
}

/// What a page of another origin has to be allowed to send: the contract's methods but for those
/// that need no permission.
pub fn methods() -> BTreeSet<String> {
    let methods = contracts::operations().map(|it| it.method.as_str());
    methods.map(str::to_ascii_lowercase).collect()
}

/// Which headers it has to be allowed to send: the contract's parameters, and the type of a body.
pub fn sendable() -> BTreeSet<String> {
    let names = operations().flat_map(|(document, operation)| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(move |it| resolve(document, it));
        let headers = parameters.filter(|it| it["in"] == "header");
        headers.map(|it| it["name"].as_str().unwrap_or_default())
    });
    let mut names: BTreeSet<String> = names.map(str::to_ascii_lowercase).collect();
    names.insert("content-type".to_owned());
    names
}

/// Which headers it has to be able to read: those of the contract's responses, and that of a 405.
pub fn exposed() -> BTreeSet<String> {
    let headers = operations().flat_map(|(document, operation)| {
        let responses = entries(&operation["responses"]);
        responses.flat_map(move |(_, response)| entries(&resolve(document, response)["headers"]))
    });
    let mut names: BTreeSet<String> = headers.map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.insert("allow".to_owned());
    names
}

/// Each operation of each contract, with the document of that contract.
fn operations() -> impl Iterator<Item = (&'static Value, &'static Value)> {
    let documents = contracts::contracts().iter();
    let documents = documents.map(|it| it.contract.document());
    documents.flat_map(|document| {
        let items = entries(&document["paths"]).flat_map(|(_, item)| entries(item));
        items.map(move |(_, operation)| (document, operation))
    })
}

fn entries(object: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// What a `$ref` of a document leads to; any other value is itself.
pub fn resolve(document: &'static Value, value: &'static Value) -> &'static Value {
    let target = value["$ref"].as_str();
    let target = target.and_then(|it| document.pointer(it.trim_start_matches('#')));
    target.unwrap_or(value)
}

/// The document of the contract that an operation belongs to.
pub fn document_of(operation: &Operation) -> &'static Value {
    let mut contracts = contracts::contracts().iter().map(|it| &it.contract);
    let has_it = |contract: &&Contract| {
        let mut operations = contract.operations().iter();
        operations.any(|it| std::ptr::eq(it, operation))
    };
    let contract = contracts.find(has_it);
    contract.map_or(&Value::Null, Contract::document)
}

//! The contract, `openapi/openapi.yaml`, embedded in the binary: as a document, as a table of
//! operations, and as schemas that values are checked against.
//!
//! Knows no web framework and imports only `error`; it could be a crate of its own. The document
//! is read once, at first use. It is part of the program, so a contract that cannot be read is a
//! fault of the build: the tests read it whole before anything ships.

pub mod diff;
pub mod email;
pub mod evolution;
pub mod json;
mod operation;
mod schema;

use std::sync::LazyLock;

use serde_json::Value;

pub use operation::{Operation, Parameter, find, methods, operations};
pub use schema::{printable, request_violations};

/// The contract as it is written, byte for byte.
pub const SOURCE: &str = include_str!("../../openapi/openapi.yaml");

/// The contract as data, its keys in the order of the file.
///
/// # Panics
/// When the embedded contract is not YAML, which `tests/contract.rs` rules out.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| parse(SOURCE).expect("the embedded contract is read by the tests"));
    &DOCUMENT
}

/// Reads an OpenAPI document written as YAML (or JSON, which YAML includes).
///
/// # Errors
/// What is wrong and where, when it is not YAML or when a mapping has the same key twice.
pub fn parse(yaml: &str) -> Result<Value, String> {
    // Only `true` and `false` are booleans: YAML 1.1 reads `no` and `on` as such, too.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| error.to_string())
}

/// Follows a `$ref` of the document, once, if `value` is one.
fn resolve(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => document()
            .pointer(reference.trim_start_matches('#'))
            .expect("every $ref of the contract resolves: the tests follow each"),
        None => value,
    }
}

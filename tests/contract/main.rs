//! The contract can be trusted: it is valid, complete and illustrated by true examples; the code
//! generates the same document; the diff that says so overlooks nothing; a change that breaks
//! clients is called one; and what is released stays as it was. No database.

mod document;
mod edits;
mod equivalence;
mod evolution;
mod examples;
mod generated;
mod labelled;
mod layers;
mod lint;
mod mutation;
mod releases;

use serde_json::Value;

fn contract() -> &'static Value {
    ecommerce_api::contract::document()
}

/// Follows a `$ref`, if the object is one.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => document
            .pointer(target.trim_start_matches('#'))
            .unwrap_or(&Value::Null),
        None => value,
    }
}

/// A key as a segment of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

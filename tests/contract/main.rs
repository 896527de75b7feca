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
mod lint;
mod made_up;
mod mutation;
mod releases;

use ecommerce_api::api::contracts::{self, Published};
use serde_json::Value;

/// Every contract, with its name, which a failure has to say.
fn documents() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let contracts = contracts::contracts().iter();
    contracts.map(|it| (it.contract.name(), it.contract.document()))
}

/// The contract that the made-up faults are put into.
fn main_contract() -> &'static Published {
    &contracts::contracts()[0]
}

fn contract() -> &'static Value {
    main_contract().contract.document()
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

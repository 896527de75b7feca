//! Tests of the contract: it is valid, complete and has valid examples; the code generates the same
//! document, and the diff that checks this reports every difference; changes that break clients are
//! reported as breaking; released contracts never change. Also tests what the source files import. No
//! database.

mod document;
mod edits;
mod equivalence;
mod evolution;
mod examples;
mod generated;
mod labelled;
mod layers;
mod lint;
mod made_up;
mod mutation;
mod releases;

use ecommerce_api::api::contracts::{self, Published};
use serde_json::Value;

/// The name and the document of every contract. Failure messages have to contain the name.
fn documents() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let contracts = contracts::contracts().iter();
    contracts.map(|it| (it.contract.name(), it.contract.document()))
}

/// The contract in which the tests make faults.
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

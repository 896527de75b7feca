//! Edits of a released contract. Each has a label, set by hand, that says whether it breaks clients,
//! and the reason.

pub mod callers;
pub mod compatible;
pub mod document;
pub mod parameters;
pub mod requests;
pub mod responses;
pub mod same;
pub mod schemas;

use std::sync::LazyLock;

use ecommerce_api::contract;
use ecommerce_api::contract::evolution::Severity;
use serde_json::{Value, json};

/// The contract to edit: a released one, which never changes.
pub fn base() -> &'static Value {
    static BASE: LazyLock<Value> = LazyLock::new(|| {
        let source = include_str!("../../openapi/released/openapi/0.1.1.yaml");
        contract::read_yaml(source).expect("a released contract is YAML")
    });
    &BASE
}

/// The labels: no change, a compatible one, a breaking one.
pub const N: Option<Severity> = None;
pub const C: Option<Severity> = Some(Severity::Compatible);
pub const B: Option<Severity> = Some(Severity::Breaking);

pub const USERS: &str = "/paths/~1api~1users";
pub const USER: &str = "/paths/~1api~1users~1{id}";
pub const PRODUCTS: &str = "/paths/~1api~1products";
pub const PARAMETERS: &str = "/components/parameters";
pub const SCHEMAS: &str = "/components/schemas";
pub const HEADERS: &str = "/components/headers";
/// The request header that makes a 304 possible.
const IF_NONE_MATCH: &str = "If-None-Match";
/// The directions of a change: from the contract to the edited one, or back.
pub const FORTH: &str = "edited";
pub const BACK: &str = "edited, and taken back";

/// Sets the value at a pointer: replaces it, or adds a member.
pub fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = split(pointer);
    let parent = document.pointer_mut(&parent).expect(pointer);
    match parent {
        Value::Object(members) => drop(members.insert(key, value)),
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().expect(pointer)] = value,
        _ => panic!("{pointer} is not in an object or list"),
    }
}

/// Removes and returns the value at a pointer.
pub fn take(document: &mut Value, pointer: &str) -> Value {
    let (parent, key) = split(pointer);
    match document.pointer_mut(&parent).expect(pointer) {
        Value::Object(members) => members.shift_remove(&key).expect(pointer),
        Value::Array(items) => items.remove(key.parse().expect(pointer)),
        _ => panic!("{pointer} is not in an object or list"),
    }
}

fn rename(document: &mut Value, pointer: &str, to: &str) {
    let value = take(document, pointer);
    set(document, &format!("{}/{to}", split(pointer).0), value);
}

fn split(pointer: &str) -> (String, String) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer below the root");
    (parent.to_owned(), key.replace("~1", "/").replace("~0", "~"))
}

/// Adds to the list of users an optional parameter and a status without a body.
fn revalidate(document: &mut Value, name: &str, place: &str, status: &str) {
    let added = json!({"name": name, "in": place, "schema": {"type": "string"}});
    set(document, &format!("{USERS}/get/parameters/-"), added);
    let response = json!({"description": "The same"});
    set(
        document,
        &format!("{USERS}/get/responses/{status}"),
        response,
    );
}

/// One edit: the direction, the change with the reason for the label, and a function that makes it.
pub type Case = (&'static str, &'static str, fn(&mut Value));

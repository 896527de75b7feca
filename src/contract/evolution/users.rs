//! Who sends and who receives each component schema.
//!
//! Imports the module's `operations` alone.

use std::collections::BTreeMap;

use serde_json::Value;

use super::operations::operations;

/// The section of component schemas, as a reference names it.
const SCHEMAS: &str = "#/components/schemas/";

/// The operations that something concerns, by the direction in which it travels.
#[derive(Debug, Clone, Default)]
pub(super) struct Users {
    /// Whose clients send it.
    pub(super) sent: Vec<String>,
    /// Whose clients receive it.
    pub(super) received: Vec<String>,
}

impl Users {
    /// One operation, both ways.
    pub(super) fn of(operation: String) -> Self {
        Self::of_all(vec![operation])
    }

    /// Several operations, both ways.
    pub(super) fn of_all(operations: Vec<String>) -> Self {
        Self {
            sent: operations.clone(),
            received: operations,
        }
    }

    /// Whether clients send it. What no operation uses may be used in either direction: generated
    /// clients have it.
    pub(super) fn is_sent(&self) -> bool {
        !self.sent.is_empty() || self.received.is_empty()
    }

    /// Whether clients receive it, read likewise.
    pub(super) fn is_received(&self) -> bool {
        !self.received.is_empty() || self.sent.is_empty()
    }

    /// Only those who send.
    pub(super) fn only_sent(&self) -> Self {
        Self {
            sent: self.sent.clone(),
            received: Vec::new(),
        }
    }

    /// Only those who receive.
    pub(super) fn only_received(&self) -> Self {
        Self {
            sent: Vec::new(),
            received: self.received.clone(),
        }
    }
}

/// Both lists, each text once.
pub(super) fn union(one: &[String], other: &[String]) -> Vec<String> {
    let added = other.iter().filter(|text| !one.contains(text));
    one.iter().chain(added).cloned().collect()
}

/// The users of each component schema of a document in normal form, by the schema's name.
pub(super) fn users_of_schemas(document: &Value) -> BTreeMap<String, Users> {
    let mut users: BTreeMap<String, Users> = BTreeMap::new();
    for (_, _, operation, label) in operations(document) {
        for (key, part) in operation.as_object().into_iter().flatten() {
            let is_sent = key != "responses";
            let is_received = !["parameters", "requestBody"].contains(&key.as_str());
            for name in reachable(document, part) {
                let users = users.entry(name).or_default();
                if is_sent {
                    users.sent = union(&users.sent, std::slice::from_ref(&label));
                }
                if is_received {
                    users.received = union(&users.received, std::slice::from_ref(&label));
                }
            }
        }
    }
    users
}

/// The names of all component schemas that are referred to from here, directly or not.
fn reachable(document: &Value, from: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut open = vec![from];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(members) => {
                open.extend(members.values());
                let target = members.get("$ref").and_then(Value::as_str);
                let Some(name) = target.and_then(|target| target.strip_prefix(SCHEMAS)) else {
                    continue;
                };
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                    open.extend(document.pointer(&format!("/components/schemas/{name}")));
                }
            }
            _ => {}
        }
    }
    names
}

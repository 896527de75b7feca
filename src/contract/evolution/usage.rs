//! Which operations send each component schema, and which receive it, from the client's view.
//!
//! Imports the module's `operations`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::operations::operations;

/// The start of every reference to a component schema.
const SCHEMA_REFERENCE: &str = "#/components/schemas/";

/// The labels of the operations that use a schema (or another part of the document), by direction.
#[derive(Debug, Clone, Default)]
pub(super) struct SchemaUsage {
    /// The operations in whose requests clients send it.
    pub(super) sent: Vec<String>,
    /// The operations in whose responses clients receive it.
    pub(super) received: Vec<String>,
}

impl SchemaUsage {
    /// Used by one operation, in both directions.
    pub(super) fn of(operation: String) -> Self {
        Self::of_all(vec![operation])
    }

    /// Used by several operations, in both directions.
    pub(super) fn of_all(operations: Vec<String>) -> Self {
        Self {
            sent: operations.clone(),
            received: operations,
        }
    }

    /// Whether clients send it. A schema that no operation uses counts as sent and received, because
    /// generated clients contain it.
    pub(super) fn is_sent(&self) -> bool {
        !self.sent.is_empty() || self.received.is_empty()
    }

    /// Whether clients receive it. Unused schemas count, as for [`SchemaUsage::is_sent`].
    pub(super) fn is_received(&self) -> bool {
        !self.received.is_empty() || self.sent.is_empty()
    }

    /// The same usage without the operations that receive it.
    pub(super) fn only_sent(&self) -> Self {
        Self {
            sent: self.sent.clone(),
            received: Vec::new(),
        }
    }

    /// The same usage without the operations that send it.
    pub(super) fn only_received(&self) -> Self {
        Self {
            sent: Vec::new(),
            received: self.received.clone(),
        }
    }
}

/// The texts of both lists, each once.
pub(super) fn union(one: &[String], other: &[String]) -> Vec<String> {
    let added = other.iter().filter(|text| !one.contains(text));
    one.iter().chain(added).cloned().collect()
}

/// The usage of each component schema of a document in normal form, by its name.
pub(super) fn usage_of_schemas(document: &Value) -> BTreeMap<String, SchemaUsage> {
    let mut usage: BTreeMap<String, SchemaUsage> = BTreeMap::new();
    for (_, _, operation, label) in operations(document) {
        for (key, part) in operation.as_object().into_iter().flatten() {
            let is_sent = key != "responses";
            let is_received = !["parameters", "requestBody"].contains(&key.as_str());
            for name in reachable(document, part) {
                let usage = usage.entry(name).or_default();
                if is_sent {
                    usage.sent = union(&usage.sent, std::slice::from_ref(&label));
                }
                if is_received {
                    usage.received = union(&usage.received, std::slice::from_ref(&label));
                }
            }
        }
    }
    usage
}

/// The names of all component schemas that a value refers to, directly or through other schemas.
fn reachable(document: &Value, from: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut pending = vec![from];
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(items) => pending.extend(items),
            Value::Object(members) => {
                pending.extend(members.values());
                let target = members.get("$ref").and_then(Value::as_str);
                let Some(name) = target.and_then(|target| target.strip_prefix(SCHEMA_REFERENCE))
                else {
                    continue;
                };
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                    pending.extend(document.pointer(&format!("/components/schemas/{name}")));
                }
            }
            _ => {}
        }
    }
    names
}

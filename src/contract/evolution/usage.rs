//! How each component schema is used: which operations send it, which receive it (from the client's view),
//! and whether it stands within a `oneOf` or `not`.
//!
//! Imports the module's `operations`.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Whether some `oneOf` or `not` contains it. When a schema gets wider, so do the schemas that contain
    /// it, except those that contain it by these keywords.
    pub(super) is_in_one_of_or_not: bool,
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
            is_in_one_of_or_not: false,
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
            received: Vec::new(),
            ..self.clone()
        }
    }

    /// The same usage without the operations that send it.
    pub(super) fn only_received(&self) -> Self {
        Self {
            sent: Vec::new(),
            ..self.clone()
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
    let schemas = document.pointer("/components/schemas");
    let schemas = schemas.and_then(Value::as_object).into_iter().flatten();
    let mut within = BTreeSet::new();
    for (_, schema) in schemas {
        collect_one_of_and_not(document, schema, false, &mut within);
    }
    for (_, _, operation, _) in operations(document) {
        collect_one_of_and_not(document, operation, false, &mut within);
    }
    for name in within {
        usage.entry(name).or_default().is_in_one_of_or_not = true;
    }
    usage
}

/// Collects the names of all component schemas that some `oneOf` or `not` within a value refers to,
/// directly or through other schemas. `are_names`: whether the keys of the value are names that the
/// contract chose, and not keywords.
fn collect_one_of_and_not(
    document: &Value,
    value: &Value,
    are_names: bool,
    names: &mut BTreeSet<String>,
) {
    match value {
        Value::Array(items) => {
            for item in items {
                collect_one_of_and_not(document, item, false, names);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                if !are_names && ["oneOf", "not"].contains(&key.as_str()) {
                    names.extend(reachable(document, member));
                } else {
                    let are_names = !are_names && maps_names(key);
                    collect_one_of_and_not(document, member, are_names, names);
                }
            }
        }
        _ => {}
    }
}

/// Whether the value of a keyword is an object whose keys are names.
pub(super) fn maps_names(keyword: &str) -> bool {
    [
        "properties",
        "parameters",
        "responses",
        "headers",
        "content",
    ]
    .contains(&keyword)
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

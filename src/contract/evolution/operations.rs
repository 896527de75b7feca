//! The operations of a document in normal form, their labels, and which paths are the same.
//!
//! Imports the diff's list of methods.

use serde_json::Value;

use super::super::diff::METHODS;

/// The operations of a document in normal form: path, method, the operation, and its label, like
/// `listUsers (GET /api/users)`.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value, String)> {
    let paths = document.get("paths").and_then(Value::as_object);
    paths.into_iter().flatten().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            let operation = item.get(method).filter(|operation| operation.is_object())?;
            Some((
                path.as_str(),
                *method,
                operation,
                label(path, method, operation),
            ))
        })
    })
}

/// An operation's label, like `listUsers (GET /api/users)`.
pub(super) fn label(path: &str, method: &str, operation: &Value) -> String {
    let id = operation.get("operationId").and_then(Value::as_str);
    let id = id.unwrap_or("an operation without operationId");
    format!("{id} ({} {path})", method.to_uppercase())
}

/// Whether two paths differ in the names of their parameters alone.
pub(super) fn is_same_path(one: &str, other: &str) -> bool {
    let (one, other): (Vec<&str>, Vec<&str>) =
        (one.split('/').collect(), other.split('/').collect());
    let is_parameter = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
    one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .all(|(one, other)| one == other || (is_parameter(one) && is_parameter(other)))
}

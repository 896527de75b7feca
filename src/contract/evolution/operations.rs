//! The operations of a document in normal form, their labels, and the comparison of paths.
//!
//! Imports the diff's list of methods.

use serde_json::Value;

use super::super::diff::METHODS;

/// The operations of a document in normal form, each with its path, method and label.
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

/// The label of an operation, like `listUsers (GET /api/users)`.
pub(super) fn label(path: &str, method: &str, operation: &Value) -> String {
    let id = operation.get("operationId").and_then(Value::as_str);
    let id = id.unwrap_or("an operation without operationId");
    format!("{id} ({} {path})", method.to_uppercase())
}

/// Whether two paths are equal except for the names of their parameters.
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

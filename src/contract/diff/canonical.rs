//! The normal form of single values and keywords, without the walk through a document.
//!
//! Imports nothing else of the crate.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

/// The normal form of plain data: whole numbers are integers.
pub(super) fn plain_data(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(as_integer(number)),
        Value::Array(items) => Value::Array(items.iter().map(plain_data).collect()),
        Value::Object(members) => Value::Object(plain_members(members)),
        other => other.clone(),
    }
}

/// The normal form of an object of plain data.
pub(super) fn plain_members(members: &Map<String, Value>) -> Map<String, Value> {
    members
        .iter()
        .map(|(key, value)| (key.clone(), plain_data(value)))
        .collect()
}

/// The integer that a float without a fraction represents; other numbers unchanged.
fn as_integer(number: &Number) -> Number {
    // A float represents every integer up to 2^53 exactly.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= MAX_EXACT => {
            // Without a fraction, the text of the float is that of an integer.
            format!("{float:.0}")
                .parse::<i64>()
                .map_or_else(|_| number.clone(), Number::from)
        }
        _ => number.clone(),
    }
}

/// One alternative of a `security` list. The order of scopes does not count.
pub(super) fn security_requirement(alternative: &Value) -> Value {
    let Value::Object(schemes) = alternative else {
        return plain_data(alternative);
    };
    let schemes = schemes.iter().map(|(name, scopes)| {
        let scopes = match scopes {
            Value::Array(scopes) => Value::Array(sorted(scopes.iter().map(plain_data))),
            other => plain_data(other),
        };
        (name.clone(), scopes)
    });
    Value::Object(schemes.collect())
}

/// The values in the order of their JSON texts.
pub(super) fn sorted(items: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut items: Vec<Value> = items.collect();
    items.sort_by_cached_key(Value::to_string);
    items
}

/// `3.0` for a version `3.0.x`. Other versions are kept.
pub(super) fn minor_version(version: &str) -> String {
    match version.strip_prefix("3.0.") {
        Some(patch) if !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()) => {
            "3.0".to_owned()
        }
        _ => version.to_owned(),
    }
}

/// Removes a `style` that is the default, and an `explode` that is the default or has no effect.
pub(super) fn drop_redundant_style(
    parameter: &mut Map<String, Value>,
    location: &str,
    root: &Value,
) {
    let default = match location {
        "query" | "cookie" => "form",
        _ => "simple",
    };
    if parameter.get("style").is_some_and(|style| style == default) {
        parameter.shift_remove("style");
    }
    let is_form = match parameter.get("style") {
        None => default == "form",
        Some(style) => style == "form",
    };
    let schema = parameter.get("schema");
    let target = schema
        .and_then(|schema| schema.get("$ref"))
        .and_then(Value::as_str);
    let schema = match target.and_then(local_pointer) {
        Some(pointer) => root.pointer(&pointer),
        None => schema,
    };
    let kind = schema
        .and_then(|schema| schema.get("type"))
        .and_then(Value::as_str);
    let is_scalar = matches!(kind, Some("string" | "integer" | "number" | "boolean"));
    if let Some(Value::Bool(explode)) = parameter.get("explode")
        && (is_scalar || *explode == is_form)
    {
        parameter.shift_remove("explode");
    }
}

/// Removes the members of an `allOf` that only repeat keywords beside it: poem-openapi writes such
/// keywords twice.
pub(super) fn drop_repeated_keywords(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(mut members)) = schema.shift_remove("allOf") {
        if members.iter().any(|member| member.get("$ref").is_some()) {
            members.retain(|member| match member {
                Value::Object(keywords) => {
                    keywords.contains_key("$ref")
                        || keywords
                            .iter()
                            .any(|(key, value)| schema.get(key) != Some(value))
                }
                _ => true,
            });
        }
        schema.insert("allOf".to_owned(), Value::Array(members));
    }
}

/// The JSON pointer of a reference within the document (`#/components/…`).
pub(super) fn local_pointer(target: &str) -> Option<String> {
    let fragment = target.strip_prefix('#')?;
    let pointer = percent_decode_str(fragment).decode_utf8().ok()?;
    (pointer.is_empty() || pointer.starts_with('/')).then(|| pointer.into_owned())
}

/// A key as a segment of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Appends a key to a JSON pointer.
pub(in crate::contract) fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    if key.contains('~') || key.contains('/') {
        pointer.push_str(&escape(key));
    } else {
        pointer.push_str(key);
    }
}

//! The normal form of single values: what the walk through a document does where it stands.
//!
//! Imports nothing of ours.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

/// Plain data, its whole numbers as integers.
pub(super) fn data(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number)),
        Value::Array(items) => Value::Array(items.iter().map(data).collect()),
        Value::Object(members) => Value::Object(object(members)),
        other => other.clone(),
    }
}

pub(super) fn object(members: &Map<String, Value>) -> Map<String, Value> {
    members
        .iter()
        .map(|(key, value)| (key.clone(), data(value)))
        .collect()
}

fn whole(number: &Number) -> Number {
    // Up to 2^53 a float holds every integer, so nothing is lost.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            // The text of a whole float below 2^53 is that of an integer.
            format!("{float:.0}")
                .parse::<i64>()
                .map_or_else(|_| number.clone(), Number::from)
        }
        _ => number.clone(),
    }
}

/// One alternative of a `security` list; the order of scopes does not count.
pub(super) fn requirement(alternative: &Value) -> Value {
    let Value::Object(schemes) = alternative else {
        return data(alternative);
    };
    let schemes = schemes.iter().map(|(name, scopes)| {
        let scopes = match scopes {
            Value::Array(scopes) => Value::Array(sorted(scopes.iter().map(data))),
            other => data(other),
        };
        (name.clone(), scopes)
    });
    Value::Object(schemes.collect())
}

pub(super) fn sorted(items: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut items: Vec<Value> = items.collect();
    items.sort_by_cached_key(Value::to_string);
    items
}

/// `3.0` of `3.0.x`; any other version as it is.
pub(super) fn minor_version(version: &str) -> String {
    match version.strip_prefix("3.0.") {
        Some(patch) if !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()) => {
            "3.0".to_owned()
        }
        _ => version.to_owned(),
    }
}

/// Drops a `style` that is the default, and an `explode` that is the default or has no effect.
pub(super) fn drop_idle_style(parameter: &mut Map<String, Value>, location: &str, root: &Value) {
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

/// Drops what the generator writes into an `allOf` a second time: keywords that stand beside it too.
pub(super) fn drop_repeats(schema: &mut Map<String, Value>) {
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

//! The contract's schemas as validators.
//!
//! OpenAPI 3.0 schemas are JSON Schema draft 4 with a few words of their own (`nullable`,
//! `format: int32`); they are rewritten to plain draft 4 and compiled once by `jsonschema`.
//! Requests are checked as the contract is written. Answers are checked *closed*: a property that
//! the schema does not name is a violation, although clients must tolerate it, since it is how a
//! password would leak.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{LazyLock, OnceLock};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

use crate::error::Violation;

use super::email::is_email;
use super::json::MAX_VIOLATIONS;

/// At most so many characters of a name that the client chose are repeated to it.
const MAX_NAME: usize = 64;

/// Everything in `value`, a request body, that does not keep to `components/schemas/<component>`.
///
/// # Panics
/// When no request body of the contract is of that component.
#[must_use]
pub fn request_violations(component: &str, value: &Value) -> Vec<Violation> {
    violations(&REQUESTS[component], value)
}

/// One for each component that is a request body. The first of them waits some milliseconds for
/// it; a server that is only read from needs none of that memory.
static REQUESTS: LazyLock<HashMap<&str, Validator>> = LazyLock::new(|| {
    let bodies = super::operations()
        .iter()
        .filter_map(|operation| operation.body);
    compile_components(bodies, false)
});

/// Everything in `value`, part of an answer, that `components/schemas/<component>` does not allow.
pub(super) fn response_violations(component: &str, value: &Value) -> Vec<Violation> {
    static RESPONSES: LazyLock<HashMap<&str, Validator>> =
        LazyLock::new(|| compile_components(components().keys().map(String::as_str), true));
    violations(&RESPONSES[component], value)
}

fn components() -> &'static Map<String, Value> {
    super::document()["components"]["schemas"]
        .as_object()
        .expect("the contract has schemas")
}

/// A schema that stands outside the components (of a parameter or a header), compiled when it is
/// first needed: most of the many that there are never are.
pub(super) struct Inline {
    schema: &'static Value,
    validator: OnceLock<Validator>,
}

impl Inline {
    pub(super) fn new(schema: &'static Value) -> Self {
        Self {
            schema,
            validator: OnceLock::new(),
        }
    }

    fn validator(&self) -> &Validator {
        let schema = || compile(&draft4(self.schema, false), false);
        self.validator.get_or_init(schema)
    }

    pub(super) fn is_valid(&self, value: &Value) -> bool {
        self.validator().is_valid(value)
    }

    /// The first thing that is wrong with `value`, which is a text or a number, if anything is.
    pub(super) fn violation(&self, value: &Value) -> Option<String> {
        let violations = violations(self.validator(), value);
        violations.into_iter().next().map(|first| first.message)
    }
}

/// The violations that `validator` finds in `value`, each at its place; at most [`MAX_VIOLATIONS`].
pub(super) fn violations(validator: &Validator, value: &Value) -> Vec<Violation> {
    if validator.is_valid(value) {
        return Vec::new();
    }
    let errors: Vec<_> = validator.iter_errors(value).collect();
    // What has the wrong type is also none of the values of an `enum`: one mistake, said once.
    let has_wrong_type: HashSet<&str> = errors
        .iter()
        .filter(|error| matches!(error.kind(), ValidationErrorKind::Type { .. }))
        .map(|error| error.instance_path().as_str())
        .collect();
    let counts = |error: &&ValidationError<'_>| {
        !matches!(error.kind(), ValidationErrorKind::Enum { .. })
            || !has_wrong_type.contains(error.instance_path().as_str())
    };
    let counted = errors.iter().filter(counts).flat_map(describe);
    counted.take(MAX_VIOLATIONS).collect()
}

fn compile_components<'n>(
    names: impl Iterator<Item = &'n str>,
    closed: bool,
) -> HashMap<&'n str, Validator> {
    let all: Map<String, Value> = components()
        .iter()
        .map(|(name, schema)| (name.clone(), draft4(schema, closed)))
        .collect();
    let components = json!({ "schemas": all });
    names
        .map(|name| {
            let schema = json!({
                "allOf": [{ "$ref": format!("#/components/schemas/{name}") }],
                "components": components,
            });
            (name, compile(&schema, closed))
        })
        .collect()
}

/// A validator of requests, or (`closed`) of responses. In a response `jsonschema`'s own format `email`
/// counts: it accepts more, and emails that were stored before are shown as they are.
fn compile(schema: &Value, closed: bool) -> Validator {
    let mut options = jsonschema::draft4::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true);
    if !closed {
        options = options.with_format("email", is_email);
    }
    options
        .build(schema)
        .expect("the contract's schemas compile: the tests compile each")
}

/// An OpenAPI 3.0 schema as JSON Schema draft 4. Keys inside `properties` are names, not keywords.
fn draft4(schema: &Value, closed: bool) -> Value {
    let Some(keywords) = schema.as_object() else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (keyword, value) in keywords {
        let rewritten = match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => Value::Object(
                properties
                    .iter()
                    .map(|(name, schema)| (name.clone(), draft4(schema, closed)))
                    .collect(),
            ),
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => schemas
                .iter()
                .map(|schema| draft4(schema, closed))
                .collect(),
            ("items" | "additionalProperties" | "not", _) => draft4(value, closed),
            _ => value.clone(),
        };
        out.insert(keyword.clone(), rewritten);
    }
    if closed && out.contains_key("properties") && !out.contains_key("additionalProperties") {
        out.insert("additionalProperties".into(), false.into());
    }
    if schema["format"] == "int32" {
        out.entry("minimum").or_insert(i32::MIN.into());
        out.entry("maximum").or_insert(i32::MAX.into());
    }
    if schema["nullable"] == true {
        if let Some(kind) = out.get_mut("type") {
            *kind = json!([kind.clone(), "null"]);
        }
        if let Some(Value::Array(values)) = out.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    Value::Object(out)
}

/// One error of the validator as violations: where, and what is wrong, without the value itself.
fn describe(error: &ValidationError<'_>) -> Vec<Violation> {
    let field = error.instance_path().as_str();
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            return vec![Violation::in_body(child(field, name), "is required")];
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            return unexpected
                .iter()
                .take(MAX_VIOLATIONS)
                .map(|name| Violation::in_body(child(field, name), "is not a known property"))
                .collect();
        }
        ValidationErrorKind::Type { kind } => format!("must be {}", types(kind)),
        ValidationErrorKind::Enum { options } => format!("must be one of {}", listed(options)),
        ValidationErrorKind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => {
            format!("must have at least {limit} characters")
        }
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} entries"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} entries"),
        ValidationErrorKind::Format { format } if format == "email" => {
            "must be an email address".to_owned()
        }
        ValidationErrorKind::Format { format } => format!("must have the format {format}"),
        ValidationErrorKind::Pattern { pattern } => format!("must match {pattern}"),
        kind => format!("does not keep to the contract's `{}`", kind.keyword()),
    };
    vec![Violation::in_body(field, message)]
}

fn types(kind: &TypeKind) -> String {
    let article = |name: &str| match name {
        "null" => "null".to_owned(),
        "integer" => "a whole number".to_owned(),
        "array" | "object" => format!("an {name}"),
        _ => format!("a {name}"),
    };
    match kind {
        TypeKind::Single(one) => article(one.as_str()),
        TypeKind::Multiple(many) => {
            let mut names: Vec<_> = many.iter().map(|one| article(one.as_str())).collect();
            names.sort_by_key(|name| name == "null");
            names.join(" or ")
        }
    }
}

fn listed(options: &Value) -> String {
    let plain = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    options
        .as_array()
        .into_iter()
        .flatten()
        .map(plain)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The JSON pointer of the property `name` under `parent` (RFC 6901); a long name is cut and
/// control characters are spelt out, since the client chose it.
pub(super) fn child(parent: &str, name: &str) -> String {
    format!(
        "{parent}/{}",
        printable(name).replace('~', "~0").replace('/', "~1")
    )
}

/// At most 64 characters of `text`, those that do not print (or change direction) as `\u{…}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(MAX_NAME) {
        let odd = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if character.is_control() || odd {
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    if text.chars().nth(MAX_NAME).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(component: &str, value: &Value) -> Vec<String> {
        let mut lines: Vec<_> = request_violations(component, value)
            .into_iter()
            .map(|violation| format!("{} {}", violation.field, violation.message))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn every_violation_is_reported_at_its_own_place() {
        assert_eq!(
            messages(
                "UserDraft",
                &json!({"email": "nobody", "role": "ROOT", "a/b": 1, "c~": 2})
            ),
            [
                "/a~1b is not a known property",
                "/c~0 is not a known property",
                "/email must be an email address",
                "/password is required",
                "/role must be one of ADMIN, USER",
            ]
        );
        assert_eq!(
            messages(
                "ProductDraft",
                &json!({"title": "", "image_url": 7, "description": null})
            ),
            [
                "/image_url must be a string or null",
                "/title must not be empty"
            ]
        );
        assert_eq!(
            messages(
                "CartItemDraft",
                &json!({"user_id": 0, "product_id": 2_147_483_648_i64})
            ),
            [
                "/product_id must be at most 2147483647",
                "/user_id must be at least 1"
            ]
        );
        assert_eq!(messages("UserChanges", &json!([])), [" must be an object"]);
        assert_eq!(
            messages("UserChanges", &json!({"role": null})),
            ["/role must be a string"]
        );
        assert_eq!(
            messages("CartItemDraft", &json!({"user_id": 1.0, "product_id": "1"})).len(),
            2
        );
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let title = |length: usize| json!({"title": "😀".repeat(length)});
        assert!(messages("ProductDraft", &title(255)).is_empty());
        assert_eq!(
            messages("ProductDraft", &title(256)),
            ["/title must have at most 255 characters"]
        );
    }

    #[test]
    fn answers_are_closed() {
        let user = json!({"id": 1, "email": "a@b.c", "role": "USER"});
        assert!(response_violations("User", &user).is_empty());
        let leaky = json!({"id": 1, "email": "a@b.c", "role": "USER", "password": "x"});
        assert_eq!(response_violations("User", &leaky)[0].field, "/password");
    }

    #[test]
    fn long_or_odd_names_are_cut_and_spelt_out() {
        assert_eq!(printable("a\u{0}b\u{202e}"), "a\\u{0}b\\u{202e}");
        assert_eq!(printable(&"x".repeat(65)).chars().count(), 65);
        assert!(printable(&"x".repeat(65)).ends_with('…'));
    }
}

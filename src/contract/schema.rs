//! Compiles schemas, and describes the violations that they find in a value.
//!
//! Imports `violation`, and the module's `email` and `violations`.

use std::collections::HashSet;
use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};

use crate::violation::Violation;

use super::email::is_email;
use super::violations::{MAX_VIOLATIONS, child_pointer};

/// The formats of draft 2020-12 that draft 4 does not have and contracts may use.
const LATER_FORMATS: [&str; 5] = [
    "duration",
    "json-pointer",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// The direction of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// From a client. The value is checked as the contract is written.
    Request,
    /// To a client. The value is checked more strictly than the contract is written: a property that the
    /// schema does not name is a violation, since a response could leak a password that way.
    Response,
}

/// Compiles a schema of JSON Schema draft 4. For requests the format `email` is [`is_email`]. For responses
/// it is that of `jsonschema`, which accepts more: a database may have addresses that are not valid in
/// requests.
///
/// # Errors
/// Why the schema does not compile.
pub(super) fn compile(schema: &Value, direction: Direction) -> Result<Validator, String> {
    let mut options = jsonschema::draft4::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true);
    for format in LATER_FORMATS {
        let validator = LazyLock::new(move || {
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            options.build(&json!({ "format": format })).ok()
        });
        options = options.with_format(format, move |text: &str| {
            let validator = validator.as_ref();
            validator.is_none_or(|validator| validator.is_valid(&text.into()))
        });
    }
    if direction == Direction::Request {
        options = options.with_format("email", is_email);
    }
    options.build(schema).map_err(|error| error.to_string())
}

/// The violations that `validator` finds in `value`, up to [`MAX_VIOLATIONS`].
pub(super) fn violations(validator: &Validator, value: &Value) -> Vec<Violation> {
    if validator.is_valid(value) {
        return Vec::new();
    }
    let errors: Vec<_> = validator.iter_errors(value).collect();
    // A value of the wrong type is not in the `enum` either. Only the type is reported.
    let has_wrong_type: HashSet<&str> = errors
        .iter()
        .filter(|error| matches!(error.kind(), ValidationErrorKind::Type { .. }))
        .map(|error| error.instance_path().as_str())
        .collect();
    let is_reported = |error: &&ValidationError<'_>| {
        !matches!(error.kind(), ValidationErrorKind::Enum { .. })
            || !has_wrong_type.contains(error.instance_path().as_str())
    };
    let violations = errors.iter().filter(is_reported).flat_map(describe);
    violations.take(MAX_VIOLATIONS).collect()
}

/// The violations for one error of the validator. They do not repeat the value.
fn describe(error: &ValidationError<'_>) -> Vec<Violation> {
    let field = error.instance_path().as_str();
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            return vec![Violation::in_body(
                child_pointer(field, name),
                "is required",
            )];
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            return unexpected
                .iter()
                .take(MAX_VIOLATIONS)
                .map(|name| {
                    Violation::in_body(child_pointer(field, name), "is not a known property")
                })
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

/// The allowed types as text: `a string or null`.
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

/// The allowed values as text: `A, B`.
fn listed(options: &Value) -> String {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    options
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(schema: &Value, value: &Value) -> Vec<String> {
        let validator = compile(schema, Direction::Request).expect("it compiles");
        let mut lines: Vec<_> = violations(&validator, value)
            .into_iter()
            .map(|violation| format!("{} {}", violation.field, violation.message))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn every_violation_is_reported_with_its_pointer() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["email", "secret", "kind"],
            "properties": {
                "email": {"type": "string", "format": "email"},
                "secret": {"type": "string"},
                "kind": {"type": "string", "enum": ["A", "B"]},
                "note": {"type": ["string", "null"], "minLength": 1},
                "count": {"type": "integer", "minimum": 1, "maximum": 9},
            },
        });
        let wrong = json!({"email": "nobody", "kind": "C", "a/b": 1, "c~": 2});
        assert_eq!(
            messages(&schema, &wrong),
            [
                "/a~1b is not a known property",
                "/c~0 is not a known property",
                "/email must be an email address",
                "/kind must be one of A, B",
                "/secret is required",
            ]
        );
        let kept = json!({"email": "a@b.c", "secret": "", "kind": "A"});
        for (name, value, message) in [
            ("note", json!(null), None),
            ("note", json!(7), Some("/note must be a string or null")),
            ("note", json!(""), Some("/note must not be empty")),
            ("kind", json!(null), Some("/kind must be a string")),
            ("count", json!(0), Some("/count must be at least 1")),
            ("count", json!(10), Some("/count must be at most 9")),
            ("count", json!(1.0), Some("/count must be a whole number")),
            ("count", json!("1"), Some("/count must be a whole number")),
        ] {
            let mut edited = kept.clone();
            edited[name] = value;
            assert_eq!(
                messages(&schema, &edited),
                Vec::from_iter(message),
                "{edited}"
            );
        }
        assert_eq!(messages(&schema, &json!([])), [" must be an object"]);
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let schema = json!({"type": "string", "maxLength": 255});
        assert!(messages(&schema, &"😀".repeat(255).into()).is_empty());
        assert_eq!(
            messages(&schema, &"😀".repeat(256).into()),
            [" must have at most 255 characters"]
        );
    }

    #[test]
    fn formats_of_later_drafts_are_checked() {
        for (format, right, wrong) in [
            ("uuid", "67e55044-10b1-426f-9247-bb680e5fe0c8", "67e55044"),
            ("uri-reference", "/a?b#c", "/a b"),
            ("duration", "P1D", "a day"),
            ("date", "2024-02-29", "2023-02-29"),
        ] {
            let schema = json!({ "format": format });
            assert!(messages(&schema, &right.into()).is_empty(), "{format}");
            let expected = format!(" must have the format {format}");
            assert_eq!(messages(&schema, &wrong.into()), [expected]);
        }
    }
}

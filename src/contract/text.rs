//! The schemas of values that are sent as text: the values of parameters and of response headers.
//!
//! Imports the module's `located`, `schema` and `validators`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Number, Value};

use super::located::{Located, ParseError};
use super::schema::Direction;
use super::validators::{Schema, Schemas};

/// The schema of a value that is sent as text.
pub(super) enum Text {
    /// A whole number in this range. Nearly every request has one: this check is faster than a
    /// validator.
    Integer(RangeInclusive<i64>),
    /// A value of this type that conforms to a schema.
    Schema(Type, Arc<Schema>),
}

/// The JSON type as which a text is parsed.
#[derive(Clone, Copy)]
pub(super) enum Type {
    String,
    Integer,
    Number,
    Boolean,
}

/// The keywords of a schema of whole numbers that [`Text::Integer`] handles. They determine the range or
/// have no effect.
const RANGE_KEYWORDS: [&str; 12] = [
    "type",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "default",
    "description",
    "title",
    "example",
    "deprecated",
    "nullable",
];

impl Text {
    /// Parses the schema of a value that is sent as text. [`Parser::check`](super::parser::Parser::check)
    /// must have accepted the schema.
    ///
    /// # Errors
    /// When the schema has no type, or that of an array or object.
    pub(super) fn parse(schema: &Located<'_>, schemas: &Schemas) -> Result<Self, ParseError> {
        let schema = schema.clone().resolve(schemas.document(), "schemas")?;
        let kind = match schema.value["type"].as_str() {
            Some("string") => Type::String,
            Some("integer") => Type::Integer,
            Some("number") => Type::Number,
            Some("boolean") => Type::Boolean,
            Some(other) => {
                let message = format!(
                    "{other} is not supported here: a value that is sent as text is a string, an \
                     integer, a number or a boolean"
                );
                return Err(schema.require("type")?.error(message));
            }
            None => {
                let message = "needs a `type`, which tells how its text is read";
                return Err(schema.error(message));
            }
        };
        let keywords = schema.members()?;
        let is_range = keywords
            .iter()
            .all(|(keyword, _)| RANGE_KEYWORDS.contains(keyword) || keyword.starts_with("x-"));
        if matches!(kind, Type::Integer) && is_range {
            return range(&schema).map(Self::Integer);
        }
        let schema = schemas.get(&schema.pointer, Direction::Request);
        Ok(Self::Schema(kind, schema))
    }

    /// Why a text does not conform; `None` when it does.
    ///
    /// Only the canonical notation of a whole number is valid: not `+1`, `01` or `1.0`.
    pub(super) fn problem(&self, text: &str) -> Option<String> {
        match self {
            Self::Integer(range) if integer(text).is_some_and(|number| range.contains(&number)) => {
                None
            }
            Self::Integer(range) => Some(format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            )),
            Self::Schema(kind, schema) => match kind.parse(text) {
                Some(value) => schema.first_problem(&value),
                None => Some(kind.expectation().to_owned()),
            },
        }
    }
}

/// The whole numbers that a schema allows. They are always within the range of the format, which is
/// `int64` if the schema has none.
fn range(schema: &Located<'_>) -> Result<RangeInclusive<i64>, ParseError> {
    let bound = |keyword: &str| match schema.get(keyword) {
        None => Ok(None),
        Some(bound) => {
            let number = bound.value.as_i64();
            let wrong = || bound.error("is not a whole number of 64 bits");
            number.ok_or_else(wrong).map(Some)
        }
    };
    let (lowest, highest) = match schema.value["format"].as_str() {
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    let exclusive = |keyword: &str| Ok(i64::from(schema.flag(keyword)?));
    let minimum = match bound("minimum")? {
        Some(minimum) => minimum.saturating_add(exclusive("exclusiveMinimum")?),
        None => lowest,
    };
    let maximum = match bound("maximum")? {
        Some(maximum) => maximum.saturating_sub(exclusive("exclusiveMaximum")?),
        None => highest,
    };
    if minimum.max(lowest) > maximum.min(highest) {
        return Err(schema.error("allows no number"));
    }
    Ok(minimum.max(lowest)..=maximum.min(highest))
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_canonical =
        digits.iter().all(u8::is_ascii_digit) && (digits.first() != Some(&b'0') || text == "0");
    is_canonical.then(|| text.parse().ok()).flatten()
}

impl Type {
    fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(text.into()),
            Self::Integer => integer(text).map(Value::from),
            // The number grammar of JSON. serde_json would also accept white space around the number.
            Self::Number if !text.contains(char::is_whitespace) => {
                let number: Option<Number> = serde_json::from_str(text).ok();
                number.map(Value::Number)
            }
            Self::Number => None,
            Self::Boolean => text.parse::<bool>().ok().map(Value::Bool),
        }
    }

    fn expectation(self) -> &'static str {
        match self {
            Self::String => "must be a string",
            Self::Integer => "must be a whole number of 64 bits",
            Self::Number => "must be a number",
            Self::Boolean => "must be true or false",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_notation_of_a_whole_number_is_valid() {
        for text in ["0", "7", "-7", "9223372036854775807"] {
            assert_eq!(
                integer(text).map(|number| number.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            "-01",
            "1.0",
            "1e2",
            " 1",
            "1 ",
            "abc",
            "٣",
            "--1",
            "9223372036854775808",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}

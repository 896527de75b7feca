//! JSON as the contract means it: one value, and no object with the same key twice.
//!
//! `serde_json` keeps the last of two equal keys. A client that sends both believes in one of
//! them, and nobody knows in which: so the body is refused and the key named.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::Violation;

use super::schema::{child, printable};

/// Reads `bytes` as one JSON value.
///
/// # Errors
/// One violation: at the pointer of the duplicate key, or at the whole body (`""`) with the line
/// and column where it stops being JSON.
pub fn parse(bytes: &[u8]) -> Result<Value, Violation> {
    let mut duplicate = None;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict {
        pointer: String::new(),
        duplicate: &mut duplicate,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match duplicate {
        Some(pointer) => Violation::new(pointer, "is there twice"),
        None if bytes.is_empty() => Violation::new("", "must not be empty: send a JSON object"),
        // The reasons that serde_json gives for bad syntax do not quote the input.
        None => Violation::new(
            "",
            format!("is not JSON: {}", printable(&error.to_string())),
        ),
    })
}

/// Builds a `Value` as `serde_json` would, but stops at a duplicate key and notes where it is.
struct Strict<'a> {
    pointer: String,
    duplicate: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let pointer = child(&self.pointer, &items.len().to_string());
            match seq.next_element_seed(Strict {
                pointer,
                duplicate: &mut *self.duplicate,
            })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let pointer = child(&self.pointer, &key);
            if object.contains_key(&key) {
                *self.duplicate = Some(pointer);
                return Err(A::Error::custom("duplicate key"));
            }
            let value = map.next_value_seed(Strict {
                pointer,
                duplicate: &mut *self.duplicate,
            })?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_serde_json_reads_is_read_the_same() {
        for text in [
            "null",
            "true",
            "0",
            "-7",
            "18446744073709551615",
            "1.5e3",
            "\"\"",
            "[]",
            "{}",
            r#"{"a":[1,{"b":"\u0000\ud83d\ude00"}],"c":null}"#,
            " [1 , 2] ",
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_duplicate_key_is_named_by_its_pointer() {
        let field = |text: &str| parse(text.as_bytes()).unwrap_err().field;
        assert_eq!(field(r#"{"a":1,"a":1}"#), "/a");
        assert_eq!(field(r#"{"x":[0,{"a/b":1,"a\/b":2}]}"#), "/x/1/a~1b");
    }

    #[test]
    fn what_is_not_json_is_refused_without_an_echo() {
        for text in [
            "",
            " ",
            "{",
            "{\"secret\"",
            "{secret: 1}",
            "[1,]",
            "nul",
            "1 2",
            "\"\\ud800 secret\"",
            "NaN",
            "1e999",
            "'secret'",
            "{\"a\":1}secret",
        ] {
            let violation = parse(text.as_bytes()).unwrap_err();
            assert_eq!(violation.field, "", "{text}");
            assert!(
                !violation.message.contains("secret"),
                "{}",
                violation.message
            );
        }
        assert!(parse(b"\"\xff\"").is_err(), "invalid UTF-8");
        assert!(
            parse("[".repeat(100_000).as_bytes()).is_err(),
            "deep nesting"
        );
    }
}

//! JSON as the contract means it: one value, and no object with the same key twice.
//!
//! `serde_json` silently keeps the last of two equal keys. A client that sends both believes in one of
//! them, and nobody knows in which: so the body is refused and the key named.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::error::Violation;

use super::schema::{child, printable};

/// Reads `bytes` as one JSON value. Of a key that stands twice in an object the first value counts,
/// and the violations name it, so that the rest can be checked all the same.
///
/// # Errors
/// When the bytes are not JSON: one violation at the whole body (`""`), with the line and column.
pub fn parse(bytes: &[u8]) -> Result<(Value, Vec<Violation>), Violation> {
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict {
        duplicates: &mut duplicates,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => {
            let twice = |pointer| Violation::in_body(pointer, "is there twice");
            Ok((value, duplicates.into_iter().map(twice).collect()))
        }
        Err(_) if bytes.is_empty() => Err(Violation::in_body(
            "",
            "must not be empty: send a JSON object",
        )),
        // The reasons that serde_json gives for bad syntax do not quote the input.
        Err(error) => Err(Violation::in_body(
            "",
            format!("is not JSON: {}", printable(&error.to_string())),
        )),
    }
}

/// Builds a `Value` as `serde_json` would, and notes the pointer of each duplicate key, relative to
/// this value. Whoever holds the value puts its own place in front: the pointers of a body without
/// duplicates are never built.
struct Strict<'a> {
    duplicates: &'a mut Vec<String>,
}

/// Puts `segment` in front of the pointers from `known` on, which were found below it.
fn prefix(duplicates: &mut [String], known: usize, segment: &str) {
    for pointer in &mut duplicates[known..] {
        pointer.insert_str(0, &child("", segment));
    }
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
            let known = self.duplicates.len();
            match seq.next_element_seed(Strict {
                duplicates: &mut *self.duplicates,
            })? {
                Some(item) => {
                    if self.duplicates.len() > known {
                        prefix(self.duplicates, known, &items.len().to_string());
                    }
                    items.push(item);
                }
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let known = self.duplicates.len();
            let value = map.next_value_seed(Strict {
                duplicates: &mut *self.duplicates,
            })?;
            if self.duplicates.len() > known {
                prefix(self.duplicates, known, &key);
            }
            match object.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(place) => self.duplicates.push(child("", place.key())),
            }
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
            assert_eq!(parse(text.as_bytes()), Ok((expected, Vec::new())), "{text}");
        }
    }

    #[test]
    fn every_duplicate_key_is_named_and_the_first_value_counts() {
        let text = r#"{"a":1,"a":2,"x":[0,{"a/b":1,"a\/b":2}],"x":{"y":0,"y":1}}"#;
        let (value, violations) = parse(text.as_bytes()).unwrap();
        assert_eq!(value, serde_json::json!({"a": 1, "x": [0, {"a/b": 1}]}));
        let fields: Vec<_> = violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(fields, ["/a", "/x/1/a~1b", "/x/y", "/x"]);
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

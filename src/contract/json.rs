//! Strict JSON: one value, in which no object has the same key twice.
//!
//! `serde_json` silently keeps the last of two equal keys. Client and server could then disagree about
//! what was sent, so a duplicate key is a violation.
//!
//! Reading a document costs time and memory in proportion to its length at most: nesting and the number
//! of violations are limited, and a pointer is built only for a violation. Still a document of short
//! arrays takes a hundred times its length in memory: [`parse_limited`] bounds that for documents that
//! clients send.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::error::Violation;

use super::violations::{MAX_VIOLATIONS, child, printable};

/// How many levels deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 64;

/// A pointer gets no further segment once it has so many bytes.
const MAX_POINTER: usize = 1024;

/// Reads `bytes` as one JSON value. Of a duplicate key the first value counts, and a violation names
/// the key, so that the rest can be checked all the same. At most [`MAX_VIOLATIONS`] are collected.
///
/// # Errors
/// One violation: at the whole body (`""`), with line and column, when the bytes are not JSON; at the
/// array or object in question when the value is nested deeper than [`MAX_DEPTH`].
pub fn parse(bytes: &[u8]) -> Result<(Value, Vec<Violation>), Violation> {
    parse_limited(bytes, usize::MAX)
}

/// Reads `bytes` as [`parse`] does, and stops after `max_values` values: members of objects, elements
/// of arrays, and the document itself.
///
/// # Errors
/// Those of [`parse`], or one violation at the whole body when there are more values.
pub fn parse_limited(
    bytes: &[u8],
    max_values: usize,
) -> Result<(Value, Vec<Violation>), Violation> {
    let mut found = Found {
        duplicates: Vec::new(),
        refusal: None,
        values: 0,
        max_values,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict {
        place: None,
        found: &mut found,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok((value, found.duplicates)),
        Err(_) if bytes.is_empty() => Err(Violation::in_body(
            "",
            "must not be empty: send a JSON object",
        )),
        // The reasons that serde_json gives for bad syntax do not quote the input.
        Err(error) => Err(found.refusal.unwrap_or_else(|| {
            Violation::in_body(
                "",
                format!("is not JSON: {}", printable(&error.to_string())),
            )
        })),
    }
}

/// What was found so far.
struct Found {
    duplicates: Vec<Violation>,
    /// The violation that ended the reading.
    refusal: Option<Violation>,
    values: usize,
    max_values: usize,
}

impl Found {
    fn count_value<E: Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        if self.values > self.max_values {
            let problem = format!("has more than {} values", self.max_values);
            return Err(self.refuse(Violation::in_body("", problem)));
        }
        Ok(())
    }

    /// Keeps the violation, and gives the error that ends the reading.
    fn refuse<E: Error>(&mut self, violation: Violation) -> E {
        self.refusal = Some(violation);
        E::custom("refused")
    }

    fn add_duplicate(&mut self, object: Option<&Place<'_>>, key: &str) {
        if self.duplicates.len() < MAX_VIOLATIONS {
            let pointer = pointer(object) + &child("", key);
            let problem = Violation::in_body(pointer, "is there twice");
            self.duplicates.push(problem);
        }
    }
}

/// The place of a value that is inside an array or object.
struct Place<'p> {
    /// The place of that array or object; `None` when it is the whole document.
    parent: Option<&'p Place<'p>>,
    segment: Segment<'p>,
    /// The number of arrays and objects around the value.
    depth: usize,
}

enum Segment<'p> {
    Key(&'p str),
    Index(usize),
}

/// The JSON pointer of a place; the end of a very long one is missing.
fn pointer(place: Option<&Place<'_>>) -> String {
    let Some(place) = place else {
        return String::new();
    };
    let mut pointer = pointer(place.parent);
    if pointer.len() < MAX_POINTER {
        pointer += &match place.segment {
            Segment::Key(key) => child("", key),
            Segment::Index(index) => child("", &index.to_string()),
        };
    }
    pointer
}

/// Builds a `Value` as `serde_json` would, and collects the violations of the format.
struct Strict<'a> {
    /// Where the value is; `None` when it is the whole document.
    place: Option<&'a Place<'a>>,
    found: &'a mut Found,
}

impl Strict<'_> {
    /// The depth of what is inside this array or object.
    fn enter<E: Error>(&mut self) -> Result<usize, E> {
        let depth = self.place.map_or(0, |place| place.depth);
        if depth == MAX_DEPTH {
            let problem = format!("is nested deeper than {MAX_DEPTH} levels");
            let violation = Violation::in_body(pointer(self.place), problem);
            return Err(self.found.refuse(violation));
        }
        Ok(depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.found.count_value()?;
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

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let depth = self.enter()?;
        let mut items = Vec::new();
        loop {
            let place = Place {
                parent: self.place,
                segment: Segment::Index(items.len()),
                depth,
            };
            let item = seq.next_element_seed(Strict {
                place: Some(&place),
                found: &mut *self.found,
            })?;
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.enter()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let place = Place {
                parent: self.place,
                segment: Segment::Key(&key),
                depth,
            };
            let value = map.next_value_seed(Strict {
                place: Some(&place),
                found: &mut *self.found,
            })?;
            match object.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => self.found.add_duplicate(self.place, entry.key()),
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
    fn arrays_and_objects_are_nested_64_deep_and_no_deeper() {
        for (open, inner, close) in [("[", "", "]"), (r#"{"a/b":"#, "{}", "}")] {
            let nested = |depth| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            let allowed = if inner.is_empty() { 64 } else { 63 };
            assert!(parse(nested(allowed).as_bytes()).is_ok(), "{open}");
            let violation = parse(nested(allowed + 1).as_bytes()).unwrap_err();
            assert_eq!(violation.message, "is nested deeper than 64 levels");
            let step = if inner.is_empty() { "/0" } else { "/a~1b" };
            assert_eq!(violation.field, step.repeat(64));
        }
        let endless = parse("[".repeat(100_000).as_bytes()).unwrap_err();
        assert_eq!(endless.message, "is nested deeper than 64 levels");
    }

    #[test]
    fn a_limited_document_has_so_many_values_and_no_more() {
        // The document, its three members, and the two elements of one of them.
        let text = br#"{"a":1,"b":[2,{}],"a":3}"#;
        let (_, duplicates) = parse_limited(text, 6).unwrap();
        assert_eq!(duplicates.len(), 1);
        let violation = parse_limited(text, 5).unwrap_err();
        assert_eq!(violation, Violation::in_body("", "has more than 5 values"));
    }

    #[test]
    fn of_very_many_duplicate_keys_the_first_are_named() {
        let text = format!("{{\"a\":0{}}}", r#","a":1"#.repeat(1000));
        let (value, violations) = parse(text.as_bytes()).unwrap();
        assert_eq!(value, serde_json::json!({"a": 0}));
        assert_eq!(violations.len(), MAX_VIOLATIONS);
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
    }
}

//! A strict JSON parser: it reports duplicate keys in objects.
//!
//! `serde_json` silently keeps the last of two equal keys. Client and server could then disagree about
//! the value, so a duplicate key is a violation.
//!
//! Time and memory are at most linear in the length of the document: nesting and the number of
//! violations are limited, and JSON pointers are built only for violations. Nevertheless a document of
//! many short arrays takes a hundred times its length in memory. [`parse_limited`] limits this for
//! documents from clients.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::violation::Violation;

use super::violations::{MAX_VIOLATIONS, child_pointer, printable};

/// The largest number of levels of nested arrays and objects.
pub const MAX_DEPTH: usize = 64;

/// A JSON pointer is cut after the segment with which it reaches this length in bytes.
const MAX_POINTER: usize = 1024;

/// Parses `bytes` as one JSON value. Each duplicate key is one violation, up to [`MAX_VIOLATIONS`]. The
/// value has only the first member with the key, so that it can be checked further.
///
/// # Errors
/// One violation: at the whole body (`""`), with line and column, when the bytes are not JSON; at the
/// array or object that is nested deeper than [`MAX_DEPTH`].
pub fn parse(bytes: &[u8]) -> Result<(Value, Vec<Violation>), Violation> {
    parse_limited(bytes, usize::MAX)
}

/// Parses `bytes` like [`parse`], but fails when the document has more than `max_values` values. The
/// members of objects, the elements of arrays and the document itself count.
///
/// # Errors
/// The errors of [`parse`], or one violation at the whole body when there are more values.
pub fn parse_limited(
    bytes: &[u8],
    max_values: usize,
) -> Result<(Value, Vec<Violation>), Violation> {
    let mut state = State {
        duplicates: Vec::new(),
        fatal: None,
        values: 0,
        max_values,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = StrictValue {
        location: None,
        state: &mut state,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok((value, state.duplicates)),
        Err(_) if bytes.is_empty() => Err(Violation::in_body(
            "",
            "must not be empty: send a JSON object",
        )),
        // The reasons that serde_json gives for bad syntax do not quote the input.
        Err(error) => Err(state.fatal.unwrap_or_else(|| {
            Violation::in_body(
                "",
                format!("is not JSON: {}", printable(&error.to_string())),
            )
        })),
    }
}

/// The state of the parser.
struct State {
    duplicates: Vec<Violation>,
    /// The violation that ended the parsing.
    fatal: Option<Violation>,
    /// The number of values so far.
    values: usize,
    max_values: usize,
}

impl State {
    fn count_value<E: Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        if self.values > self.max_values {
            let problem = format!("has more than {} values", self.max_values);
            return Err(self.fail(Violation::in_body("", problem)));
        }
        Ok(())
    }

    /// Stores the violation, and returns the error that ends the parsing.
    fn fail<E: Error>(&mut self, violation: Violation) -> E {
        self.fatal = Some(violation);
        E::custom("the violation is stored")
    }

    fn add_duplicate(&mut self, object: Option<&Location<'_>>, key: &str) {
        if self.duplicates.len() < MAX_VIOLATIONS {
            let pointer = pointer(object) + &child_pointer("", key);
            let problem = Violation::in_body(pointer, "is there twice");
            self.duplicates.push(problem);
        }
    }
}

/// The location of a value inside an array or object.
struct Location<'p> {
    /// The location of the array or object; `None` when that is the whole document.
    parent: Option<&'p Location<'p>>,
    segment: Segment<'p>,
    /// The number of arrays and objects around the value.
    depth: usize,
}

enum Segment<'p> {
    Key(&'p str),
    Index(usize),
}

/// The JSON pointer of a location. It is cut at [`MAX_POINTER`].
fn pointer(location: Option<&Location<'_>>) -> String {
    let Some(location) = location else {
        return String::new();
    };
    let mut pointer = pointer(location.parent);
    if pointer.len() < MAX_POINTER {
        pointer += &match location.segment {
            Segment::Key(key) => child_pointer("", key),
            Segment::Index(index) => child_pointer("", &index.to_string()),
        };
    }
    pointer
}

/// Deserialises one value to the same `Value` as `serde_json`, and collects violations.
struct StrictValue<'a> {
    /// The location of the value; `None` when it is the whole document.
    location: Option<&'a Location<'a>>,
    state: &'a mut State,
}

impl StrictValue<'_> {
    /// The depth of the values in this array or object.
    ///
    /// # Errors
    /// When it is larger than [`MAX_DEPTH`].
    fn inner_depth<E: Error>(&mut self) -> Result<usize, E> {
        let depth = self.location.map_or(0, |location| location.depth);
        if depth == MAX_DEPTH {
            let problem = format!("is nested deeper than {MAX_DEPTH} levels");
            let violation = Violation::in_body(pointer(self.location), problem);
            return Err(self.state.fail(violation));
        }
        Ok(depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.state.count_value()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
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
        let depth = self.inner_depth()?;
        let mut items = Vec::new();
        loop {
            let location = Location {
                parent: self.location,
                segment: Segment::Index(items.len()),
                depth,
            };
            let item = seq.next_element_seed(StrictValue {
                location: Some(&location),
                state: &mut *self.state,
            })?;
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.inner_depth()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let location = Location {
                parent: self.location,
                segment: Segment::Key(&key),
                depth,
            };
            let value = map.next_value_seed(StrictValue {
                location: Some(&location),
                state: &mut *self.state,
            })?;
            match object.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => self.state.add_duplicate(self.location, entry.key()),
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
    fn valid_json_is_parsed_as_by_serde_json() {
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
    fn every_duplicate_key_is_reported_and_the_first_value_is_kept() {
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
    fn a_document_with_more_values_than_the_limit_is_an_error() {
        // The document, its three members, and the two elements of one of them.
        let text = br#"{"a":1,"b":[2,{}],"a":3}"#;
        let (_, duplicates) = parse_limited(text, 6).unwrap();
        assert_eq!(duplicates.len(), 1);
        let violation = parse_limited(text, 5).unwrap_err();
        assert_eq!(violation, Violation::in_body("", "has more than 5 values"));
    }

    #[test]
    fn only_the_first_of_many_duplicate_keys_are_reported() {
        let text = format!("{{\"a\":0{}}}", r#","a":1"#.repeat(1000));
        let (value, violations) = parse(text.as_bytes()).unwrap();
        assert_eq!(value, serde_json::json!({"a": 0}));
        assert_eq!(violations.len(), MAX_VIOLATIONS);
    }

    #[test]
    fn the_error_for_invalid_json_does_not_repeat_the_text() {
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

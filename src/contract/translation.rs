//! Translates OpenAPI 3.0 schemas to JSON Schema draft 4. OpenAPI's own keywords (`nullable`, `readOnly`,
//! `writeOnly`) and formats (`int32`, `int64`) become keywords of draft 4.
//!
//! [`super::supported`] has checked all keywords before, so that the translation of a parsed contract
//! always compiles. Imports the module's `located` and `schema`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::located::component_name;
use super::schema::Direction;

/// The keywords that have the same meaning in draft 4.
const UNCHANGED: [&str; 16] = [
    "type",
    "format",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Whether properties that a schema does not name are violations.
#[derive(Clone, Copy, PartialEq)]
enum Closing {
    /// Only if the contract forbids them, by `additionalProperties: false`.
    AsWritten,
    /// Always, unless the contract has `additionalProperties`.
    Closed,
    /// As written for the properties of the value itself, and [`Self::Closed`] for the values within it.
    /// This is for the members of an `allOf`, for example: each may name properties of the value.
    ClosedBelow,
}

impl Closing {
    /// The closing of the values within a value.
    fn below(self) -> Self {
        match self {
            Self::AsWritten => Self::AsWritten,
            Self::Closed | Self::ClosedBelow => Self::Closed,
        }
    }

    /// The closing of a schema that is one of several for the same value.
    fn beside_others(self) -> Self {
        match self {
            Self::AsWritten => Self::AsWritten,
            Self::Closed | Self::ClosedBelow => Self::ClosedBelow,
        }
    }
}

/// The schema at `pointer` as one JSON Schema of draft 4. `definitions` has the component schemas to which
/// it refers.
pub(super) fn bundle(document: &Value, pointer: &str, direction: Direction) -> Value {
    let mut translation = Translation {
        document,
        direction,
        definitions: Map::new(),
    };
    let closing = match direction {
        Direction::Request => Closing::AsWritten,
        Direction::Response => Closing::Closed,
    };
    let component = pointer.strip_prefix("/components/schemas/");
    // A component schema becomes a definition, since it may refer to itself.
    let mut schema = match component.filter(|name| !name.contains('/')) {
        Some(name) => json!({ "allOf": [translation.component(name, closing)] }),
        None => translation.schema(document.pointer(pointer).unwrap_or(&Value::Null), closing),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("definitions".to_owned(), translation.definitions.into());
    }
    schema
}

struct Translation<'d> {
    document: &'d Value,
    direction: Direction,
    definitions: Map<String, Value>,
}

impl<'d> Translation<'d> {
    /// A reference to a component schema. Adds the schema to the definitions.
    fn component(&mut self, name: &str, closing: Closing) -> Value {
        let key = match closing {
            Closing::AsWritten => format!("{name}:as-written"),
            Closing::Closed => name.to_owned(),
            Closing::ClosedBelow => format!("{name}:closed-below"),
        };
        let reference = json!({ "$ref": format!("#/definitions/{key}") });
        if !self.definitions.contains_key(&key) {
            // Inserted before the translation, which comes here again when the schema refers to itself.
            self.definitions.insert(key.clone(), Value::Null);
            let schema = self.component_schema(name);
            let schema = self.schema(schema, closing);
            self.definitions.insert(key, schema);
        }
        reference
    }

    fn schema(&mut self, schema: &Value, closing: Closing) -> Value {
        if let Some(name) = reference(schema) {
            return self.component(&name, closing);
        }
        let mut out = Map::new();
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            let translated = match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    let properties = properties.iter().filter(|(_, it)| !self.is_hidden(it));
                    let properties: Vec<_> = properties.collect();
                    let below = closing.below();
                    let translated = properties
                        .into_iter()
                        .map(|(name, schema)| (name.clone(), self.schema(schema, below)));
                    Value::Object(translated.collect())
                }
                ("required", Value::Array(names)) => {
                    let names: Vec<&Value> = names
                        .iter()
                        .filter(|name| !self.is_optional(schema, name))
                        .collect();
                    // Draft 4 has no empty `required`.
                    if names.is_empty() {
                        continue;
                    }
                    json!(names)
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(members)) => members
                    .iter()
                    .map(|member| self.schema(member, closing.beside_others()))
                    .collect(),
                ("not", _) => self.schema(value, Closing::AsWritten),
                ("items" | "additionalProperties", Value::Object(_)) => {
                    self.schema(value, closing.below())
                }
                ("additionalProperties", _) => value.clone(),
                (keyword, _) if UNCHANGED.contains(&keyword) => value.clone(),
                _ => continue,
            };
            out.insert(keyword.clone(), translated);
        }
        if closing == Closing::Closed {
            self.close(schema, &mut out);
        }
        add_bounds_of_format(schema, &mut out);
        allow_null(schema, &mut out);
        Value::Object(out)
    }

    /// Forbids all properties except those that the schema, or a member of its `allOf`, `anyOf` or
    /// `oneOf`, names. Does nothing when they name none or when one of them has `additionalProperties`.
    fn close(&self, schema: &Value, out: &mut Map<String, Value>) {
        let mut names = BTreeSet::new();
        if !self.property_names(schema, &mut names) || names.is_empty() {
            return;
        }
        let properties = out.entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(properties) = properties {
            for name in names {
                properties.entry(name).or_insert_with(|| json!({}));
            }
        }
        out.insert("additionalProperties".to_owned(), false.into());
    }

    /// Collects the names of the properties of a schema and of the members of its `allOf`, `anyOf` and
    /// `oneOf`. False when one of them has `additionalProperties`.
    fn property_names(&self, schema: &Value, names: &mut BTreeSet<String>) -> bool {
        if let Some(name) = reference(schema) {
            return self.property_names(self.component_schema(&name), names);
        }
        if schema.get("additionalProperties").is_some() {
            return false;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        let shown = properties.filter(|(_, property)| !self.is_hidden(property));
        names.extend(shown.map(|(name, _)| name.clone()));
        let lists = ["allOf", "anyOf", "oneOf"];
        let members = lists
            .iter()
            .filter_map(|keyword| schema.get(*keyword)?.as_array());
        members
            .flatten()
            .all(|member| self.property_names(member, names))
    }

    fn component_schema(&self, name: &str) -> &'d Value {
        let schema = self
            .document
            .pointer(&format!("/components/schemas/{name}"));
        schema.unwrap_or(&Value::Null)
    }

    /// Whether no value in this direction has the property: clients do not receive `writeOnly` ones.
    fn is_hidden(&self, property: &Value) -> bool {
        self.direction == Direction::Response && self.has_flag(property, "writeOnly")
    }

    /// Whether a required property may be absent from values in this direction: clients need not send
    /// `readOnly` properties.
    fn is_optional(&self, schema: &Value, name: &Value) -> bool {
        let name = name.as_str().unwrap_or_default();
        let property = schema
            .get("properties")
            .and_then(|properties| properties.get(name));
        property.is_some_and(|property| match self.direction {
            Direction::Request => self.has_flag(property, "readOnly"),
            Direction::Response => self.has_flag(property, "writeOnly"),
        })
    }

    fn has_flag(&self, schema: &Value, keyword: &str) -> bool {
        match reference(schema) {
            Some(name) => self.has_flag(self.component_schema(&name), keyword),
            None => schema.get(keyword).is_some_and(|value| value == true),
        }
    }
}

/// The name of the component schema to which the `$ref` of a schema leads, if it has one.
pub(super) fn reference(schema: &Value) -> Option<String> {
    component_name(schema.get("$ref")?.as_str()?, "schemas")
}

/// Adds the bounds of the format of a number, unless the schema has bounds of its own.
fn add_bounds_of_format(schema: &Value, out: &mut Map<String, Value>) {
    let (lowest, highest) = match schema["format"].as_str() {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Some("int64") if schema["type"] == "integer" => (i64::MIN, i64::MAX),
        _ => return,
    };
    out.entry("minimum").or_insert(lowest.into());
    out.entry("maximum").or_insert(highest.into());
}

/// Translates `nullable: true`.
fn allow_null(schema: &Value, out: &mut Map<String, Value>) {
    if schema["nullable"] != true {
        return;
    }
    if let Some(kind) = out.get_mut("type") {
        *kind = json!([kind.clone(), "null"]);
    }
    if let Some(Value::Array(values)) = out.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

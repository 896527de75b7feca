//! The rules for schemas: whether each keyword allows more or fewer values than before.
//!
//! Imports the module's `bounds`, `sides` and `walk`. Keywords are judged one by one. That is sound,
//! because a value must satisfy each of them: if every change makes the schema narrower, the schema as
//! a whole is narrower.

use serde_json::Value;

use super::bounds::End;
use super::sides::{Effect, Sides};
use super::walk::Walk;

impl Walk<'_> {
    /// A schema that may be absent: an absent schema allows every value.
    pub(super) fn optional_schema(&mut self, sides: Sides<'_>) {
        match (sides.old, sides.new) {
            (Some(old), Some(new)) => self.schema(old, new),
            (old, _) => self.allowed_values(constraint_effect(old.is_none()), sides),
        }
    }

    /// Two schemas that differ.
    pub(super) fn schema(&mut self, old: &Value, new: &Value) {
        self.schema_of(Sides::of(old, new), false);
    }

    /// Two schemas that differ. `may_be_absent`: whether they belong to a property that the new contract
    /// does not require.
    fn schema_of(&mut self, schema: Sides<'_>, may_be_absent: bool) {
        let (was, is) = (self.named(schema.old), self.named(schema.new));
        if was != is {
            return self.breaking(schema, "generated clients name its type after the schema");
        }
        if was.is_some() && schema.get("$ref").old != schema.get("$ref").new {
            self.compatible(schema, "the same type in another notation");
        }
        self.members(schema, |walk, keyword, sides| {
            if was.is_some() && ["$ref", "allOf"].contains(&keyword) {
                return;
            }
            walk.keyword(keyword, sides, schema, may_be_absent);
        });
    }

    /// A keyword that differs between the two sides of `schema`.
    fn keyword(&mut self, keyword: &str, sides: Sides<'_>, schema: Sides<'_>, may_be_absent: bool) {
        match keyword {
            "title" if self.is_inline() && schema.get("properties").old.is_some() => {
                self.breaking(sides, "generated clients name its type after it");
            }
            "title" | "description" | "example" | "externalDocs" | "deprecated" => {
                self.documentation(sides);
            }
            "type" => {
                let effect = replacement_effect(sides, &[("integer", "number")]);
                self.allowed_values(effect, sides);
            }
            "format" => self.format(sides, schema),
            "pattern" => self.allowed_values(replacement_effect(sides, &[]), sides),
            "multipleOf" => self.multiple_of(sides, schema),
            "minimum" | "exclusiveMinimum" => self.range(End::Lower, keyword, sides, schema),
            "maximum" | "exclusiveMaximum" => self.range(End::Upper, keyword, sides, schema),
            "minLength" | "minItems" | "minProperties" => self.count(End::Lower, sides),
            "maxLength" | "maxItems" | "maxProperties" => self.count(End::Upper, sides),
            "uniqueItems" => self.restricting_flag(sides),
            "nullable" => self.permitting_flag(sides),
            "readOnly" => self.read_only(sides, may_be_absent),
            "writeOnly" => self.write_only(sides),
            "enum" => self.enumeration(sides, schema),
            "required" => self.required(sides),
            "properties" => self.members(sides, |walk, name, sides| {
                walk.property(name, sides, schema);
            }),
            "additionalProperties" => self.additional_properties(sides),
            "items" => self.optional_schema(sides),
            "allOf" | "anyOf" => self.composition(keyword, sides),
            "default" => self.breaking(sides, "it is what an absent value means"),
            "x-error-codes" | "x-error-reasons" => self.statuses(sides),
            _ => self.other_key(keyword, sides),
        }
    }

    /// Whether the schema of the present keyword is written where it is used, without a name.
    fn is_inline(&self) -> bool {
        // `/components/schemas/Name/title`
        !(self.at.starts_with("/components/schemas/") && self.at.split('/').count() == 5)
    }

    /// A flag that allows fewer values when it is true.
    pub(super) fn restricting_flag(&mut self, sides: Sides<'_>) {
        let effect = match sides.flags() {
            Some((false, true)) => Effect::Narrower,
            Some((true, false)) => Effect::Wider,
            _ => Effect::Incomparable,
        };
        self.allowed_values(effect, sides);
    }

    /// A flag that allows more values when it is true.
    pub(super) fn permitting_flag(&mut self, sides: Sides<'_>) {
        let effect = match sides.flags() {
            Some((false, true)) => Effect::Wider,
            Some((true, false)) => Effect::Narrower,
            _ => Effect::Incomparable,
        };
        self.allowed_values(effect, sides);
    }

    /// `format`. Most formats of a string decide its type in generated clients.
    fn format(&mut self, sides: Sides<'_>, schema: Sides<'_>) {
        let kind = schema.get("type");
        let is_string = |kind: Option<&Value>| kind.is_some_and(|kind| kind == "string");
        if (is_string(kind.old) || is_string(kind.new))
            && type_format(sides.old) != type_format(sides.new)
        {
            return self.breaking(
                sides,
                "generated clients give the value another type, like datetime in Python",
            );
        }
        let wider = [("int32", "int64"), ("float", "double")];
        self.allowed_values(replacement_effect(sides, &wider), sides);
    }

    /// `readOnly`: clients do not send the value.
    fn read_only(&mut self, sides: Sides<'_>, may_be_absent: bool) {
        match sides.flags() {
            Some(_) if !self.usage.is_sent() => {
                self.compatible(sides, "clients only receive it, before and after");
            }
            Some((false, true)) => self.breaking(sides, "clients may send what is refused now"),
            Some((true, false)) if may_be_absent => {
                self.compatible(sides, "clients may still leave it out");
            }
            Some((true, false)) => self.breaking(sides, "old clients do not send it"),
            _ => self.without_rule(sides),
        }
    }

    /// `writeOnly`: clients do not receive the value.
    fn write_only(&mut self, sides: Sides<'_>) {
        match sides.flags() {
            Some(_) if !self.usage.is_received() => {
                self.compatible(sides, "clients only send it, and go on to");
            }
            Some((false, true)) => self.breaking(sides, "clients may read it"),
            Some((true, false)) => {
                self.compatible(sides, "clients ignore properties that they do not know");
            }
            _ => self.without_rule(sides),
        }
    }

    fn enumeration(&mut self, sides: Sides<'_>, schema: Sides<'_>) {
        let is_flag = schema.get("type").old.is_some_and(|kind| kind == "boolean");
        match sides.both() {
            // Generated clients make no type of an enum of booleans.
            None if is_flag => self.allowed_values(constraint_effect(sides.old.is_none()), sides),
            None => self.breaking(sides, "generated clients make a type of an enum"),
            Some((old, new)) => match set_difference(old, new) {
                Some(difference) => {
                    let effect = match (difference.removed.is_empty(), difference.added.is_empty())
                    {
                        (false, true) => Effect::Narrower,
                        (true, false) => Effect::Wider,
                        _ => Effect::Incomparable,
                    };
                    self.allowed_values_as(effect, sides, difference.text());
                }
                None => self.without_rule(sides),
            },
        }
    }

    /// `required`: fewer names allow more values.
    fn required(&mut self, sides: Sides<'_>) {
        let none = Value::Array(Vec::new());
        let (old, new) = (sides.old.unwrap_or(&none), sides.new.unwrap_or(&none));
        let Some(difference) = set_difference(old, new) else {
            return self.without_rule(sides);
        };
        let effect = match (difference.removed.is_empty(), difference.added.is_empty()) {
            (false, true) => Effect::Wider,
            (true, false) => Effect::Narrower,
            _ => Effect::Incomparable,
        };
        self.allowed_values_as(effect, sides, difference.text());
    }

    /// A property of the object schema `object`, which allows all other properties, none of them, or
    /// those that match a schema.
    fn property(&mut self, name: &str, sides: Sides<'_>, object: Sides<'_>) {
        match (sides.old, sides.new) {
            (Some(_), Some(_)) => {
                let required = object.get("required").new.and_then(Value::as_array);
                let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
                self.schema_of(sides, !is_required);
            }
            (Some(_), None) => self.breaking(sides, "clients may send or read this property"),
            (None, _) => match object.get("additionalProperties").old {
                None if self.usage.is_in_one_of_or_not => {
                    self.allowed_values(Effect::Narrower, sides);
                }
                // If clients have to send it, the change of `required` is reported as breaking.
                None => self.compatible(
                    sides,
                    "clients do not know it: they neither send nor read it",
                ),
                Some(Value::Bool(false)) => self.allowed_values(Effect::Wider, sides),
                Some(_) => self.allowed_values(Effect::Incomparable, sides),
            },
        }
    }

    fn additional_properties(&mut self, sides: Sides<'_>) {
        // The normal form drops `true` and `{}`, which mean the same as an absent keyword.
        let effect = match (sides.old, sides.new) {
            (None, _) | (Some(Value::Object(_)), Some(Value::Bool(false))) => Effect::Narrower,
            (_, None) | (Some(Value::Bool(false)), Some(Value::Object(_))) => Effect::Wider,
            (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                return self.schema(old, new);
            }
            _ => Effect::Incomparable,
        };
        self.allowed_values(effect, sides);
    }
}

/// The effect of a constraint that is new, or else gone.
fn constraint_effect(is_new: bool) -> Effect {
    if is_new {
        Effect::Narrower
    } else {
        Effect::Wider
    }
}

/// The effect of another text of a keyword like `type`, whose text selects a set of values. In each of
/// the pairs, the second text allows more values than the first.
fn replacement_effect(sides: Sides<'_>, pairs: &[(&str, &str)]) -> Effect {
    let Some((old, new)) = sides.both() else {
        return constraint_effect(sides.old.is_none());
    };
    let is_pair = |one: &Value, other: &Value| pairs.iter().any(|(a, b)| one == a && other == b);
    if is_pair(old, new) {
        Effect::Wider
    } else if is_pair(new, old) {
        Effect::Narrower
    } else {
        Effect::Incomparable
    }
}

/// The format of a string if generated clients may give it a type of its own. That holds for every
/// format but those known to stay strings in openapi-generator's Java, Kotlin, Python and Rust.
fn type_format(format: Option<&Value>) -> Option<&Value> {
    format.filter(|format| *format != "email" && *format != "hostname")
}

/// The differences between two sets.
struct SetDifference<'a> {
    removed: Vec<&'a Value>,
    added: Vec<&'a Value>,
}

impl SetDifference<'_> {
    fn text(&self) -> String {
        let joined = |values: &[&Value]| {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            texts.join(", ")
        };
        match (self.removed.as_slice(), self.added.as_slice()) {
            ([], []) => "the same values in another notation".to_owned(),
            (removed, []) => format!("gone: {}", joined(removed)),
            ([], added) => format!("new: {}", joined(added)),
            (removed, added) => format!("gone: {}, new: {}", joined(removed), joined(added)),
        }
    }
}

/// What only one of two sets has. None when they are not lists.
fn set_difference<'a>(old: &'a Value, new: &'a Value) -> Option<SetDifference<'a>> {
    let (old, new) = old.as_array().zip(new.as_array())?;
    Some(SetDifference {
        removed: old.iter().filter(|value| !new.contains(value)).collect(),
        added: new.iter().filter(|value| !old.contains(value)).collect(),
    })
}

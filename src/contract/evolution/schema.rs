//! The rules for schemas: whether each keyword allows more values than it did, or fewer.
//!
//! Imports the module's `bounds`, `composition`, `sides` and `walk`. Keywords are judged one by one,
//! which is sound: a value must satisfy each of them, so that a schema whose every change is narrower
//! is narrower as a whole.

use serde_json::Value;

use super::bounds::End;
use super::sides::{Effect, Sides};
use super::walk::Walk;

impl Walk<'_> {
    /// A schema that may be absent; no schema allows everything.
    pub(super) fn optional_schema(&mut self, sides: Sides<'_>) {
        match (sides.old, sides.new) {
            (Some(old), Some(new)) => self.schema(old, new),
            (old, _) => self.values(appeared(old.is_none()), sides),
        }
    }

    /// Two schemas that differ.
    pub(super) fn schema(&mut self, old: &Value, new: &Value) {
        self.schema_of(Sides::of(old, new), false);
    }

    /// Two schemas that differ; `may_be_absent`: those of a property that is not required now.
    fn schema_of(&mut self, around: Sides<'_>, may_be_absent: bool) {
        let (was, is) = (self.named(around.old), self.named(around.new));
        if was != is {
            return self.breaking(around, "generated clients name its type after the schema");
        }
        if was.is_some() && around.get("$ref").old != around.get("$ref").new {
            self.compatible(around, "the same type, written otherwise");
        }
        self.members(around, |walk, keyword, sides| {
            if was.is_some() && ["$ref", "allOf"].contains(&keyword) {
                return;
            }
            walk.keyword(keyword, sides, around, may_be_absent);
        });
    }

    /// A keyword that differs, in the schemas `around` it.
    fn keyword(&mut self, keyword: &str, sides: Sides<'_>, around: Sides<'_>, may_be_absent: bool) {
        match keyword {
            "title" if self.is_inline() && around.get("properties").old.is_some() => {
                self.breaking(sides, "generated clients name its type after it");
            }
            "title" | "description" | "example" | "externalDocs" | "deprecated" => {
                self.documentation(sides);
            }
            "type" => self.values(replaced(sides, &[("integer", "number")]), sides),
            "format" => self.format(sides, around),
            "pattern" => self.values(replaced(sides, &[]), sides),
            "multipleOf" => self.multiple_of(sides, around),
            "minimum" | "exclusiveMinimum" => self.range(End::Lower, keyword, sides, around),
            "maximum" | "exclusiveMaximum" => self.range(End::Upper, keyword, sides, around),
            "minLength" | "minItems" | "minProperties" => self.count(End::Lower, sides),
            "maxLength" | "maxItems" | "maxProperties" => self.count(End::Upper, sides),
            "uniqueItems" => self.narrows(sides),
            "nullable" => self.widens(sides),
            "readOnly" => self.read_only(sides, may_be_absent),
            "writeOnly" => self.write_only(sides),
            "enum" => self.enumeration(sides, around),
            "required" => self.required(sides),
            "properties" => self.members(sides, |walk, name, sides| {
                walk.property(name, sides, around);
            }),
            "additionalProperties" => self.additional_properties(sides),
            "items" => self.optional_schema(sides),
            "allOf" | "anyOf" => self.composition(keyword, sides),
            "default" => self.breaking(sides, "it is what an absent value means"),
            "x-error-codes" | "x-error-reasons" => self.statuses(sides),
            _ => self.other(keyword, sides),
        }
    }

    /// Whether the schema around this keyword stands where it is used, without a name.
    fn is_inline(&self) -> bool {
        // `/components/schemas/Name/title`
        !(self.at.starts_with("/components/schemas/") && self.at.split('/').count() == 5)
    }

    /// A flag that allows fewer values when it is set.
    pub(super) fn narrows(&mut self, sides: Sides<'_>) {
        let effect = match sides.flags() {
            Some((false, true)) => Effect::Narrower,
            Some((true, false)) => Effect::Wider,
            _ => Effect::Incomparable,
        };
        self.values(effect, sides);
    }

    /// A flag that allows more values when it is set.
    pub(super) fn widens(&mut self, sides: Sides<'_>) {
        let effect = match sides.flags() {
            Some((false, true)) => Effect::Wider,
            Some((true, false)) => Effect::Narrower,
            _ => Effect::Incomparable,
        };
        self.values(effect, sides);
    }

    /// Of a text, most formats decide which type generated clients give it.
    fn format(&mut self, sides: Sides<'_>, around: Sides<'_>) {
        let kind = around.get("type");
        let is_text = |kind: Option<&Value>| kind.is_some_and(|kind| kind == "string");
        if (is_text(kind.old) || is_text(kind.new)) && typed(sides.old) != typed(sides.new) {
            return self.breaking(
                sides,
                "generated clients give the value another type, like datetime in Python",
            );
        }
        let wider = [("int32", "int64"), ("float", "double")];
        self.values(replaced(sides, &wider), sides);
    }

    /// What is `readOnly` is not sent.
    fn read_only(&mut self, sides: Sides<'_>, may_be_absent: bool) {
        match sides.flags() {
            Some(_) if !self.users.is_sent() => {
                self.compatible(sides, "clients only receive it, and go on to");
            }
            Some((false, true)) => self.breaking(sides, "clients may send what is refused now"),
            Some((true, false)) if may_be_absent => {
                self.compatible(sides, "clients may go on to leave it out");
            }
            Some((true, false)) => self.breaking(sides, "old clients do not send it"),
            _ => self.unknown(sides),
        }
    }

    /// What is `writeOnly` is not received.
    fn write_only(&mut self, sides: Sides<'_>) {
        match sides.flags() {
            Some(_) if !self.users.is_received() => {
                self.compatible(sides, "clients only send it, and go on to");
            }
            Some((false, true)) => self.breaking(sides, "clients may read it"),
            Some((true, false)) => {
                self.compatible(sides, "clients ignore properties that they do not know");
            }
            _ => self.unknown(sides),
        }
    }

    fn enumeration(&mut self, sides: Sides<'_>, around: Sides<'_>) {
        let is_flag = around.get("type").old.is_some_and(|kind| kind == "boolean");
        match sides.both() {
            // Of `true` and `false` generated clients make no type.
            None if is_flag => self.values(appeared(sides.old.is_none()), sides),
            None => self.breaking(sides, "generated clients make a type of an enum"),
            Some((old, new)) => match lost_and_gained(old, new) {
                Some(delta) => {
                    let effect = match (delta.lost.is_empty(), delta.gained.is_empty()) {
                        (false, true) => Effect::Narrower,
                        (true, false) => Effect::Wider,
                        _ => Effect::Incomparable,
                    };
                    self.values_as(effect, sides, delta.text());
                }
                None => self.unknown(sides),
            },
        }
    }

    /// Fewer names allow more values.
    fn required(&mut self, sides: Sides<'_>) {
        let none = Value::Array(Vec::new());
        let (old, new) = (sides.old.unwrap_or(&none), sides.new.unwrap_or(&none));
        let Some(delta) = lost_and_gained(old, new) else {
            return self.unknown(sides);
        };
        let effect = match (delta.lost.is_empty(), delta.gained.is_empty()) {
            (false, true) => Effect::Wider,
            (true, false) => Effect::Narrower,
            _ => Effect::Incomparable,
        };
        self.values_as(effect, sides, delta.text());
    }

    /// A property of an object; objects are open, closed, or have a schema for all other properties.
    fn property(&mut self, name: &str, sides: Sides<'_>, object: Sides<'_>) {
        match (sides.old, sides.new) {
            (Some(_), Some(_)) => {
                let required = object.get("required").new.and_then(Value::as_array);
                let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
                self.schema_of(sides, !is_required);
            }
            (Some(_), None) => self.breaking(sides, "clients may send or read this property"),
            (None, _) => match object.get("additionalProperties").old {
                // Where it has to be sent, `required` says that this breaks clients.
                None => self.compatible(
                    sides,
                    "clients do not know it: they neither send nor read it",
                ),
                Some(Value::Bool(false)) => self.values(Effect::Wider, sides),
                Some(_) => self.values(Effect::Incomparable, sides),
            },
        }
    }

    fn additional_properties(&mut self, sides: Sides<'_>) {
        // The normal form drops `true` and `{}`: they are what an absent keyword says.
        let effect = match (sides.old, sides.new) {
            (None, _) | (Some(Value::Object(_)), Some(Value::Bool(false))) => Effect::Narrower,
            (_, None) | (Some(Value::Bool(false)), Some(Value::Object(_))) => Effect::Wider,
            (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                return self.schema(old, new);
            }
            _ => Effect::Incomparable,
        };
        self.values(effect, sides);
    }
}

/// What a constraint does that was not there before, or is not there any more.
fn appeared(is_new: bool) -> Effect {
    if is_new {
        Effect::Narrower
    } else {
        Effect::Wider
    }
}

/// A text that stands for a set of values; of each pair, the second allows more than the first.
fn replaced(sides: Sides<'_>, pairs: &[(&str, &str)]) -> Effect {
    let Some((old, new)) = sides.both() else {
        return appeared(sides.old.is_none());
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

/// The format of a text, if generated clients make a type of it. What is not known to stay a text
/// in openapi-generator's Java, Kotlin, Python and Rust counts as a type.
fn typed(format: Option<&Value>) -> Option<&Value> {
    format.filter(|format| *format != "email" && *format != "hostname")
}

/// How two sets differ.
struct Delta<'a> {
    lost: Vec<&'a Value>,
    gained: Vec<&'a Value>,
}

impl Delta<'_> {
    fn text(&self) -> String {
        let listed = |values: &[&Value]| {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            texts.join(", ")
        };
        match (self.lost.as_slice(), self.gained.as_slice()) {
            ([], []) => "the same values otherwise".to_owned(),
            (lost, []) => format!("gone: {}", listed(lost)),
            ([], gained) => format!("new: {}", listed(gained)),
            (lost, gained) => format!("gone: {}, new: {}", listed(lost), listed(gained)),
        }
    }
}

/// What one set has and the other has not; none when they are no lists.
fn lost_and_gained<'a>(old: &'a Value, new: &'a Value) -> Option<Delta<'a>> {
    let (old, new) = old.as_array().zip(new.as_array())?;
    Some(Delta {
        lost: old.iter().filter(|value| !new.contains(value)).collect(),
        gained: new.iter().filter(|value| !old.contains(value)).collect(),
    })
}

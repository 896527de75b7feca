//! The rules for schemas: whether each keyword allows more values than it did, or fewer.
//!
//! Imports the room's `found`. Keywords are judged one by one, which is sound: a value must satisfy
//! each of them, so that a schema whose every change is narrower is narrower as a whole.

use serde_json::Value;

use super::found::{Effect, Sides, Walk};

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
        let sides = Sides {
            old: Some(old),
            new: Some(new),
        };
        if old.get("$ref").is_some() || new.get("$ref").is_some() {
            return self.breaking(sides, "generated clients name its type after the schema");
        }
        self.members(sides, |walk, keyword, sides| {
            walk.keyword(keyword, sides, old);
        });
    }

    /// A keyword that differs; `schema` is the old schema around it.
    fn keyword(&mut self, keyword: &str, sides: Sides<'_>, schema: &Value) {
        match keyword {
            "title" if self.is_inline() && schema.get("properties").is_some() => {
                self.breaking(sides, "generated clients name its type after it");
            }
            "title" | "description" | "example" | "externalDocs" | "deprecated" => {
                self.documentation(sides);
            }
            "type" => self.values(replaced(sides, &[("integer", "number")]), sides),
            "format" => {
                let wider = [("int32", "int64"), ("float", "double")];
                self.values(replaced(sides, &wider), sides);
            }
            "pattern" | "multipleOf" => self.values(replaced(sides, &[]), sides),
            "minimum" | "minLength" | "minItems" | "minProperties" => {
                self.values(bound(sides, f64::gt), sides);
            }
            "maximum" | "maxLength" | "maxItems" | "maxProperties" => {
                self.values(bound(sides, f64::lt), sides);
            }
            "exclusiveMinimum" | "exclusiveMaximum" | "uniqueItems" => self.narrows(sides),
            "nullable" => self.widens(sides),
            "enum" => self.enumeration(sides),
            "required" => self.required(sides),
            "properties" => self.members(sides, |walk, _, sides| walk.property(sides, schema)),
            "additionalProperties" => self.additional_properties(sides),
            "items" => self.optional_schema(sides),
            "allOf" | "anyOf" => self.composition(sides),
            "default" => self.breaking(sides, "it is what an absent value means"),
            _ => self.unknown(sides),
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

    fn enumeration(&mut self, sides: Sides<'_>) {
        match sides.both() {
            None => self.values(appeared(sides.old.is_none()), sides),
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

    /// A property of an object that was open, closed, or had a schema for all other properties.
    fn property(&mut self, sides: Sides<'_>, object: &Value) {
        match (sides.old, sides.new) {
            (Some(old), Some(new)) => self.schema(old, new),
            (Some(_), None) => self.breaking(sides, "clients may send or read this property"),
            (None, _) => match object.get("additionalProperties") {
                None => self.values(Effect::Narrower, sides),
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

    /// As many members as before: each is compared with the one in its place. A value satisfies all
    /// of them, or any, so that the whole gets wider or narrower as its members do.
    fn composition(&mut self, sides: Sides<'_>) {
        let lists = sides
            .both()
            .and_then(|(old, new)| old.as_array().zip(new.as_array()))
            .filter(|(old, new)| old.len() == new.len());
        let Some((old, new)) = lists else {
            return self.unknown(sides);
        };
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            if old != new {
                self.inside(&index.to_string(), |walk| walk.schema(old, new));
            }
        }
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

/// A bound; `is_stricter(new, old)` says whether the new one allows less.
fn bound(sides: Sides<'_>, is_stricter: fn(&f64, &f64) -> bool) -> Effect {
    let Some((old, new)) = sides.both() else {
        return appeared(sides.old.is_none());
    };
    // Numbers that a float cannot tell apart are neither stricter nor looser.
    match old.as_f64().zip(new.as_f64()) {
        Some((old, new)) if is_stricter(&new, &old) => Effect::Narrower,
        Some((old, new)) if is_stricter(&old, &new) => Effect::Wider,
        _ => Effect::Incomparable,
    }
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

//! The rules for `allOf` and `anyOf`, and for `$ref`, which decides the type in generated clients.
//!
//! Imports the module's `sides` and `walk`.

use serde_json::Value;

use super::sides::{Pair, Sides};
use super::walk::Walk;

/// The keywords that do not make a new type of an `allOf` with one `$ref`: generated clients use the type
/// that the `$ref` names.
const ANNOTATIONS: [&str; 9] = [
    "allOf",
    "title",
    "description",
    "nullable",
    "deprecated",
    "readOnly",
    "writeOnly",
    "default",
    "externalDocs",
];

/// The largest number of nested levels of `allOf` that are followed.
const MAX_DEPTH: usize = 8;

impl Walk<'_> {
    /// The component schema that names the type of a value: the target of a `$ref`, or of an `allOf`
    /// that contains one `$ref` (the only way to write keywords beside a `$ref` in `OpenAPI` 3.0).
    pub(super) fn named<'v>(&self, schema: Option<&'v Value>) -> Option<&'v str> {
        let schema = schema?;
        let target = |schema: &'v Value| schema.get("$ref").and_then(Value::as_str);
        if let Some(target) = target(schema) {
            return Some(target);
        }
        let is_annotated = |key: &String| {
            ANNOTATIONS.contains(&key.as_str()) || key == "example" || key.starts_with("x-")
        };
        match schema
            .get("allOf")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
        {
            // A component schema is always a type of its own.
            Some([only])
                if !self.is_component()
                    && only.as_object()?.len() == 1
                    && schema.as_object()?.keys().all(is_annotated) =>
            {
                target(only)
            }
            _ => None,
        }
    }

    /// Whether the present place is a component schema: `/components/schemas/Name`.
    fn is_component(&self) -> bool {
        self.at.starts_with("/components/schemas/") && self.at.split('/').count() == 4
    }

    /// The rule for `allOf` and `anyOf`. It covers lists with the same number of members as before. Members
    /// that are not merely reordered are compared one by one: with either keyword, the schema accepts
    /// more when a member accepts more, and less when a member accepts less.
    pub(super) fn composition(&mut self, keyword: &str, sides: Sides<'_>) {
        let lists = sides
            .both()
            .and_then(|(old, new)| old.as_array().zip(new.as_array()))
            .filter(|(old, new)| old.len() == new.len());
        let Some((old, new)) = lists else {
            return self.without_rule(sides);
        };
        if is_reordered(old, new) {
            return self.reordered(keyword, sides, old, new);
        }
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            if old != new {
                let index = index.to_string();
                let pair = Pair {
                    old_name: &index,
                    new_name: &index,
                    sides: Sides::of(old, new),
                };
                self.at_member(&pair, |walk| walk.schema(old, new));
            }
        }
    }

    fn reordered(&mut self, keyword: &str, sides: Sides<'_>, old: &[Value], new: &[Value]) {
        let document = self.old_document();
        if keyword == "allOf" {
            let [was, is] = [old, new].map(|members| property_names(document, members, 0));
            if was == is {
                self.compatible(sides, "all of them apply, in any order");
            } else {
                self.breaking(
                    sides,
                    "generated clients take the properties in this order: the same call compiles and swaps the values",
                );
            }
        } else if have_distinct_types(document, old) {
            self.compatible(sides, "a value fits at most one of them, in any order");
        } else {
            self.breaking(sides, "generated clients take the first one that fits");
        }
    }
}

/// Whether a schema extends, by `allOf`, a schema with a `discriminator`. Where the document has the
/// extended schema, values of the extending one are possible, too.
pub(super) fn is_variant(document: &Value, schema: &Value) -> bool {
    extends_discriminated(document, schema, 0)
}

fn extends_discriminated(document: &Value, schema: &Value, depth: usize) -> bool {
    let members = schema.get("allOf").and_then(Value::as_array);
    // Schemas may refer to themselves. A chain that is too long counts as one with a discriminator.
    depth > MAX_DEPTH
        || members.into_iter().flatten().any(|member| {
            let member = resolved(document, member);
            member.get("discriminator").is_some()
                || extends_discriminated(document, member, depth + 1)
        })
}

/// Whether the lists have the same values in another order.
fn is_reordered(old: &[Value], new: &[Value]) -> bool {
    let mut unmatched: Vec<&Value> = new.iter().collect();
    old.iter().all(|value| {
        let found = unmatched.iter().position(|other| *other == value);
        found.map(|index| unmatched.remove(index)).is_some()
    })
}

/// The schema that a member of a list refers to, or the member itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str);
    target
        .and_then(|target| document.pointer(target.trim_start_matches('#')))
        .unwrap_or(schema)
}

/// The names of all properties in the members of an `allOf`, in order.
fn property_names<'a>(document: &'a Value, members: &'a [Value], depth: usize) -> Vec<&'a str> {
    let mut names = Vec::new();
    // Schemas may refer to themselves.
    if depth > MAX_DEPTH {
        return names;
    }
    for member in members {
        let member = resolved(document, member);
        if let Some(Value::Array(members)) = member.get("allOf") {
            names.extend(property_names(document, members, depth + 1));
        }
        let own = member.get("properties").and_then(Value::as_object);
        names.extend(own.into_iter().flatten().map(|(name, _)| name.as_str()));
    }
    names
}

/// Whether the types of these schemas ensure that no value fits two of them.
fn have_distinct_types(document: &Value, members: &[Value]) -> bool {
    let kind = |schema| match resolved(document, schema).get("type")?.as_str()? {
        "integer" => Some("number"),
        kind => Some(kind),
    };
    let kinds: Option<Vec<&str>> = members.iter().map(kind).collect();
    kinds.is_some_and(|mut kinds| {
        kinds.sort_unstable();
        kinds.windows(2).all(|pair| pair[0] != pair[1])
    })
}

//! The order of properties and parameters.
//!
//! Generated clients take both by position: a constructor in Rust, Kotlin or C# takes the properties
//! of a schema, a method in nearly all languages the parameters of an operation. The normal form
//! keeps the order in which they are written (a path's parameters before those of the operation, as
//! generators have them), and comparing two objects ignores it; so this is a walk of its own.
//!
//! Imports the module's `operations`, `parameters`, `sides`, `users` and `walk`.

use std::cell::LazyCell;

use serde_json::{Map, Value};

use super::super::diff::METHODS;
use super::operations::{is_same_path, label};
use super::parameters::renamed_parameters;
use super::sides::{Sides, is_now, pairs};
use super::users::{Users, users_of_schemas};
use super::walk::Walk;

const SWAPPED: &str =
    "generated clients take these in this order: the same call compiles and swaps the values";
const INSERTED: &str = "generated clients take these in this order: in the same call the values behind it go elsewhere";

impl Walk<'_> {
    /// The order of everything in two documents.
    pub(super) fn order(&mut self) {
        let (old, new) = (self.old_document(), self.new_document());
        let sides = Sides::of(old, new);
        self.each(
            sides.get("paths"),
            is_same_path,
            "paths",
            |walk, path, sides| {
                let outer =
                    std::mem::replace(&mut walk.renamed, renamed_parameters(path.0, path.1));
                for method in METHODS {
                    let operation = sides.get(method);
                    if let Some((old, new)) = operation.both()
                        && !is_identical(old, new)
                    {
                        let users = Users::of(label(path.0, method, old));
                        walk.with_users(users, |walk| {
                            walk.under(method, operation, |walk| {
                                walk.order_of_operation(operation);
                            });
                        });
                    }
                }
                walk.renamed = outer;
            },
        );
        // Most comparisons find no schema that differs.
        let users = LazyCell::new(|| users_of_schemas(old));
        let schemas = sides.get("components").get("schemas");
        self.under("components", sides.get("components"), |walk| {
            walk.each(
                schemas,
                |_, _| false,
                "schemas",
                |walk, name, sides| {
                    if sides
                        .both()
                        .is_some_and(|(old, new)| !is_identical(old, new))
                    {
                        let users = users.get(name.0).cloned().unwrap_or_default();
                        walk.with_users(users, |walk| walk.order_within(sides, false));
                    }
                },
            );
        });
    }

    /// Walks on, under a key, in each member that two objects share, whether it differs or not.
    fn each(
        &mut self,
        sides: Sides<'_>,
        is_renamed: impl Fn(&str, &str) -> bool,
        key: &str,
        walk_on: impl Fn(&mut Self, (&str, &str), Sides<'_>),
    ) {
        let Some((Value::Object(old), Value::Object(new))) = sides.both() else {
            return;
        };
        self.under(key, sides, |walk| {
            for pair in pairs(old, new, is_renamed) {
                if pair.sides.both().is_some() {
                    walk.inside(&pair, |walk| {
                        walk_on(walk, (pair.old_name, pair.new_name), pair.sides);
                    });
                }
            }
        });
    }

    fn order_of_operation(&mut self, sides: Sides<'_>) {
        let parameters = sides.get("parameters");
        if let Some((Value::Object(old), Value::Object(new))) = parameters.both() {
            let is_required = |parameters: &Map<String, Value>, name: &str| {
                parameters.get(name).and_then(|one| one.get("required")) == Some(&Value::Bool(true))
            };
            let renamed = self.renamed.clone();
            let old_name = |new: &str| {
                let pair = renamed.iter().find(|(_, renamed)| renamed == new);
                pair.map_or_else(|| new.to_owned(), |(old, _)| old.clone())
            };
            let old: Names = old
                .keys()
                .map(|name| (name.clone(), is_required(old, name)))
                .collect();
            let new: Names = new
                .keys()
                .map(|name| (old_name(name), is_required(new, name)))
                .collect();
            self.under("parameters", parameters, |walk| {
                walk.order_of(parameters, &old, &new);
            });
        }
        self.order_within(sides, false);
    }

    /// The order of the properties of each schema within two values; `are_names` says whether the
    /// keys of the values are names rather than keywords.
    fn order_within(&mut self, sides: Sides<'_>, are_names: bool) {
        match sides.both() {
            Some((Value::Object(old), Value::Object(new))) => {
                if !are_names {
                    self.order_of_properties(sides);
                }
                // A media type may be written in another letter case.
                for pair in pairs(old, new, str::eq_ignore_ascii_case) {
                    let key = pair.old_name;
                    if pair.sides.both().is_none() || (!are_names && is_data(key)) {
                        continue;
                    }
                    self.inside(&pair, |walk| {
                        walk.order_within(pair.sides, !are_names && holds_names(key));
                    });
                }
            }
            Some((Value::Array(old), Value::Array(new))) => {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    let sides = Sides::of(old, new);
                    self.under(&index.to_string(), sides, |walk| {
                        walk.order_within(sides, false);
                    });
                }
            }
            _ => {}
        }
    }

    fn order_of_properties(&mut self, schema: Sides<'_>) {
        let properties = schema.get("properties");
        let Some((Value::Object(old), Value::Object(new))) = properties.both() else {
            return;
        };
        let names = |properties: &Map<String, Value>, required: Option<&Value>| -> Names {
            let required = required.and_then(Value::as_array);
            let is_required = |name: &String| {
                required.is_some_and(|all| all.iter().any(|one| one == name.as_str()))
            };
            properties
                .keys()
                .map(|name| (name.clone(), is_required(name)))
                .collect()
        };
        let required = schema.get("required");
        let (old, new) = (names(old, required.old), names(new, required.new));
        self.under("properties", properties, |walk| {
            walk.order_of(properties, &old, &new);
        });
    }

    /// Compares two lists of names: as they are written, and with those that are required in front,
    /// which is how generators with optional arguments have them.
    fn order_of(&mut self, sides: Sides<'_>, old: &Names, new: &Names) {
        let common = |list: &Names, others: &Names| -> Names {
            let mut list = list.clone();
            list.retain(|(name, _)| others.iter().any(|(other, _)| other == name));
            list
        };
        let (old_common, new_common) = (common(old, new), common(new, old));
        for by_need in [false, true] {
            let [was, is] = [&old_common, &new_common].map(|names| listed(names, by_need));
            if was != is {
                return self.breaking_as(sides, is_now(&was, &is), SWAPPED);
            }
        }
        let is_old = |name: &String| old.iter().any(|(other, _)| other == name);
        let Some(last) = new.iter().rposition(|(name, _)| is_old(name)) else {
            return;
        };
        let inserted: Vec<&str> = new[..last]
            .iter()
            .filter(|(name, _)| !is_old(name))
            .map(|(name, _)| short(name))
            .collect();
        if !inserted.is_empty() {
            let [was, is] = [old, new].map(|names| listed(names, false));
            self.breaking_as(sides, is_now(&was, &is), INSERTED);
        }
    }
}

/// Whether two values are equal, and in the same order.
fn is_identical(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((a, one), (b, other))| a == b && is_identical(one, other))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_identical(one, other))
        }
        _ => one == other,
    }
}

/// Names in order, each with whether it is required.
type Names = Vec<(String, bool)>;

/// The names as text; `by_need`: those that are required first.
fn listed(names: &Names, by_need: bool) -> String {
    let mut names: Vec<&(String, bool)> = names.iter().collect();
    if by_need {
        names.sort_by_key(|(_, is_required)| !is_required);
    }
    let names: Vec<&str> = names.iter().map(|(name, _)| short(name)).collect();
    names.join(", ")
}

/// The name of a parameter, whose key in normal form is `query page`; a property's as it is.
fn short(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(_, name)| name)
}

/// The keywords whose keys are names.
fn holds_names(keyword: &str) -> bool {
    [
        "properties",
        "parameters",
        "responses",
        "headers",
        "content",
    ]
    .contains(&keyword)
}

/// The keywords that hold plain data.
fn is_data(keyword: &str) -> bool {
    ["example", "default", "enum", "callbacks", "links"].contains(&keyword)
        || keyword.starts_with("x-")
}

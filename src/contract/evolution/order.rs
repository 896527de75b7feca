//! The order of properties and parameters.
//!
//! Generated clients take both by position: constructors in Rust, Kotlin and C# take the properties of
//! a schema, and methods in nearly all languages take the parameters of an operation. The normal form
//! keeps the order in which they are written (the parameters of a path come before those of the
//! operation, as in generated code). The comparison of objects ignores the order, so this is a
//! separate walk.
//!
//! Imports the module's `operations`, `parameters`, `sides`, `usage` and `walk`.

use std::cell::LazyCell;

use serde_json::{Map, Value};

use super::super::diff::METHODS;
use super::operations::{is_same_path, label};
use super::parameters::renamed_parameters;
use super::sides::{Sides, change_text, pairs};
use super::usage::{SchemaUsage, maps_names, usage_of_schemas};
use super::walk::Walk;

const REORDERED: &str =
    "generated clients take these in this order: the same call compiles and swaps the values";
const INSERTED: &str = "generated clients take these in this order: an existing call passes the later values elsewhere";

impl Walk<'_> {
    /// Compares the order of all parameters and properties.
    pub(super) fn order(&mut self) {
        let (old, new) = (self.old_document(), self.new_document());
        let sides = Sides::of(old, new);
        self.common_members(
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
                        let usage = SchemaUsage::of(label(path.0, method, old));
                        walk.with_usage(usage, |walk| {
                            walk.at_key(method, operation, |walk| {
                                walk.order_of_operation(operation);
                            });
                        });
                    }
                }
                walk.renamed = outer;
            },
        );
        // Computed at the first schema that differs: often there is none.
        let usage = LazyCell::new(|| usage_of_schemas(old));
        let schemas = sides.get("components").get("schemas");
        self.at_key("components", sides.get("components"), |walk| {
            walk.common_members(
                schemas,
                |_, _| false,
                "schemas",
                |walk, name, sides| {
                    if sides
                        .both()
                        .is_some_and(|(old, new)| !is_identical(old, new))
                    {
                        let usage = usage.get(name.0).cloned().unwrap_or_default();
                        walk.with_usage(usage, |walk| walk.order_within(sides, false));
                    }
                },
            );
        });
    }

    /// Runs `walk_on` at each member that two objects under a key have in common, equal or not.
    fn common_members(
        &mut self,
        sides: Sides<'_>,
        is_renamed: impl Fn(&str, &str) -> bool,
        key: &str,
        walk_on: impl Fn(&mut Self, (&str, &str), Sides<'_>),
    ) {
        let Some((Value::Object(old), Value::Object(new))) = sides.both() else {
            return;
        };
        self.at_key(key, sides, |walk| {
            for pair in pairs(old, new, is_renamed) {
                if pair.sides.both().is_some() {
                    walk.at_member(&pair, |walk| {
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
            self.at_key("parameters", parameters, |walk| {
                walk.order_of(parameters, &old, &new);
            });
        }
        self.order_within(sides, false);
    }

    /// Compares the order of properties in each schema within two values. `are_names`: whether the keys
    /// of the values are names that the contract chose, and not keywords.
    fn order_within(&mut self, sides: Sides<'_>, are_names: bool) {
        match sides.both() {
            Some((Value::Object(old), Value::Object(new))) => {
                if !are_names {
                    self.order_of_properties(sides);
                }
                // The letter case of a media type may differ.
                for pair in pairs(old, new, str::eq_ignore_ascii_case) {
                    let key = pair.old_name;
                    if pair.sides.both().is_none() || (!are_names && holds_data(key)) {
                        continue;
                    }
                    self.at_member(&pair, |walk| {
                        walk.order_within(pair.sides, !are_names && maps_names(key));
                    });
                }
            }
            Some((Value::Array(old), Value::Array(new))) => {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    let sides = Sides::of(old, new);
                    self.at_key(&index.to_string(), sides, |walk| {
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
        self.at_key("properties", properties, |walk| {
            walk.order_of(properties, &old, &new);
        });
    }

    /// Compares two lists of names: in the order of the contract, and with the required names first, as
    /// generators do for languages with optional arguments.
    fn order_of(&mut self, sides: Sides<'_>, old: &Names, new: &Names) {
        let common = |list: &Names, others: &Names| -> Names {
            let mut list = list.clone();
            list.retain(|(name, _)| others.iter().any(|(other, _)| other == name));
            list
        };
        let (old_common, new_common) = (common(old, new), common(new, old));
        for required_first in [false, true] {
            let [was, is] = [&old_common, &new_common].map(|names| joined(names, required_first));
            if was != is {
                return self.breaking_as(sides, change_text(&was, &is), REORDERED);
            }
        }
        let is_old = |name: &String| old.iter().any(|(other, _)| other == name);
        let Some(last) = new.iter().rposition(|(name, _)| is_old(name)) else {
            return;
        };
        let inserted: Vec<&str> = new[..last]
            .iter()
            .filter(|(name, _)| !is_old(name))
            .map(|(name, _)| display_name(name))
            .collect();
        if !inserted.is_empty() {
            let [was, is] = [old, new].map(|names| joined(names, false));
            self.breaking_as(sides, change_text(&was, &is), INSERTED);
        }
    }
}

/// Whether two values are equal including the order of their keys.
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

/// A list of names, each with whether it is required.
type Names = Vec<(String, bool)>;

/// The names as text, in their order or with the required ones first.
fn joined(names: &Names, required_first: bool) -> String {
    let mut names: Vec<&(String, bool)> = names.iter().collect();
    if required_first {
        names.sort_by_key(|(_, is_required)| !is_required);
    }
    let names: Vec<&str> = names.iter().map(|(name, _)| display_name(name)).collect();
    names.join(", ")
}

/// The name to show: that of a parameter without its location (`query page`), or of a property.
fn display_name(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(_, name)| name)
}

/// Whether the value of a keyword is plain data.
fn holds_data(keyword: &str) -> bool {
    ["example", "default", "enum", "callbacks", "links"].contains(&keyword)
        || keyword.starts_with("x-")
}

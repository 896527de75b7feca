//! The rules for the document itself, its paths, operations and components.
//!
//! Imports the module's `composition`, `operations`, `parameters`, `sides`, `usage` and `walk`.

use serde_json::Value;

use super::super::diff::METHODS;
use super::composition::is_variant;
use super::operations::{is_same_path, label};
use super::parameters::{is_optional, renamed_parameters};
use super::sides::{Pair, Sides, change_text};
use super::usage::{SchemaUsage, usage_of_schemas};
use super::walk::Walk;

impl Walk<'_> {
    pub(super) fn document(&mut self) {
        let sides = Sides::of(self.old_document(), self.new_document());
        self.members(sides, |walk, key, sides| match key {
            "info" => walk.members(sides, Walk::info),
            "servers" => walk.servers(sides),
            "tags" => walk.compatible(sides, "a declared tag is documentation"),
            "externalDocs" => walk.documentation(sides),
            "paths" => walk.paths(sides),
            "components" => walk.members(sides, Walk::components),
            _ => walk.other_key(key, sides),
        });
    }

    fn info(&mut self, key: &str, sides: Sides<'_>) {
        match key {
            // `verdict` compares the version with all other changes.
            "version" => {}
            "title" | "description" | "termsOfService" | "contact" | "license" => {
                self.documentation(sides);
            }
            _ => self.other_key(key, sides),
        }
    }

    /// The members of `paths`. A path is the same path after its parameters are renamed.
    fn paths(&mut self, sides: Sides<'_>) {
        self.members_with_renames(sides, is_same_path, |walk, pair| {
            if pair.old_name.starts_with("x-") {
                return walk.other_key(pair.old_name, pair.sides);
            }
            let renamed = renamed_parameters(pair.old_name, pair.new_name);
            let outer = std::mem::replace(&mut walk.renamed, renamed);
            if pair.old_name != pair.new_name {
                walk.renamed_path(pair);
            }
            walk.path(pair.old_name, pair.sides);
            walk.renamed = outer;
        });
    }

    fn renamed_path(&mut self, pair: &Pair<'_>) {
        let item = pair.sides.old.unwrap_or(&Value::Null);
        let labels = METHODS.iter().filter_map(|method| {
            let operation = item.get(method)?;
            Some(label(pair.old_name, method, operation))
        });
        let usage = SchemaUsage::of_all(labels.collect());
        let what = change_text(pair.old_name, pair.new_name);
        self.with_usage(usage, |walk| {
            walk.breaking_as(
                pair.sides,
                what,
                "generated clients name an argument after it: calls with named arguments fail",
            );
        });
    }

    fn path(&mut self, path: &str, sides: Sides<'_>) {
        let has_operation = |item: &Value| METHODS.iter().any(|method| item.get(method).is_some());
        if sides.both().is_none() && !sides.old.or(sides.new).is_some_and(has_operation) {
            // Without operations there is nothing that a client can call.
            return self.documentation(sides);
        }
        self.members(sides, |walk, key, sides| match key {
            method if METHODS.contains(&method) => walk.operation(path, method, sides),
            "summary" | "description" => walk.documentation(sides),
            _ => walk.other_key(key, sides),
        });
    }

    fn operation(&mut self, path: &str, method: &str, sides: Sides<'_>) {
        let known = sides.old.or(sides.new).unwrap_or(&Value::Null);
        let usage = SchemaUsage::of(label(path, method, known));
        self.with_usage(usage, |walk| match (sides.old, sides.new) {
            (Some(old), Some(new)) => {
                let allows_304 = gains_if_none_match(old, new);
                walk.members(sides, |walk, key, sides| {
                    walk.operation_member(key, sides, allows_304);
                });
            }
            (Some(_), None) => walk.breaking(sides, "clients call this operation"),
            (None, _) => walk.compatible(sides, "no client calls a new operation yet"),
        });
    }

    /// A member of an operation. `allows_304`: whether a new status 304 is compatible.
    fn operation_member(&mut self, key: &str, sides: Sides<'_>, allows_304: bool) {
        match key {
            "summary" | "description" | "externalDocs" | "deprecated" => self.documentation(sides),
            "operationId" => self.breaking(sides, "generated clients name their methods after it"),
            "tags" => self.tags(sides),
            "security" => self.security(sides),
            "parameters" => self.with_usage(self.usage.only_sent(), |walk| {
                walk.parameters(sides);
            }),
            "requestBody" => self.with_usage(self.usage.only_sent(), |walk| {
                walk.request_body(sides);
            }),
            "responses" => self.with_usage(self.usage.only_received(), |walk| {
                walk.members(sides, |walk, status, sides| {
                    walk.response(status, sides, allows_304);
                });
            }),
            "callbacks" => self.members(sides, |walk, _, sides| match sides.old {
                Some(_) => walk.breaking(sides, "clients may wait for these calls"),
                None => walk.compatible(sides, "the server calls only clients that ask for it"),
            }),
            _ => self.other_key(key, sides),
        }
    }

    fn tags(&mut self, sides: Sides<'_>) {
        let old = sides.old.and_then(Value::as_array);
        let new = sides.new.and_then(Value::as_array);
        match old.zip(new) {
            // The first tag names the module of a Python client.
            Some((old, new)) if !old.is_empty() && new.starts_with(old) => {
                self.compatible(
                    sides,
                    "generated clients keep the operation in the same group",
                );
            }
            _ => self.breaking(sides, "generated clients group their methods by tag"),
        }
    }

    /// Compatible if credentials for each of the old alternatives are still accepted.
    fn security(&mut self, sides: Sides<'_>) {
        let anonymous = [Value::Object(serde_json::Map::new())];
        let alternatives = |side: Option<&Value>| match side {
            None => Some(anonymous.to_vec()),
            Some(side) => side.as_array().cloned(),
        };
        match (alternatives(sides.old), alternatives(sides.new)) {
            (Some(old), Some(new))
                if old
                    .iter()
                    .all(|old| new.iter().any(|new| is_sufficient(old, new))) =>
            {
                self.compatible(sides, "the old credentials, or none, still suffice");
            }
            _ => self.breaking(
                sides,
                "old clients may not have the credentials that are required now",
            ),
        }
    }

    fn components(&mut self, section: &str, sides: Sides<'_>) {
        match section {
            "schemas" => {
                let usage = usage_of_schemas(self.old_document());
                self.members(sides, |walk, name, sides| {
                    let usage = usage.get(name).cloned().unwrap_or_default();
                    walk.with_usage(usage, |walk| match sides.both() {
                        Some((old, new)) => walk.schema(old, new),
                        None if sides.new.is_some_and(|new| is_variant(walk.new_document(), new)) => {
                            walk.breaking(
                                sides,
                                "clients may not know this variant of a schema with a discriminator",
                            );
                        }
                        None => walk.component(sides),
                    });
                });
            }
            "securitySchemes" => self.members(sides, |walk, _, sides| match sides.both() {
                Some(_) => walk.members(sides, |walk, key, sides| match key {
                    "description" => walk.documentation(sides),
                    _ if key.starts_with("x-") => walk.other_key(key, sides),
                    _ => walk.breaking(sides, "old clients authenticate in the old way"),
                }),
                None => walk.component(sides),
            }),
            // The normal form writes these out where an operation uses them, and keeps only unused ones here.
            "parameters" | "headers" | "responses" | "requestBodies" => {
                self.compatible(sides, "nothing refers to it");
            }
            _ => self.other_key(section, sides),
        }
    }

    /// A component that only one of the documents has.
    fn component(&mut self, sides: Sides<'_>) {
        if sides.old.is_some() {
            self.breaking(sides, "generated clients may use it by its name");
        } else {
            self.compatible(sides, "no client knows it yet");
        }
    }
}

/// Whether the operation gains an optional header `If-None-Match`. No old client sends the header, so
/// that no old client receives a 304.
fn gains_if_none_match(old: &Value, new: &Value) -> bool {
    let header = "/parameters/header if-none-match";
    old.pointer(header).is_none() && new.pointer(header).is_some_and(is_optional)
}

/// Whether credentials for the alternative `old` satisfy the alternative `new`.
fn is_sufficient(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return false;
    };
    new.iter().all(|(scheme, scopes)| {
        let had = old.get(scheme).and_then(Value::as_array);
        let needed = scopes.as_array();
        had.zip(needed)
            .is_some_and(|(had, needed)| needed.iter().all(|scope| had.contains(scope)))
    })
}

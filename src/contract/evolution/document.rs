//! The rules for the document, its paths, operations and components.
//!
//! Imports the module's `operations`, `parameters`, `sides`, `users` and `walk`.

use serde_json::Value;

use super::super::diff::METHODS;
use super::operations::{is_same_path, label};
use super::parameters::{is_optional, renamed_parameters};
use super::sides::{Pair, Sides, is_now};
use super::users::{Users, users_of_schemas};
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
            _ => walk.other(key, sides),
        });
    }

    fn info(&mut self, key: &str, sides: Sides<'_>) {
        match key {
            // The measure of all other changes, and none itself.
            "version" => {}
            "title" | "description" | "termsOfService" | "contact" | "license" => {
                self.documentation(sides);
            }
            _ => self.other(key, sides),
        }
    }

    /// The members of `paths`. A path whose parameters have other names now is the same path.
    fn paths(&mut self, sides: Sides<'_>) {
        self.renamable(sides, is_same_path, |walk, pair| {
            if pair.old_name.starts_with("x-") {
                return walk.other(pair.old_name, pair.sides);
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
        let users = Users::of_all(labels.collect());
        let what = is_now(pair.old_name, pair.new_name);
        self.with_users(users, |walk| {
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
            // A path without operations; a client cannot call it.
            return self.documentation(sides);
        }
        self.members(sides, |walk, key, sides| match key {
            method if METHODS.contains(&method) => walk.operation(path, method, sides),
            "summary" | "description" => walk.documentation(sides),
            _ => walk.other(key, sides),
        });
    }

    fn operation(&mut self, path: &str, method: &str, sides: Sides<'_>) {
        let known = sides.old.or(sides.new).unwrap_or(&Value::Null);
        let users = Users::of(label(path, method, known));
        self.with_users(users, |walk| match (sides.old, sides.new) {
            (Some(old), Some(new)) => {
                let revalidates = gains_if_none_match(old, new);
                walk.members(sides, |walk, key, sides| {
                    walk.operation_member(key, sides, revalidates);
                });
            }
            (Some(_), None) => walk.breaking(sides, "clients call this operation"),
            (None, _) => walk.compatible(sides, "no client calls a new operation yet"),
        });
    }

    /// `revalidates`: see [`gains_if_none_match`].
    fn operation_member(&mut self, key: &str, sides: Sides<'_>, revalidates: bool) {
        match key {
            "summary" | "description" | "externalDocs" | "deprecated" => self.documentation(sides),
            "operationId" => self.breaking(sides, "generated clients name their methods after it"),
            "tags" => self.tags(sides),
            "security" => self.security(sides),
            "parameters" => self.with_users(self.users.only_sent(), |walk| {
                walk.parameters(sides);
            }),
            "requestBody" => self.with_users(self.users.only_sent(), |walk| {
                walk.request_body(sides);
            }),
            "responses" => self.with_users(self.users.only_received(), |walk| {
                walk.members(sides, |walk, status, sides| {
                    walk.response(status, sides, revalidates);
                });
            }),
            "callbacks" => self.members(sides, |walk, _, sides| match sides.old {
                Some(_) => walk.breaking(sides, "clients may wait for these calls"),
                None => walk.compatible(sides, "the server calls those only who ask for it"),
            }),
            _ => self.other(key, sides),
        }
    }

    fn tags(&mut self, sides: Sides<'_>) {
        let old = sides.old.and_then(Value::as_array);
        let new = sides.new.and_then(Value::as_array);
        match old.zip(new) {
            // The first tag names the module of a Python client.
            Some((old, new)) if !old.is_empty() && new.starts_with(old) => {
                self.compatible(sides, "generated clients still have it where it was");
            }
            _ => self.breaking(sides, "generated clients group their methods by tag"),
        }
    }

    /// Compatible if each of the old ways in still suffices.
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
                    .all(|old| new.iter().any(|new| suffices(old, new))) =>
            {
                self.compatible(sides, "the old credentials, or none, still suffice");
            }
            _ => self.breaking(sides, "old clients may not have what is demanded now"),
        }
    }

    fn components(&mut self, section: &str, sides: Sides<'_>) {
        match section {
            "schemas" => {
                let users = users_of_schemas(self.old_document());
                self.members(sides, |walk, name, sides| {
                    let users = users.get(name).cloned().unwrap_or_default();
                    walk.with_users(users, |walk| match sides.both() {
                        Some((old, new)) => walk.schema(old, new),
                        None => walk.component(sides),
                    });
                });
            }
            "securitySchemes" => self.members(sides, |walk, _, sides| match sides.both() {
                Some(_) => walk.members(sides, |walk, key, sides| match key {
                    "description" => walk.documentation(sides),
                    _ if key.starts_with("x-") => walk.other(key, sides),
                    _ => walk.breaking(sides, "old clients identify themselves as it was"),
                }),
                None => walk.component(sides),
            }),
            // Those that an operation uses count there; the normal form has only the others here.
            "parameters" | "headers" | "responses" | "requestBodies" => {
                self.compatible(sides, "nothing refers to it");
            }
            _ => self.other(section, sides),
        }
    }

    /// A component that is only on one side.
    fn component(&mut self, sides: Sides<'_>) {
        if sides.old.is_some() {
            self.breaking(sides, "generated clients have something of this name");
        } else {
            self.compatible(sides, "no client knows it yet");
        }
    }
}

/// Whether the operation knows the header `If-None-Match` now and did not before: then nobody sends
/// it yet, and nobody gets the 304 that only its senders get.
fn gains_if_none_match(old: &Value, new: &Value) -> bool {
    let header = "/parameters/header if-none-match";
    old.pointer(header).is_none() && new.pointer(header).is_some_and(is_optional)
}

/// Whether credentials for the `old` alternative satisfy the `new` one.
fn suffices(old: &Value, new: &Value) -> bool {
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

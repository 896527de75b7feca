//! The rules for parameters and request bodies.
//!
//! Imports the module's `sides` and `walk`.

use serde_json::Value;

use super::sides::Sides;
use super::walk::Walk;

impl Walk<'_> {
    /// The parameters of an operation, with keys like `query page`.
    pub(super) fn parameters(&mut self, sides: Sides<'_>) {
        let renamed = self.renamed.clone();
        let is_renamed =
            |old: &str, new: &str| renamed.iter().any(|(was, is)| was == old && is == new);
        self.members_with_renames(sides, is_renamed, |walk, pair| walk.parameter(pair.sides));
    }

    fn parameter(&mut self, sides: Sides<'_>) {
        match (sides.old, sides.new) {
            (Some(_), None) => self.breaking(sides, "an unknown parameter is refused or ignored"),
            (None, Some(new)) if is_optional(new) => {
                self.compatible(sides, "clients may leave it out");
            }
            (None, _) => self.breaking(sides, "old clients do not send it"),
            (Some(_), Some(_)) => self.members(sides, |walk, key, sides| match key {
                // Already reported as a change of the path.
                "name" if !walk.renamed.is_empty() => {}
                "description" | "deprecated" => walk.documentation(sides),
                "required" => walk.restricting_flag(sides),
                "allowEmptyValue" => walk.permitting_flag(sides),
                "schema" => walk.optional_schema(sides),
                "x-default-with" => walk.breaking(
                    sides,
                    "it is what an absent value means beside the other parameter",
                ),
                "x-needs-paging" => walk.needs_paging(sides),
                _ => walk.other_key(key, sides),
            }),
        }
    }

    pub(super) fn request_body(&mut self, sides: Sides<'_>) {
        match (sides.old, sides.new) {
            (Some(_), None) => self.breaking(sides, "clients send a body"),
            (None, Some(new)) if is_optional(new) => {
                self.compatible(sides, "clients may leave it out");
            }
            (None, _) => self.breaking(sides, "old clients do not send it"),
            (Some(_), Some(_)) => self.members(sides, |walk, key, sides| match key {
                "description" => walk.documentation(sides),
                "required" => walk.restricting_flag(sides),
                "content" => walk.media_types(
                    sides,
                    |walk, sides| walk.breaking(sides, "clients send this media type"),
                    |walk, sides| walk.compatible(sides, "clients need not send it"),
                ),
                _ => walk.other_key(key, sides),
            }),
        }
    }

    /// The media types of a request or response. `removed` judges a media type that only the old
    /// contract has, `added` one that only the new contract has.
    pub(super) fn media_types(
        &mut self,
        sides: Sides<'_>,
        removed: fn(&mut Self, Sides<'_>),
        added: fn(&mut Self, Sides<'_>),
    ) {
        self.members_with_renames(sides, str::eq_ignore_ascii_case, |walk, pair| {
            match (pair.sides.old, pair.sides.new) {
                (Some(_), None) => return removed(walk, pair.sides),
                (None, _) => return added(walk, pair.sides),
                (Some(_), Some(_)) => {}
            }
            if pair.old_name != pair.new_name {
                let what = format!("{} is now {}", pair.old_name, pair.new_name);
                walk.compatible_as(pair.sides, what, "HTTP ignores the letter case");
            }
            walk.members(pair.sides, |walk, key, sides| match key {
                "schema" => walk.optional_schema(sides),
                _ => walk.other_key(key, sides),
            });
        });
    }
}

/// Whether a new parameter or request body may be left out.
pub(super) fn is_optional(new: &Value) -> bool {
    // The normal form drops `required: false`.
    new.is_object() && new.get("required").is_none()
}

/// The path parameters that have different names in two versions of one path, as keys of the normal
/// form.
pub(super) fn renamed_parameters(old: &str, new: &str) -> Vec<(String, String)> {
    let key = |segment: &str| format!("path {}", segment.trim_matches(['{', '}']));
    let segments = old.split('/').zip(new.split('/'));
    segments
        .filter(|(old, new)| old != new)
        .map(|(old, new)| (key(old), key(new)))
        .collect()
}

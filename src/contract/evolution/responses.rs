//! The rules for responses.
//!
//! Imports the module's `operations`, `sides` and `walk`.

use serde_json::Value;

use super::operations::operations;
use super::sides::Sides;
use super::walk::Walk;

impl Walk<'_> {
    /// The response for a status. `allows_304`: whether a new status 304 is compatible, because no old
    /// client can cause one.
    pub(super) fn response(&mut self, status: &str, sides: Sides<'_>, allows_304: bool) {
        match (sides.old, sides.new) {
            _ if status.starts_with("x-") => self.other_key(status, sides),
            (Some(_), None) => self.breaking(sides, "clients may wait for this status"),
            (None, Some(new)) if is_error(status) && self.is_envelope(new) => {
                self.compatible(sides, "clients expect new errors in the known envelope");
            }
            (None, _) if is_error(status) => {
                self.breaking(sides, "its body is not that of the known errors");
            }
            (None, Some(new)) if status == "304" && allows_304 && new.get("content").is_none() => {
                self.compatible(
                    sides,
                    "only clients that send the new If-None-Match receive it",
                );
            }
            (None, _) => self.breaking(sides, "clients do not expect this status"),
            (Some(_), Some(_)) => self.members(sides, Walk::response_member),
        }
    }

    fn response_member(&mut self, key: &str, sides: Sides<'_>) {
        match key {
            "description" => self.documentation(sides),
            "headers" => self.members(sides, |walk, _, sides| walk.header(sides)),
            "content" => self.media_types(
                sides,
                |walk, sides| walk.breaking(sides, "clients read this media type"),
                |walk, sides| walk.breaking(sides, "clients may receive what they cannot read"),
            ),
            "links" => self.members(sides, |walk, _, sides| match sides.old {
                Some(_) => walk.breaking(sides, "clients may follow it"),
                None => walk.compatible(sides, "no client follows it yet"),
            }),
            _ => self.other_key(key, sides),
        }
    }

    fn header(&mut self, sides: Sides<'_>) {
        match (sides.old, sides.new) {
            (Some(_), None) => self.breaking(sides, "clients may read it"),
            (None, _) => self.compatible(sides, "clients ignore headers that they do not know"),
            (Some(_), Some(_)) => self.members(sides, |walk, key, sides| match key {
                "description" | "deprecated" => walk.documentation(sides),
                "required" => walk.restricting_flag(sides),
                "schema" => walk.optional_schema(sides),
                _ => walk.other_key(key, sides),
            }),
        }
    }

    /// Whether a response has the same body as some error response of the old contract.
    fn is_envelope(&self, response: &Value) -> bool {
        let content = response.get("content");
        content.is_some()
            && operations(self.old_document()).any(|(_, _, operation, _)| {
                let responses = operation.get("responses").and_then(Value::as_object);
                let mut responses = responses.into_iter().flatten();
                responses.any(|(status, old)| is_error(status) && old.get("content") == content)
            })
    }
}

/// Whether a status like `404`, `4XX` or `503` is an error.
fn is_error(status: &str) -> bool {
    status.starts_with(['4', '5'])
}

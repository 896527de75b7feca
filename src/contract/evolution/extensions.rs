//! The rules for extensions (`x-…`). Clients rely on a few of them; all others are documentation.
//!
//! Imports the module's `sides` and `walk`.

use serde_json::Value;

use super::sides::Sides;
use super::walk::Walk;

/// The extensions that clients rely on. Each has a meaning at one place only:
///
/// - `x-error-codes`, `x-error-reasons` on the schema of a property: the values that it has at
///   present, each with the status of its responses. The set is open.
/// - `x-default-with` on a parameter: its value when it is absent and another parameter is present.
/// - `x-needs-paging` on a parameter: the values (`true` for all) that are accepted only together with paging parameters.
const RELIED_ON: [&str; 4] = [
    "x-error-codes",
    "x-error-reasons",
    "x-default-with",
    "x-needs-paging",
];

impl Walk<'_> {
    /// A key that the rules for its object do not handle.
    pub(super) fn other_key(&mut self, key: &str, sides: Sides<'_>) {
        if RELIED_ON.contains(&key) {
            self.breaking(sides, "this extension has no meaning here");
        } else if key.starts_with("x-") {
            self.documentation(sides);
        } else {
            self.without_rule(sides);
        }
    }

    /// `x-error-codes` or `x-error-reasons`: an object of statuses by name.
    pub(super) fn statuses(&mut self, sides: Sides<'_>) {
        let rule = |walk: &mut Self, sides: Sides<'_>| match sides.old {
            None => walk.compatible(sides, "the set is open: clients expect new ones"),
            Some(_) => walk.breaking(sides, "clients tell failures apart by it"),
        };
        match sides.both() {
            Some(_) => self.members(sides, |walk, _, sides| rule(walk, sides)),
            None => rule(self, sides),
        }
    }

    /// `x-needs-paging`: `true`, or a list of values.
    pub(super) fn needs_paging(&mut self, sides: Sides<'_>) {
        match (paging_need(sides.old), paging_need(sides.new)) {
            (Some(old), Some(new)) if old.includes(new) => {
                self.compatible(sides, "every request that was accepted still is");
            }
            (Some(_), Some(_)) => self.breaking(sides, "requests without paging are refused now"),
            _ => self.without_rule(sides),
        }
    }
}

/// The values of a parameter that require paging.
#[derive(Clone, Copy)]
enum PagingNeed<'a> {
    All,
    Values(&'a [Value]),
}

impl PagingNeed<'_> {
    fn includes(self, other: PagingNeed<'_>) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Values(_), PagingNeed::All) => false,
            (Self::Values(all), PagingNeed::Values(some)) => {
                some.iter().all(|value| all.contains(value))
            }
        }
    }
}

fn paging_need(side: Option<&Value>) -> Option<PagingNeed<'_>> {
    match side {
        None | Some(Value::Bool(false)) => Some(PagingNeed::Values(&[])),
        Some(Value::Bool(true)) => Some(PagingNeed::All),
        Some(Value::Array(values)) => Some(PagingNeed::Values(values)),
        Some(_) => None,
    }
}

//! The rules for extensions (`x-…`): a short list that clients rely on; all others are documentation.
//!
//! Imports the module's `sides` and `walk`.

use serde_json::Value;

use super::sides::Sides;
use super::walk::Walk;

/// The extensions that say what clients rely on, and where they stand. Elsewhere they mean nothing.
///
/// - `x-error-codes`, `x-error-reasons` on a property's schema: which values it has today, each
///   with the status of its responses. The set is open.
/// - `x-default-with` on a parameter: what it is when it is absent and another one is not.
/// - `x-needs-paging` on a parameter: the values (`true` for all) that need `page` or `limit` too.
const RELIED_ON: [&str; 4] = [
    "x-error-codes",
    "x-error-reasons",
    "x-default-with",
    "x-needs-paging",
];

impl Walk<'_> {
    /// A keyword that the rules for the object around it do not know.
    pub(super) fn other(&mut self, key: &str, sides: Sides<'_>) {
        if RELIED_ON.contains(&key) {
            self.breaking(sides, "this extension has no meaning here");
        } else if key.starts_with("x-") {
            self.documentation(sides);
        } else {
            self.unknown(sides);
        }
    }

    /// `x-error-codes` and `x-error-reasons`: statuses by name.
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

    /// `x-needs-paging`: true, or a list of values.
    pub(super) fn needs_paging(&mut self, sides: Sides<'_>) {
        match (needing(sides.old), needing(sides.new)) {
            (Some(old), Some(new)) if old.includes(new) => {
                self.compatible(sides, "no request that was fine needs more");
            }
            (Some(_), Some(_)) => self.breaking(sides, "requests without paging are refused now"),
            _ => self.unknown(sides),
        }
    }
}

/// The values of a parameter that need paging.
#[derive(Clone, Copy)]
enum Needing<'a> {
    All,
    These(&'a [Value]),
}

impl Needing<'_> {
    fn includes(self, other: Needing<'_>) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::These(_), Needing::All) => false,
            (Self::These(all), Needing::These(some)) => {
                some.iter().all(|value| all.contains(value))
            }
        }
    }
}

fn needing(side: Option<&Value>) -> Option<Needing<'_>> {
    match side {
        None | Some(Value::Bool(false)) => Some(Needing::These(&[])),
        Some(Value::Bool(true)) => Some(Needing::All),
        Some(Value::Array(values)) => Some(Needing::These(values)),
        Some(_) => None,
    }
}

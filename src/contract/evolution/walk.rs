//! The walk through two documents side by side, which collects the changes. It knows its place in both
//! documents and the operations that a change at this place affects.
//!
//! Imports the diff's normal form, and the module's `change`, `sides` and `usage`.

use serde_json::{Map, Value};

use super::super::diff::{Normalised, push};
use super::change::{Change, Occurrence, Severity};
use super::sides::{Effect, Pair, Sides, pairs};
use super::usage::{SchemaUsage, union};

/// The walk through two documents in normal form, side by side.
pub(super) struct Walk<'a> {
    old: &'a Normalised,
    new: &'a Normalised,
    /// The pointer to the present place in the normal form of the old document.
    pub(super) at: String,
    /// The same for the new document. It differs inside renamed members.
    new_at: String,
    /// The operations that a change at the present place affects.
    pub(super) usage: SchemaUsage,
    /// The renamed parameters of the present path: old and new keys of the normal form.
    pub(super) renamed: Vec<(String, String)>,
    /// The changes so far.
    pub(super) occurrences: Vec<Occurrence>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(old: &'a Normalised, new: &'a Normalised) -> Self {
        Self {
            old,
            new,
            at: String::new(),
            new_at: String::new(),
            usage: SchemaUsage::default(),
            renamed: Vec::new(),
            occurrences: Vec::new(),
        }
    }

    /// The old document, in normal form.
    pub(super) fn old_document(&self) -> &'a Value {
        &self.old.document
    }

    /// The new document, in normal form.
    pub(super) fn new_document(&self) -> &'a Value {
        &self.new.document
    }

    /// Applies `rule` to each member that differs between two objects. An absent side counts as an
    /// empty object; if a side is another value, the whole is a change that no rule covers.
    pub(super) fn members(&mut self, sides: Sides<'_>, rule: impl Fn(&mut Self, &str, Sides<'_>)) {
        self.members_with_renames(
            sides,
            |_, _| false,
            |walk, pair| {
                rule(walk, pair.old_name, pair.sides);
            },
        );
    }

    /// [`Walk::members`] of objects whose members may be renamed. `is_renamed` decides whether an old and a
    /// new name belong to the same member.
    pub(super) fn members_with_renames(
        &mut self,
        sides: Sides<'_>,
        is_renamed: impl Fn(&str, &str) -> bool,
        rule: impl Fn(&mut Self, &Pair<'_>),
    ) {
        let empty = Map::new();
        let object = |side: Option<&'_ Value>| side.is_none_or(Value::is_object);
        if !object(sides.old) || !object(sides.new) {
            return self.without_rule(sides);
        }
        let old = sides.old.and_then(Value::as_object).unwrap_or(&empty);
        let new = sides.new.and_then(Value::as_object).unwrap_or(&empty);
        for pair in pairs(old, new, is_renamed) {
            if pair.sides.old != pair.sides.new || pair.old_name != pair.new_name {
                self.at_member(&pair, |walk| rule(walk, &pair));
            }
        }
    }

    /// Moves to a member of the present place, runs `walk` there, and moves back.
    pub(super) fn at_member(&mut self, pair: &Pair<'_>, walk: impl FnOnce(&mut Self)) {
        let (length, new_length) = (self.at.len(), self.new_at.len());
        push(&mut self.at, pair.old_name);
        push(&mut self.new_at, pair.new_name);
        walk(self);
        self.at.truncate(length);
        self.new_at.truncate(new_length);
    }

    /// [`Walk::at_member`] for a member that has the same key on both sides.
    pub(super) fn at_key(&mut self, key: &str, sides: Sides<'_>, walk: impl FnOnce(&mut Self)) {
        let pair = Pair {
            old_name: key,
            new_name: key,
            sides,
        };
        self.at_member(&pair, walk);
    }

    /// Runs `walk` at a place that has another usage than the place around it.
    pub(super) fn with_usage(&mut self, usage: SchemaUsage, walk: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.usage, usage);
        walk(self);
        self.usage = outer;
    }

    /// Adds a breaking change.
    pub(super) fn breaking(&mut self, sides: Sides<'_>, why: &'static str) {
        self.breaking_as(sides, sides.text(), why);
    }

    /// [`Walk::breaking`] with a description of the change in place of both values.
    pub(super) fn breaking_as(&mut self, sides: Sides<'_>, what: String, why: &'static str) {
        let operations = union(&self.usage.sent, &self.usage.received);
        self.add(Severity::Breaking, operations, sides, what, why);
    }

    /// Adds a compatible change.
    pub(super) fn compatible(&mut self, sides: Sides<'_>, why: &'static str) {
        self.compatible_as(sides, sides.text(), why);
    }

    /// [`Walk::compatible`] with a description of the change in place of both values.
    pub(super) fn compatible_as(&mut self, sides: Sides<'_>, what: String, why: &'static str) {
        let operations = union(&self.usage.sent, &self.usage.received);
        self.add(Severity::Compatible, operations, sides, what, why);
    }

    /// Adds a compatible change of documentation.
    pub(super) fn documentation(&mut self, sides: Sides<'_>) {
        self.compatible(sides, "documentation");
    }

    /// Adds a breaking change, because no rule says what it does to clients.
    pub(super) fn without_rule(&mut self, sides: Sides<'_>) {
        self.breaking(sides, "no rule says that clients can handle this");
    }

    /// Adds a change of the set of allowed values. A narrower set breaks clients that send the value, a
    /// wider one breaks clients that receive it.
    pub(super) fn allowed_values(&mut self, effect: Effect, sides: Sides<'_>) {
        self.allowed_values_as(effect, sides, sides.text());
    }

    /// [`Walk::allowed_values`] with a description of the change in place of both values.
    pub(super) fn allowed_values_as(&mut self, effect: Effect, sides: Sides<'_>, what: String) {
        let SchemaUsage {
            sent,
            received,
            is_in_one_of_or_not,
        } = self.usage.clone();
        let (severity, operations, why) = match effect {
            Effect::Narrower | Effect::Wider if is_in_one_of_or_not => (
                Severity::Breaking,
                union(&sent, &received),
                "no rule says what this does within a oneOf or not",
            ),
            Effect::Narrower if self.usage.is_sent() => (
                Severity::Breaking,
                sent,
                "clients may send what is refused now",
            ),
            Effect::Wider if self.usage.is_received() => (
                Severity::Breaking,
                received,
                "clients may receive what was not promised before",
            ),
            Effect::Narrower => (
                Severity::Compatible,
                received,
                "clients receive nothing that was not promised before",
            ),
            Effect::Wider => (
                Severity::Compatible,
                sent,
                "all that clients could send is still accepted",
            ),
            Effect::Same => (
                Severity::Compatible,
                union(&sent, &received),
                "the same values in another notation",
            ),
            Effect::Incomparable => (
                Severity::Breaking,
                union(&sent, &received),
                "neither set of values is known to include the other",
            ),
        };
        self.add(severity, operations, sides, what, why);
    }

    /// Adds a change at the present place.
    fn add(
        &mut self,
        severity: Severity,
        operations: Vec<String>,
        sides: Sides<'_>,
        what: String,
        why: &'static str,
    ) {
        let origin = match sides.old {
            Some(_) => self.old.origin(&self.at),
            None => self.new.origin(&self.new_at),
        };
        let change = Change {
            severity,
            operations,
            pointers: vec![origin.pointer],
            what,
            why,
        };
        self.occurrences.push(Occurrence {
            change,
            old: sides.old.cloned(),
            new: sides.new.cloned(),
        });
    }
}

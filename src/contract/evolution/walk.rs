//! The walk through two documents, which collects the changes: where it stands in both, and which
//! operations a change there affects.
//!
//! Imports the diff's normal form, and the module's `change`, `sides` and `users`.

use serde_json::{Map, Value};

use super::super::diff::{Normalised, push};
use super::change::{Change, Found, Severity};
use super::sides::{Effect, Pair, Sides, pairs};
use super::users::{Users, union};

/// The walk through two documents in normal form, side by side.
pub(super) struct Walk<'a> {
    old: &'a Normalised,
    new: &'a Normalised,
    /// Where it stands, in the old document's normal form.
    pub(super) at: String,
    /// Where it stands in the new document's: elsewhere under what was renamed.
    new_at: String,
    /// Whom a change here concerns.
    pub(super) users: Users,
    /// The parameters of the path that have other names now, as keys of the normal form.
    pub(super) renamed: Vec<(String, String)>,
    pub(super) found: Vec<Found>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(old: &'a Normalised, new: &'a Normalised) -> Self {
        Self {
            old,
            new,
            at: String::new(),
            new_at: String::new(),
            users: Users::default(),
            renamed: Vec::new(),
            found: Vec::new(),
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

    /// Applies `rule` to each member of two objects that differs. What is no object on both sides
    /// (absent counts as empty) differs as a whole, which no rule explains.
    pub(super) fn members(&mut self, sides: Sides<'_>, rule: impl Fn(&mut Self, &str, Sides<'_>)) {
        self.renamable(
            sides,
            |_, _| false,
            |walk, pair| {
                rule(walk, pair.old_name, pair.sides);
            },
        );
    }

    /// [`Walk::members`] of an object in which a member may have another name now.
    pub(super) fn renamable(
        &mut self,
        sides: Sides<'_>,
        is_renamed: impl Fn(&str, &str) -> bool,
        rule: impl Fn(&mut Self, &Pair<'_>),
    ) {
        let empty = Map::new();
        let object = |side: Option<&'_ Value>| side.is_none_or(Value::is_object);
        if !object(sides.old) || !object(sides.new) {
            return self.unknown(sides);
        }
        let old = sides.old.and_then(Value::as_object).unwrap_or(&empty);
        let new = sides.new.and_then(Value::as_object).unwrap_or(&empty);
        for pair in pairs(old, new, is_renamed) {
            if pair.sides.old != pair.sides.new || pair.old_name != pair.new_name {
                self.inside(&pair, |walk| rule(walk, &pair));
            }
        }
    }

    /// Walks on in a member.
    pub(super) fn inside(&mut self, pair: &Pair<'_>, walk: impl FnOnce(&mut Self)) {
        let (length, new_length) = (self.at.len(), self.new_at.len());
        push(&mut self.at, pair.old_name);
        push(&mut self.new_at, pair.new_name);
        walk(self);
        self.at.truncate(length);
        self.new_at.truncate(new_length);
    }

    /// Walks on under a key that has the same name on both sides.
    pub(super) fn under(&mut self, key: &str, sides: Sides<'_>, walk: impl FnOnce(&mut Self)) {
        let pair = Pair {
            old_name: key,
            new_name: key,
            sides,
        };
        self.inside(&pair, walk);
    }

    /// Walks on in something that concerns others.
    pub(super) fn with_users(&mut self, users: Users, walk: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.users, users);
        walk(self);
        self.users = outer;
    }

    pub(super) fn breaking(&mut self, sides: Sides<'_>, why: &'static str) {
        self.breaking_as(sides, sides.text(), why);
    }

    /// [`Walk::breaking`], told in other words than both sides whole.
    pub(super) fn breaking_as(&mut self, sides: Sides<'_>, what: String, why: &'static str) {
        let operations = union(&self.users.sent, &self.users.received);
        self.add(Severity::Breaking, operations, sides, what, why);
    }

    pub(super) fn compatible(&mut self, sides: Sides<'_>, why: &'static str) {
        self.compatible_as(sides, sides.text(), why);
    }

    /// [`Walk::compatible`], told in other words than both sides whole.
    pub(super) fn compatible_as(&mut self, sides: Sides<'_>, what: String, why: &'static str) {
        let operations = union(&self.users.sent, &self.users.received);
        self.add(Severity::Compatible, operations, sides, what, why);
    }

    /// Text for people.
    pub(super) fn documentation(&mut self, sides: Sides<'_>) {
        self.compatible(sides, "documentation");
    }

    /// No rule knows what this does to clients.
    pub(super) fn unknown(&mut self, sides: Sides<'_>) {
        self.breaking(sides, "no rule says that clients can take this");
    }

    /// A change to the set of allowed values.
    pub(super) fn values(&mut self, effect: Effect, sides: Sides<'_>) {
        self.values_as(effect, sides, sides.text());
    }

    /// [`Walk::values`], told in other words than both sides whole.
    pub(super) fn values_as(&mut self, effect: Effect, sides: Sides<'_>, what: String) {
        let Users { sent, received } = self.users.clone();
        let (severity, operations, why) = match effect {
            Effect::Narrower if self.users.is_sent() => (
                Severity::Breaking,
                sent,
                "clients may send what is refused now",
            ),
            Effect::Wider if self.users.is_received() => (
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
                "the same values, written otherwise",
            ),
            Effect::Incomparable => (
                Severity::Breaking,
                union(&sent, &received),
                "neither does the old include the new nor the new the old, as far as can be told",
            ),
        };
        self.add(severity, operations, sides, what, why);
    }

    /// Adds a change at this place.
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
        self.found.push(Found {
            change,
            old: sides.old.cloned(),
            new: sides.new.cloned(),
        });
    }
}

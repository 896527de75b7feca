//! The changes that were found, and the walk that collects them: where it stands, in both
//! documents, and whom it concerns.
//!
//! Imports the diff's normal form and the room's `users`.

use std::fmt;

use serde_json::{Map, Value};

use super::super::diff::{Normalised, push};
use super::users::{self, Users};

/// Longer values are cut to this many characters.
const SHOWN: usize = 60;

/// How many operations a line names before it counts the rest.
const NAMED: usize = 3;

/// What a change does to clients of the old contract; breaking is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// They go on as before.
    Compatible,
    /// Some may fail, or not compile against a newly generated client.
    Breaking,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
        })
    }
}

/// One change from an old contract to a new one. As text it is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whether clients notice.
    pub severity: Severity,
    /// The operations concerned, as `listUsers (GET /api/users)`; none for the document itself and
    /// for what no operation uses.
    pub operations: Vec<String>,
    /// A JSON pointer to the place in the old contract as it is written; in the new one, for what is
    /// only there.
    pub pointer: String,
    /// What changed.
    pub what: String,
    /// Why that does or does not matter to clients.
    pub why: &'static str,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10}  ", self.severity)?;
        match self.operations.as_slice() {
            [] => f.write_str("the document")?,
            all if all.len() <= NAMED + 1 => f.write_str(&all.join(", "))?,
            [named @ .., _] => {
                let named = &named[..NAMED];
                let rest = self.operations.len() - NAMED;
                write!(f, "{} and {rest} more", named.join(", "))?;
            }
        }
        write!(f, ": {}: {}: {}", self.pointer, self.what, self.why)
    }
}

/// How the set of values that something allows has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Some values are not allowed any more.
    Narrower,
    /// More values are allowed.
    Wider,
    /// Both, or nobody can tell.
    Incomparable,
}

/// The two sides of a change: what stood there, and what stands there now.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) old: Option<&'a Value>,
    pub(super) new: Option<&'a Value>,
}

impl<'a> Sides<'a> {
    /// Both sides, if there are two.
    pub(super) fn both(self) -> Option<(&'a Value, &'a Value)> {
        self.old.zip(self.new)
    }

    /// Whether each side is `true`; absent flags are false, and other values are none.
    pub(super) fn flags(self) -> Option<(bool, bool)> {
        let flag = |side: Option<&Value>| side.map_or(Some(false), Value::as_bool);
        flag(self.old).zip(flag(self.new))
    }

    fn text(self) -> String {
        match (self.old.map(excerpt), self.new.map(excerpt)) {
            (Some(old), Some(new)) => format!("{old} is now {new}"),
            (Some(old), None) => format!("gone: {old}"),
            (None, Some(new)) => format!("new: {new}"),
            (None, None) => "unchanged".to_owned(),
        }
    }
}

/// The walk through two documents in normal form, side by side.
pub(super) struct Walk<'a> {
    old: &'a Normalised,
    new: &'a Normalised,
    /// Where it stands, in normal form.
    pub(super) at: String,
    /// Whom a change here concerns.
    pub(super) users: Users,
    pub(super) found: Vec<Change>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(old: &'a Normalised, new: &'a Normalised) -> Self {
        Self {
            old,
            new,
            at: String::new(),
            users: Users::default(),
            found: Vec::new(),
        }
    }

    /// The old document, in normal form.
    pub(super) fn old_document(&self) -> &'a Value {
        &self.old.document
    }

    /// Applies `rule` to each member of two objects that differs. What is no object on both sides
    /// (absent counts as empty) differs as a whole, which no rule explains.
    pub(super) fn members(&mut self, sides: Sides<'_>, rule: impl Fn(&mut Self, &str, Sides<'_>)) {
        let empty = Map::new();
        let object = |side: Option<&'_ Value>| side.is_none_or(Value::is_object);
        if !object(sides.old) || !object(sides.new) {
            return self.unknown(sides);
        }
        let old = sides.old.and_then(Value::as_object).unwrap_or(&empty);
        let new = sides.new.and_then(Value::as_object).unwrap_or(&empty);
        let added = new.keys().filter(|key| !old.contains_key(*key));
        for key in old.keys().chain(added) {
            let (old, new) = (old.get(key), new.get(key));
            if old != new {
                self.inside(key, |walk| rule(walk, key, Sides { old, new }));
            }
        }
    }

    /// Walks on under a key.
    pub(super) fn inside(&mut self, key: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.at.len();
        push(&mut self.at, key);
        walk(self);
        self.at.truncate(length);
    }

    /// Walks on in something that concerns others.
    pub(super) fn with_users(&mut self, users: Users, walk: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.users, users);
        walk(self);
        self.users = outer;
    }

    pub(super) fn breaking(&mut self, sides: Sides<'_>, why: &'static str) {
        let operations = users::union(&self.users.sent, &self.users.received);
        self.add(Severity::Breaking, operations, sides, sides.text(), why);
    }

    pub(super) fn compatible(&mut self, sides: Sides<'_>, why: &'static str) {
        let operations = users::union(&self.users.sent, &self.users.received);
        self.add(Severity::Compatible, operations, sides, sides.text(), why);
    }

    /// Text for people, or for nobody.
    pub(super) fn documentation(&mut self, sides: Sides<'_>) {
        self.compatible(sides, "documentation");
    }

    /// Nobody knows what this does to clients.
    pub(super) fn unknown(&mut self, sides: Sides<'_>) {
        self.breaking(sides, "no rule says that clients can take this");
    }

    /// A change to the set of allowed values.
    pub(super) fn values(&mut self, effect: Effect, sides: Sides<'_>) {
        self.values_as(effect, sides, sides.text());
    }

    /// The same, told in other words than both sides whole.
    pub(super) fn values_as(&mut self, effect: Effect, sides: Sides<'_>, what: String) {
        let Users { sent, received } = self.users.clone();
        // What no operation uses may be used in either way: generated clients have it.
        let is_unused = sent.is_empty() && received.is_empty();
        let is_sent = is_unused || !sent.is_empty();
        let is_received = is_unused || !received.is_empty();
        let (severity, operations, why) = match effect {
            Effect::Narrower if is_sent => (
                Severity::Breaking,
                sent,
                "clients may send what is refused now",
            ),
            Effect::Wider if is_received => (
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
            Effect::Incomparable => (
                Severity::Breaking,
                users::union(&sent, &received),
                "neither does the old include the new nor the new the old, as far as can be told",
            ),
        };
        self.add(severity, operations, sides, what, why);
    }

    /// Adds a change at this place, or its operations to the same change that a shared component
    /// caused elsewhere.
    fn add(
        &mut self,
        severity: Severity,
        operations: Vec<String>,
        sides: Sides<'_>,
        what: String,
        why: &'static str,
    ) {
        let document = if sides.old.is_some() {
            self.old
        } else {
            self.new
        };
        let change = Change {
            severity,
            operations,
            pointer: document.origin(&self.at).pointer,
            what,
            why,
        };
        let same = |other: &&mut Change| {
            (other.severity, &other.pointer, &other.what, other.why)
                == (change.severity, &change.pointer, &change.what, change.why)
        };
        match self.found.iter_mut().find(same) {
            Some(other) => other.operations = users::union(&other.operations, &change.operations),
            None => self.found.push(change),
        }
    }
}

fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

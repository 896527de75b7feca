//! A change from an old contract to a new one, its text, and the grouping of equal changes.
//!
//! Imports the diff's `places`, and the module's `usage`.

use std::fmt;

use serde_json::Value;

use super::super::diff::places::place_kind;
use super::usage::union;

/// The number of operations that the text of a change names. It only counts the others.
const NAMED: usize = 3;

/// What a change does to clients of the old contract. `Breaking` is the greater value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// They work as before.
    Compatible,
    /// Some may fail, or no longer compile with a newly generated client.
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

/// A change from an old contract to a new one. Its text is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What the change does to clients.
    pub severity: Severity,
    /// The labels of the operations that the change affects, like `listUsers (GET /api/users)`. Empty
    /// for a change of the document itself or of something that no operation uses.
    pub operations: Vec<String>,
    /// JSON pointers to all places of this change, at least one. They lead into the old contract as it
    /// is written, or into the new one for what only the new one has.
    pub pointers: Vec<String>,
    /// What changed.
    pub what: String,
    /// Why the change breaks clients, or why it does not.
    pub why: &'static str,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10}  ", self.severity)?;
        match self.operations.as_slice() {
            [] => f.write_str("the document")?,
            all if all.len() <= NAMED + 1 => f.write_str(&all.join(", "))?,
            all => {
                let (named, rest) = all.split_at(NAMED);
                write!(f, "{} and {} more", named.join(", "), rest.len())?;
            }
        }
        match self.pointers.as_slice() {
            [] => {}
            [place] => write!(f, ": {place}")?,
            [first, _] => write!(f, ": {first} and 1 more place")?,
            [first, rest @ ..] => write!(f, ": {first} and {} more places", rest.len())?,
        }
        write!(f, ": {}: {}", self.what, self.why)
    }
}

/// A change at one place, with both values uncut, unlike those in its text.
pub(super) struct Occurrence {
    pub(super) change: Change,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
}

/// Combines equal changes at several places into one. Most of them come from a shared component.
pub(super) fn group(occurrences: Vec<Occurrence>) -> Vec<Change> {
    let mut groups: Vec<(String, Occurrence)> = Vec::new();
    for occurrence in occurrences {
        let kind = occurrence
            .change
            .pointers
            .first()
            .map_or_else(String::new, |pointer| place_kind(pointer));
        let same = groups.iter_mut().find(|(other_kind, other)| {
            *other_kind == kind
                && other.old == occurrence.old
                && other.new == occurrence.new
                && other.change.severity == occurrence.change.severity
                && other.change.what == occurrence.change.what
                && other.change.why == occurrence.change.why
        });
        match same {
            Some((_, Occurrence { change, .. })) => {
                change.operations = union(&change.operations, &occurrence.change.operations);
                change.pointers = union(&change.pointers, &occurrence.change.pointers);
            }
            None => groups.push((kind, occurrence)),
        }
    }
    groups
        .into_iter()
        .map(|(_, occurrence)| occurrence.change)
        .collect()
}

//! One change from an old contract to a new one, and how many of them become a report.
//!
//! Imports the diff's `places`, and the module's `users`.

use std::fmt;

use serde_json::Value;

use super::super::diff::places::kind;
use super::users::union;

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
    /// JSON pointers to all places of this change, in the old contract as it is written; in the new
    /// one, for what is only there. There is at least one.
    pub pointers: Vec<String>,
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

/// A change at one place, and the values there, uncut.
pub(super) struct Found {
    pub(super) change: Change,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
}

/// Folds the same change at many places, which mostly comes of one shared component, into one.
pub(super) fn grouped(all: Vec<Found>) -> Vec<Change> {
    let mut groups: Vec<(String, Found)> = Vec::new();
    for found in all {
        let kind = found
            .change
            .pointers
            .first()
            .map_or_else(String::new, |at| kind(at));
        let same = groups.iter_mut().find(|(other_kind, other)| {
            *other_kind == kind
                && other.old == found.old
                && other.new == found.new
                && other.change.severity == found.change.severity
                && other.change.what == found.change.what
                && other.change.why == found.change.why
        });
        match same {
            Some((_, Found { change, .. })) => {
                change.operations = union(&change.operations, &found.change.operations);
                change.pointers = union(&change.pointers, &found.change.pointers);
            }
            None => groups.push((kind, found)),
        }
    }
    groups.into_iter().map(|(_, found)| found.change).collect()
}

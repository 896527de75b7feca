//! The old and the new side of a change, and the pairing of the members of two objects.
//!
//! Imports the diff's `excerpt`.

use serde_json::{Map, Value};

use super::super::diff::excerpt;

/// The change of a set of allowed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Some values are no longer allowed.
    Narrower,
    /// More values are allowed.
    Wider,
    /// The same values are allowed, in another notation.
    Same,
    /// Some values are no longer allowed and others are new, or the effect is not known.
    Incomparable,
}

/// The two sides of a change: the value at one place in the old and in the new document, if present.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) old: Option<&'a Value>,
    pub(super) new: Option<&'a Value>,
}

impl<'a> Sides<'a> {
    pub(super) fn of(old: &'a Value, new: &'a Value) -> Self {
        Self {
            old: Some(old),
            new: Some(new),
        }
    }

    /// Both values, if both are present.
    pub(super) fn both(self) -> Option<(&'a Value, &'a Value)> {
        self.old.zip(self.new)
    }

    /// The members with this key.
    pub(super) fn get(self, key: &str) -> Self {
        Self {
            old: self.old.and_then(|old| old.get(key)),
            new: self.new.and_then(|new| new.get(key)),
        }
    }

    /// Both values as flags; an absent flag is false. None if a value is not a boolean.
    pub(super) fn flags(self) -> Option<(bool, bool)> {
        let flag = |side: Option<&Value>| side.map_or(Some(false), Value::as_bool);
        flag(self.old).zip(flag(self.new))
    }

    /// The change as text for a report.
    pub(super) fn text(self) -> String {
        let [old, new] = [self.old, self.new].map(|side| side.map(Value::to_string));
        match (old, new) {
            (Some(old), Some(new)) => change_text(&old, &new),
            (Some(old), None) => format!("gone: {}", excerpt::beginning(&old)),
            (None, Some(new)) => format!("new: {}", excerpt::beginning(&new)),
            (None, None) => "unchanged".to_owned(),
        }
    }
}

/// The text of a change from one text to another; both are cut around their first difference.
pub(super) fn change_text(old: &str, new: &str) -> String {
    let (old, new) = excerpt::around_difference(old, new);
    format!("{old} is now {new}")
}

/// A member of two objects, present in one of them or in both.
pub(super) struct Pair<'a> {
    /// Its name in the old object, or in the new one if only that has it.
    pub(super) old_name: &'a str,
    /// Its name in the new object, or in the old one if only that has it.
    pub(super) new_name: &'a str,
    pub(super) sides: Sides<'a>,
}

/// The members of two objects, in the order of the old one. A member that the new object lacks is
/// paired with one that the old object lacks if `is_renamed` accepts their names.
pub(super) fn pairs<'a>(
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
    is_renamed: impl Fn(&str, &str) -> bool,
) -> Vec<Pair<'a>> {
    let mut added: Vec<&String> = new.keys().filter(|key| !old.contains_key(*key)).collect();
    let mut pairs = Vec::with_capacity(old.len() + added.len());
    for (name, value) in old {
        let renamed = match new.get(name) {
            Some(_) => None,
            None => added.iter().position(|other| is_renamed(name, other)),
        };
        let new_name = renamed.map_or(name, |index| added.remove(index));
        let sides = Sides {
            old: Some(value),
            new: new.get(new_name),
        };
        pairs.push(Pair {
            old_name: name,
            new_name,
            sides,
        });
    }
    pairs.extend(added.into_iter().map(|name| Pair {
        old_name: name,
        new_name: name,
        sides: Sides {
            old: None,
            new: new.get(name),
        },
    }));
    pairs
}

//! The two sides of a change, and how the members of two objects pair up.
//!
//! Imports the diff's excerpts.

use serde_json::{Map, Value};

use super::super::diff::excerpt;

/// How the set of values that something allows has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Some values are not allowed any more.
    Narrower,
    /// More values are allowed.
    Wider,
    /// The same values, in other words.
    Same,
    /// Both narrower and wider, or it cannot be told.
    Incomparable,
}

/// The two sides of a change: what stood there, and what stands there now.
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

    /// Both sides, if there are two.
    pub(super) fn both(self) -> Option<(&'a Value, &'a Value)> {
        self.old.zip(self.new)
    }

    /// The members under this key.
    pub(super) fn get(self, key: &str) -> Self {
        Self {
            old: self.old.and_then(|old| old.get(key)),
            new: self.new.and_then(|new| new.get(key)),
        }
    }

    /// Whether each side is `true`; absent flags are false, and other values are none.
    pub(super) fn flags(self) -> Option<(bool, bool)> {
        let flag = |side: Option<&Value>| side.map_or(Some(false), Value::as_bool);
        flag(self.old).zip(flag(self.new))
    }

    /// Both sides, for people.
    pub(super) fn text(self) -> String {
        let [old, new] = [self.old, self.new].map(|side| side.map(Value::to_string));
        match (old, new) {
            (Some(old), Some(new)) => is_now(&old, &new),
            (Some(old), None) => format!("gone: {}", excerpt::start(&old)),
            (None, Some(new)) => format!("new: {}", excerpt::start(&new)),
            (None, None) => "unchanged".to_owned(),
        }
    }
}

/// Two texts, cut around their first difference.
pub(super) fn is_now(old: &str, new: &str) -> String {
    let (old, new) = excerpt::both(old, new);
    format!("{old} is now {new}")
}

/// A member of two objects: on one side only, or on both.
pub(super) struct Pair<'a> {
    /// Its name in the old object; in the new one, for what is only there.
    pub(super) old_name: &'a str,
    /// Its name in the new object; in the old one, for what is only there.
    pub(super) new_name: &'a str,
    pub(super) sides: Sides<'a>,
}

/// The members of two objects, in the order of the old one. What is missing in the new object is
/// paired with what is only there if `is_renamed` says that it is the same under another name.
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

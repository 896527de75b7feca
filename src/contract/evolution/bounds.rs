//! The rules for bounds: `minimum` with `exclusiveMinimum`, `maximum` with `exclusiveMaximum`,
//! lengths and counts, and `multipleOf`.
//!
//! Imports the module's `sides` and `walk`.

use std::cmp::Ordering;

use serde_json::Value;

use super::sides::{Effect, Sides};
use super::walk::Walk;

/// A float represents every integer up to this one exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// An end of a range of numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Lower,
    Upper,
}

impl End {
    /// The keyword of the bound, and the keyword that excludes the bound itself.
    fn keywords(self) -> (&'static str, &'static str) {
        match self {
            Self::Lower => ("minimum", "exclusiveMinimum"),
            Self::Upper => ("maximum", "exclusiveMaximum"),
        }
    }
}

impl Walk<'_> {
    /// One end of a range. Two keywords of `schema` define it, and it is judged once. `keyword` is the
    /// one that differs.
    pub(super) fn range(&mut self, end: End, keyword: &str, sides: Sides<'_>, schema: Sides<'_>) {
        let (plain, exclusive) = end.keywords();
        let (bound, flag) = (schema.get(plain), schema.get(exclusive));
        if keyword == exclusive && bound.old != bound.new {
            // Both are judged at the other keyword.
            return;
        }
        let [old, new] = [schema.old, schema.new].map(|schema| limit(end, schema));
        let effect = match (old, new) {
            (Ok(old), Ok(new)) => effect(end, old, new),
            _ => Effect::Incomparable,
        };
        if flag.old == flag.new || keyword == exclusive {
            return self.allowed_values(effect, sides);
        }
        let text = |bound: Option<&Value>, flag: Option<&Value>| match (bound, flag) {
            (Some(bound), Some(Value::Bool(true))) => format!("{bound} (excluded)"),
            (Some(bound), _) => bound.to_string(),
            (None, _) => "none".to_owned(),
        };
        let (old, new) = (text(bound.old, flag.old), text(bound.new, flag.new));
        self.allowed_values_as(effect, sides, format!("{old} is now {new}"));
    }

    /// `multipleOf`: a divisor of the old one allows more values, since every multiple of 4 is one of 2.
    pub(super) fn multiple_of(&mut self, sides: Sides<'_>, schema: Sides<'_>) {
        let divisor = |schema: Option<&Value>, divisor: Option<&Value>| match divisor {
            Some(divisor) => divisor.as_f64().filter(|divisor| *divisor > 0.0).map(Some),
            // All integers are multiples of 1. No divisor allows all other numbers.
            None => Some(is_integer(schema).then_some(1.0)),
        };
        let effect = match (
            divisor(schema.old, sides.old),
            divisor(schema.new, sides.new),
        ) {
            (Some(None), Some(None)) => Effect::Same,
            (Some(None), Some(Some(_))) => Effect::Narrower,
            (Some(Some(_)), Some(None)) => Effect::Wider,
            (Some(Some(old)), Some(Some(new))) => match (divides(new, old), divides(old, new)) {
                (true, true) => Effect::Same,
                (false, true) => Effect::Narrower,
                (true, false) => Effect::Wider,
                (false, false) => Effect::Incomparable,
            },
            _ => Effect::Incomparable,
        };
        self.allowed_values(effect, sides);
    }

    /// A bound of a length or of a number of items.
    pub(super) fn count(&mut self, end: End, sides: Sides<'_>) {
        let bound = |side: Option<&Value>| match side {
            None => Ok(None),
            Some(value) => value.as_f64().map(|bound| Some((bound, false))).ok_or(()),
        };
        let effect = match (bound(sides.old), bound(sides.new)) {
            (Ok(old), Ok(new)) => effect(end, old, new),
            _ => Effect::Incomparable,
        };
        self.allowed_values(effect, sides);
    }
}

/// A bound, and whether it is itself excluded. None when there is no bound.
type Limit = Option<(f64, bool)>;

/// An end of the range of a schema. For integers it is the last number within the range.
fn limit(end: End, schema: Option<&Value>) -> Result<Limit, ()> {
    let (plain, exclusive) = end.keywords();
    let get = |key| schema.and_then(|schema| schema.get(key));
    let is_excluded = match get(exclusive) {
        None => false,
        Some(flag) => flag.as_bool().ok_or(())?,
    };
    let Some(bound) = get(plain) else {
        return Ok(None);
    };
    let bound = bound.as_f64().ok_or(())?;
    if !is_integer(schema) || bound.abs() >= MAX_EXACT {
        return Ok(Some((bound, is_excluded)));
    }
    let within = match (end, is_excluded) {
        (End::Lower, false) => bound.ceil(),
        (End::Lower, true) => bound.floor() + 1.0,
        (End::Upper, false) => bound.floor(),
        (End::Upper, true) => bound.ceil() - 1.0,
    };
    Ok(Some((within, false)))
}

fn effect(end: End, old: Limit, new: Limit) -> Effect {
    let ((old, old_excluded), (new, new_excluded)) = match (old, new) {
        (None, None) => return Effect::Same,
        (None, Some(_)) => return Effect::Narrower,
        (Some(_), None) => return Effect::Wider,
        (Some(old), Some(new)) => (old, new),
    };
    let order = match end {
        End::Lower => new.partial_cmp(&old),
        End::Upper => old.partial_cmp(&new),
    };
    match order {
        Some(Ordering::Greater) => Effect::Narrower,
        Some(Ordering::Less) => Effect::Wider,
        // Floats do not distinguish all larger integers.
        Some(Ordering::Equal) if old.abs() < MAX_EXACT => match (old_excluded, new_excluded) {
            (false, true) => Effect::Narrower,
            (true, false) => Effect::Wider,
            _ => Effect::Same,
        },
        _ => Effect::Incomparable,
    }
}

fn is_integer(schema: Option<&Value>) -> bool {
    schema
        .and_then(|schema| schema.get("type"))
        .is_some_and(|kind| kind == "integer")
}

/// Whether `whole` is a multiple of `part`, within the precision of floats (0.3 is one of 0.1).
fn divides(part: f64, whole: f64) -> bool {
    let ratio = whole / part;
    ratio.round() >= 1.0 && (ratio - ratio.round()).abs() < 1e-9
}

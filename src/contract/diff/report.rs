//! Differences as text: one line each, or a report that also says how to correct them.
//!
//! Imports the module's `compare`, `excerpt` and `places`.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::compare::Difference;
use super::{excerpt, places};

/// The number of operations that a heading names. The others are only counted.
const NAMED: usize = 3;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = &self.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}", place(&self.pointer))?;
        if let Some(problem) = &self.problem {
            return write!(f, ": {problem}");
        }
        let (contract, generated) = sides(self);
        write!(f, ": contract {contract}, generated {generated}")
    }
}

/// A report on differences, by operation and schema: both values of each, and how to correct it.
#[must_use]
pub fn report(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "The generated document equals the contract.\n".to_owned();
    }
    let entries = entries(differences);
    let mut text = match differences.len() {
        1 => "The contract and the generated document differ in 1 place.\n".to_owned(),
        places if entries.len() == places => {
            format!("The contract and the generated document differ in {places} places.\n")
        }
        places => format!(
            "The contract and the generated document differ in {places} places, which make {} entries.\n",
            entries.len()
        ),
    };
    let mut headings: Vec<String> = Vec::new();
    for entry in &entries {
        let heading = heading(entry);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for current in headings {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{current}\n");
        for entry in entries.iter().filter(|entry| heading(entry) == current) {
            write_entry(&mut text, entry);
        }
    }
    text
}

/// An entry of a report: a difference, and how often the same difference occurs elsewhere.
struct Entry<'a> {
    difference: &'a Difference,
    operations: Vec<&'a str>,
    /// The number of other places.
    others: usize,
}

/// Combines equal differences at several places into one entry. Most of them come from a shared component.
fn entries(differences: &[Difference]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for difference in differences {
        let same = entries.iter_mut().find(|entry| {
            let first = entry.difference;
            places::place_kind(&first.pointer) == places::place_kind(&difference.pointer)
                && first.contract == difference.contract
                && first.generated == difference.generated
                && first.problem == difference.problem
        });
        let entry = if let Some(entry) = same {
            entry.others += 1;
            entry
        } else {
            entries.push(Entry {
                difference,
                operations: Vec::new(),
                others: 0,
            });
            let last = entries.len() - 1;
            &mut entries[last]
        };
        if let Some(operation) = difference.operation.as_deref()
            && !entry.operations.contains(&operation)
        {
            entry.operations.push(operation);
        }
    }
    entries
}

/// The heading of an entry: its operations. Without operations, its component or part of the document.
fn heading(entry: &Entry<'_>) -> String {
    let pointer = &entry.difference.pointer;
    match entry.operations.as_slice() {
        [] => match pointer.split('/').skip(1).collect::<Vec<_>>().as_slice() {
            ["components", "schemas", name, ..] => format!("schema {name}"),
            ["components", section, name, ..] => format!("{section} {name}"),
            ["paths", path, ..] => format!("path {}", path.replace("~1", "/")),
            ["components", section] | [section, ..] => (*section).to_owned(),
            [] => "the document".to_owned(),
        },
        [operation] => (*operation).to_owned(),
        operations if operations.len() <= NAMED + 1 => operations.join(", "),
        operations => {
            let (named, rest) = operations.split_at(NAMED);
            format!("{} and {} more operations", named.join(", "), rest.len())
        }
    }
}

fn write_entry(text: &mut String, entry: &Entry<'_>) {
    let difference = entry.difference;
    let pointer = place(&difference.pointer);
    // Writing to a string cannot fail.
    let _ = write!(text, "  at {pointer}");
    if let Some(reference) = difference.via.last() {
        let _ = write!(text, ", referenced at {reference}");
    }
    let _ = match entry.others {
        0 => writeln!(text),
        1 => writeln!(text, ", and at 1 more place"),
        others => writeln!(text, ", and at {others} more places"),
    };
    if let Some(problem) = &difference.problem {
        let _ = writeln!(text, "    {problem}");
        return;
    }
    let (contract, generated) = sides(difference);
    let _ = writeln!(text, "    contract:  {contract}");
    let _ = writeln!(text, "    generated: {generated}");
    let _ = writeln!(text, "    {}", remedy(difference));
}

/// How to correct a difference.
fn remedy(difference: &Difference) -> String {
    let code = match difference.pointer.split('/').nth(1) {
        Some("paths") => "the handler or its responses",
        Some("components") if difference.pointer.starts_with("/components/schemas") => "the type",
        Some("components") => "the handlers that use it",
        _ => "the service's description",
    };
    match (&difference.contract, &difference.generated) {
        (Some(_), None) => format!(
            "in the contract but not generated: add it to {code}, or take it out of the contract"
        ),
        (None, _) => format!(
            "generated but not in the contract: write it into the contract, or take it out of {code}"
        ),
        (Some(_), Some(_)) => format!(
            "both have it, differently: make {code} say what the contract says, or change the contract"
        ),
    }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() {
        "the document"
    } else {
        pointer
    }
}

/// Excerpts of both values of a difference.
fn sides(difference: &Difference) -> (String, String) {
    let show = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    match (show(&difference.contract), show(&difference.generated)) {
        (Some(contract), Some(generated)) => excerpt::around_difference(&contract, &generated),
        (contract, generated) => {
            let whole = |text: Option<String>| {
                text.map_or_else(|| "(nothing)".to_owned(), |text| excerpt::beginning(&text))
            };
            (whole(contract), whole(generated))
        }
    }
}

//! What comes of bringing a document into normal form: the form, which remembers where each part
//! stood as it was written, or why there is none. Imports nothing of ours.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// A document in normal form.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// The document: references to anything but schemas inlined, `parameters` of an operation keyed
    /// by `"{in} {name}"`, tags keyed by name, security pushed down into the operations.
    pub document: Value,
    /// Where the parts that moved came from, by their pointer in `document`.
    pub(super) links: BTreeMap<String, Link>,
}

/// Where a part of the normal form came from.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Its place in the document as it was written.
    pub at: String,
    /// What the `$ref` at that place led to. Inside the target the links of the target go on.
    pub target: Option<String>,
}

/// Where something stood in the document as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::contract) struct Origin {
    /// The pointer to its definition.
    pub pointer: String,
    /// The references that led there, outermost first.
    pub via: Vec<String>,
}

impl Normalised {
    /// Where the thing at `pointer` (in normal form) stood in the document as it was written.
    pub(in crate::contract) fn origin(&self, pointer: &str) -> Origin {
        let mut pointer = pointer.to_owned();
        let mut via = Vec::new();
        while let Some((length, link)) = self.longest_link(&pointer) {
            let rest = pointer.split_off(length);
            let Some(target) = &link.target else {
                pointer = format!("{}{rest}", link.at);
                break;
            };
            via.push(link.at.clone());
            pointer = format!("{target}{rest}");
        }
        Origin { pointer, via }
    }

    /// The link of the innermost part around `pointer` that moved, and the length of its pointer.
    fn longest_link(&self, pointer: &str) -> Option<(usize, &Link)> {
        let mut length = pointer.len();
        loop {
            if let Some(link) = self.links.get(&pointer[..length]) {
                return Some((length, link));
            }
            length = pointer[..length].rfind('/')?;
        }
    }
}

/// Why a document has no normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer to what is wrong; where a reference leads nowhere, the place that is missing.
    pub pointer: String,
    /// The references that led there, outermost first, as JSON pointers.
    pub via: Vec<String>,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)?;
        match self.via.last() {
            Some(reference) => write!(f, " (referenced at {reference})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

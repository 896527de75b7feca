//! The result of normalising a document: the normal form, or an error. The normal form knows the place
//! of each of its parts in the document as it was written.
//!
//! Imports nothing else of the crate.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// A document in normal form.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// The document. References are replaced by their targets, except those to component schemas.
    /// The `parameters` of an operation are an object with keys like `query page`, and the declared
    /// `tags` an object with their names as keys. Each operation has the `security` that applies to it.
    pub document: Value,
    /// The origins of the parts that moved, by their pointers in `document`.
    pub(super) links: BTreeMap<String, Link>,
}

/// The origin of a part of the normal form.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The pointer to the part in the document as it was written.
    pub at: String,
    /// The pointer to the target, if there is a `$ref` at that place. A part inside the target may have a
    /// link of its own.
    pub target: Option<String>,
}

/// The place of something in the document as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::contract) struct Origin {
    /// The pointer to its definition.
    pub pointer: String,
    /// The pointers to the references that lead there, outermost first.
    pub via: Vec<String>,
}

impl Normalised {
    /// The place in the document as it was written of the part at `pointer` in the normal form.
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

    /// The link of the innermost moved part that contains `pointer`, and the length of its pointer.
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
pub struct NormaliseError {
    /// A JSON pointer to what is wrong. For a reference that leads nowhere, its target.
    pub pointer: String,
    /// JSON pointers to the references that lead there, outermost first.
    pub via: Vec<String>,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for NormaliseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)?;
        match self.via.last() {
            Some(reference) => write!(f, " (referenced at {reference})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NormaliseError {}

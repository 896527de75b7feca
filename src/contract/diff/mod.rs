//! The semantic diff of two `OpenAPI` 3.0 documents: the contract, which is written by hand, and the
//! document that the code generates. Only what [`IGNORED`] lists makes no difference.
//!
//! Imports nothing else of the crate.

mod canonical;
mod compare;
pub(super) mod excerpt;
mod ignored;
mod normalise;
mod normalised;
pub(super) mod places;
mod report;
mod structure;

use serde_json::Value;

pub(super) use canonical::push;
pub use compare::{Difference, compare};
pub use ignored::IGNORED;
pub use normalise::normalise;
pub use normalised::{NormaliseError, Normalised};
pub use report::report;
pub(super) use structure::METHODS;

/// Compares the contract with the document that the code generates.
///
/// The differences are in the order of the contract. A document that has no normal form (because a
/// reference leads nowhere, for example) is one difference with a `problem`.
#[must_use]
pub fn diff(contract: &Value, generated: &Value) -> Vec<Difference> {
    match (normalise(contract), normalise(generated)) {
        (Ok(contract), Ok(generated)) => compare(&contract, &generated),
        (contract, generated) => [("contract", contract), ("generated document", generated)]
            .into_iter()
            .filter_map(|(side, result)| Some(unreadable(side, result.err()?)))
            .collect(),
    }
}

/// The difference for a document that has no normal form.
fn unreadable(side: &str, problem: NormaliseError) -> Difference {
    Difference {
        operation: None,
        pointer: problem.pointer,
        via: problem.via,
        contract: None,
        generated: None,
        problem: Some(format!("in the {side}: {}", problem.message)),
    }
}

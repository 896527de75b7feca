//! The semantic diff of two `OpenAPI` 3.0 documents: the contract, written by hand, and the document
//! that the code generates.
//!
//! Knows no web framework and imports nothing of ours. [`IGNORED`] is all that it does not see.

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
pub use normalised::{Normalised, Problem};
pub use report::report;
pub(super) use structure::METHODS;

/// Compares the contract with the document that the code generates.
///
/// The differences come in the order of the contract. A document that has no normal form (a
/// reference that leads nowhere, say) is one difference, with a `problem`.
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

/// A document without normal form, as a difference.
fn unreadable(side: &str, problem: Problem) -> Difference {
    Difference {
        operation: None,
        pointer: problem.pointer,
        via: problem.via,
        contract: None,
        generated: None,
        problem: Some(format!("in the {side}: {}", problem.message)),
    }
}

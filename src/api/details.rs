//! The `details` of a response with status 400: the violations that were found, within the limits of
//! the contract.

use crate::contract::MAX_VIOLATIONS;
use crate::error::Violation;

use super::schemas::ErrorDetail;
use super::types::Word;

/// How many entries `details` has at most: the contract's `maxItems`.
const MAX_DETAILS: usize = 100;

/// How many bytes `details` has at most.
const MAX_BYTES: usize = 64 * 1024;

/// The message of a response whose `details` do not have room for every violation.
pub(super) const MORE_VIOLATIONS: &str =
    "The request does not keep to the contract in more places than `details` names";

// Of one violation too many it is known that there are more than are shown.
const _: () = assert!(MAX_DETAILS < MAX_VIOLATIONS);

/// As many violations, from the first, as there is room for.
pub(super) fn details(violations: &[Violation]) -> Vec<ErrorDetail> {
    let mut bytes = 2;
    let fits = |detail: &ErrorDetail| {
        bytes += serde_json::to_vec(detail).map_or(0, |json| json.len() + 1);
        bytes <= MAX_BYTES
    };
    let details = violations.iter().take(MAX_DETAILS).map(detail);
    details.take_while(fits).collect()
}

fn detail(violation: &Violation) -> ErrorDetail {
    ErrorDetail {
        field: violation.field.chars().take(255).collect(),
        message: violation.message.chars().take(255).collect(),
        place: Some(Word(violation.place)),
    }
}

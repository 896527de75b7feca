//! The `details` of a response with status 400: the violations found in the request, as many as the
//! contract allows.

use crate::contract::MAX_VIOLATIONS;
use crate::violation::Violation;

use super::schemas::ErrorDetail;
use super::types::EnumValue;

/// The largest number of entries in `details`: the contract's `maxItems`.
const MAX_DETAILS: usize = 100;

/// The largest size of `details` as JSON, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The message of a response whose `details` are incomplete.
pub(super) const MORE_VIOLATIONS: &str =
    "The request does not keep to the contract in more places than `details` names";

// More violations are collected than `details` can have, so that the response can say that some are
// missing.
const _: () = assert!(MAX_DETAILS < MAX_VIOLATIONS);

/// The entries of `details`: the first violations, up to both limits.
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
        place: Some(EnumValue(violation.place)),
    }
}

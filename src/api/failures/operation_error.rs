//! The error types of handlers, each with the statuses that its operations document.

use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::error::Error;

use super::super::schemas::ErrorResponse;
use super::{CHANGES, CREATES, EMPTIES, FINDS, Failure, GUARDED, Operations, PLAIN, documented};

/// A failure of an operation of the kind `OPERATIONS`, with one of the statuses of that kind.
pub struct OperationError<const OPERATIONS: Operations>(Failure);

/// The failures of every operation.
pub type RequestError = OperationError<PLAIN>;
/// The failures of operations on something that has to exist.
pub type FindError = OperationError<FINDS>;
/// The failures of operations that add something, which has to fit the stored data.
pub type CreateError = OperationError<CREATES>;
/// The failures of operations that remove what belongs to something, which has to exist.
pub type EmptyError = OperationError<EMPTIES>;
/// The failures of operations that change something that has to exist, in a state that the client may
/// name, where the change has to fit the stored data.
pub type ChangeError = OperationError<CHANGES>;
/// The failures of operations that need no stored resource, where the handler itself decides what the caller may
/// do.
pub type GuardedError = OperationError<{ PLAIN | GUARDED }>;
/// As [`ChangeError`], where the handler itself decides what the caller may change.
pub type GuardedChangeError = OperationError<{ CHANGES | GUARDED }>;

impl<const OPERATIONS: Operations> From<Error> for OperationError<OPERATIONS> {
    fn from(error: Error) -> Self {
        let failure = Failure::from(error);
        if failure.kind.operations & OPERATIONS != 0 {
            return Self(failure);
        }
        let status = failure.kind.status;
        let cause = format!("{status} is not among this operation's failures");
        Self(Error::Internal(cause.into()).into())
    }
}

impl<const OPERATIONS: Operations> From<OperationError<OPERATIONS>> for poem::Error {
    fn from(error: OperationError<OPERATIONS>) -> Self {
        error.0.into()
    }
}

impl<const OPERATIONS: Operations> ApiResponse for OperationError<OPERATIONS> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: documented(OPERATIONS).collect(),
        }
    }

    fn register(registry: &mut Registry) {
        ErrorResponse::register(registry);
    }
}

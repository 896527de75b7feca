//! The error types of handlers, each with the statuses that its operations document.

use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::error::Error;

use super::super::schemas::ErrorResponse;
use super::{CHANGES, CREATES, EDITS, FINDS, Failure, Operations, PLAIN, documented};

/// A failure of an operation of the kind `OPERATIONS`, with one of the statuses of that kind.
pub struct OperationError<const OPERATIONS: Operations>(Failure);

/// 400, 500, 503: the failures of every operation.
pub type RequestError = OperationError<PLAIN>;
/// 400, 404, 500, 503.
pub type FindError = OperationError<FINDS>;
/// 400, 409, 500, 503.
pub type CreateError = OperationError<CREATES>;
/// 400, 404, 412, 500, 503.
pub type EditError = OperationError<EDITS>;
/// 400, 404, 409, 412, 500, 503.
pub type ChangeError = OperationError<CHANGES>;

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

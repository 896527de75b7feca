//! Failures: the one way from an error to a response, in the contract's error envelope.
//!
//! An operation returns `Result<…, Failure<…>>`. The error sets differ in the statuses that they
//! may give, which is what the generated document says of the operation; an error outside its set
//! is a fault of the handler and becomes a 500.

use std::borrow::Cow;
use std::marker::PhantomData;

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponse, MetaResponses, MetaSchema, Registry};
use poem_openapi::types::Type;

use crate::error::{Conflict, Error, Violation};

use super::responses::{json, meta_response, response_header};
use super::schemas::{ErrorDetail, ErrorInfo, ErrorResponse};
use super::types::{Always, Word};

/// As many details as a response carries: the contract's `maxItems`.
const MAX_DETAILS: usize = 1000;

/// After how many seconds a client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The code of each status that a request can fail with.
pub(super) const CODES: [(StatusCode, &str); 9] = [
    (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"),
    (StatusCode::NOT_FOUND, "NOT_FOUND"),
    (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
    (StatusCode::CONFLICT, "CONFLICT"),
    (StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED"),
    (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE"),
    (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
    (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
];

/// The code of a status; a status without one is the server's fault.
fn code(status: StatusCode) -> &'static str {
    let found = CODES.iter().find(|(known, _)| *known == status);
    found.map_or("INTERNAL_ERROR", |(_, code)| code)
}

/// The `reason` that tells a conflict from the others.
pub(super) fn reason(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::EmailTaken => "EMAIL_TAKEN",
        Conflict::UserMissing => "USER_MISSING",
        Conflict::ProductMissing => "PRODUCT_MISSING",
        Conflict::HasDependents => "HAS_DEPENDENTS",
    }
}

/// What a request can be refused with: the domain's errors, and those of HTTP.
pub enum Refusal {
    /// An error of the domain.
    Domain(Error),
    /// There is nothing at this path.
    UnknownPath,
    /// The path exists, but not with this method; the value of `Allow`.
    MethodNotAllowed(String),
    /// The body is larger than 1 MiB.
    PayloadTooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The server has no time for this request; try again later.
    Overloaded,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl Refusal {
    /// The status, and the message for people.
    fn parts(&self) -> (StatusCode, Cow<'static, str>) {
        match self {
            Self::Domain(Error::Invalid(_)) => (
                StatusCode::BAD_REQUEST,
                "The request does not keep to the contract".into(),
            ),
            Self::Domain(Error::NotFound(what)) => {
                (StatusCode::NOT_FOUND, format!("{what} not found").into())
            }
            Self::Domain(Error::Stale(what)) => (
                StatusCode::PRECONDITION_FAILED,
                format!("{what} has none of the tags in If-Match").into(),
            ),
            Self::Domain(Error::Conflict(conflict)) => {
                (StatusCode::CONFLICT, conflict.to_string().into())
            }
            Self::Domain(Error::Unavailable(_) | Error::Busy(_)) | Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The service is unavailable for the moment; try again later".into(),
            ),
            Self::Domain(Error::Internal(_)) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server failed to answer; its log has the cause".into(),
            ),
            Self::UnknownPath => (
                StatusCode::NOT_FOUND,
                "There is nothing at this path; see /api/docs".into(),
            ),
            Self::MethodNotAllowed(allow) => (
                StatusCode::METHOD_NOT_ALLOWED,
                format!("This path takes only {allow}").into(),
            ),
            Self::PayloadTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than 1 MiB".into(),
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON: send Content-Type: application/json".into(),
            ),
        }
    }

    /// The response in the error envelope. Causes go to the log, never to the client.
    pub(super) fn answer(&self) -> Response {
        match self {
            Self::Domain(Error::Internal(cause)) => tracing::error!(%cause, "internal error"),
            Self::Domain(Error::Unavailable(cause)) => {
                tracing::warn!(%cause, "database unavailable");
            }
            Self::Domain(Error::Busy(cause)) => tracing::warn!(%cause, "too busy"),
            _ => {}
        }
        let (status, message) = self.parts();
        let details = match self {
            Self::Domain(Error::Invalid(violations)) => {
                let shown = violations.iter().take(MAX_DETAILS);
                let detail = |violation: &Violation| ErrorDetail {
                    field: violation.field.chars().take(255).collect(),
                    message: violation.message.chars().take(255).collect(),
                    place: Some(Word(violation.place)),
                };
                Some(shown.map(detail).collect())
            }
            _ => None,
        };
        let error = ErrorInfo {
            code: code(status).to_owned(),
            reason: match self {
                Self::Domain(Error::Conflict(conflict)) => Some(reason(*conflict).to_owned()),
                _ => None,
            },
            message: message.into_owned(),
            details,
        };
        let mut response = json(
            status,
            &ErrorResponse {
                success: Always,
                error,
            },
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if let Self::MethodNotAllowed(allow) = self
            && let Ok(allow) = allow.try_into()
        {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

/// The refusal as poem's error, for extractors and endpoints that end early.
pub(super) fn refuse(refusal: &Refusal) -> poem::Error {
    poem::Error::from_response(refusal.answer())
}

/// The statuses that an operation may fail with.
pub trait ErrorSet: Send + Sync + 'static {
    /// The statuses, in rising order.
    const STATUSES: &'static [StatusCode];
}

/// A failure with one of the statuses of `S`.
pub struct Failure<S> {
    response: Response,
    set: PhantomData<S>,
}

/// Fails where any request can.
pub struct OfAny;
/// Fails also where something has to be found.
pub struct OfFinding;
/// Fails also where something new meets what is stored.
pub struct OfCreating;
/// Fails also where something has to be found, in a state that the client may name.
pub struct OfEditing;
/// Fails also where something has to be found, in such a state, and its change meets what is stored.
pub struct OfChanging;

/// 400, 500, 503: what every operation can fail with.
pub type RequestError = Failure<OfAny>;
/// 400, 404, 500, 503.
pub type FindError = Failure<OfFinding>;
/// 400, 409, 500, 503.
pub type CreateError = Failure<OfCreating>;
/// 400, 404, 412, 500, 503.
pub type EditError = Failure<OfEditing>;
/// 400, 404, 409, 412, 500, 503.
pub type ChangeError = Failure<OfChanging>;

impl ErrorSet for OfAny {
    const STATUSES: &'static [StatusCode] = &[
        StatusCode::BAD_REQUEST,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
}

impl ErrorSet for OfFinding {
    const STATUSES: &'static [StatusCode] = &[
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
}

impl ErrorSet for OfCreating {
    const STATUSES: &'static [StatusCode] = &[
        StatusCode::BAD_REQUEST,
        StatusCode::CONFLICT,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
}

impl ErrorSet for OfEditing {
    const STATUSES: &'static [StatusCode] = &[
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::PRECONDITION_FAILED,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
}

impl ErrorSet for OfChanging {
    const STATUSES: &'static [StatusCode] = &[
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::PRECONDITION_FAILED,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
}

impl<S: ErrorSet> From<Error> for Failure<S> {
    fn from(error: Error) -> Self {
        let mut refusal = Refusal::from(error);
        let status = refusal.parts().0;
        if !S::STATUSES.contains(&status) {
            refusal =
                Error::Internal(format!("{status} is not among this operation's errors").into())
                    .into();
        }
        Self {
            response: refusal.answer(),
            set: PhantomData,
        }
    }
}

impl<S> From<Failure<S>> for poem::Error {
    fn from(failure: Failure<S>) -> Self {
        Self::from_response(failure.response)
    }
}

impl<S: ErrorSet> ApiResponse for Failure<S> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: S::STATUSES.iter().copied().map(failure).collect(),
        }
    }

    fn register(registry: &mut Registry) {
        ErrorResponse::register(registry);
    }
}

/// What the generated document says of a failure.
pub(super) fn failure(status: StatusCode) -> MetaResponse {
    let description = match status {
        StatusCode::BAD_REQUEST => {
            "The request does not keep to the contract; `details` has every violation"
        }
        StatusCode::NOT_FOUND => "The user, product or cart item does not exist",
        StatusCode::CONFLICT => "The request contradicts what is stored; `reason` tells how",
        StatusCode::PRECONDITION_FAILED => {
            "It is in none of the states that `If-Match` names; nothing was changed"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "The body is larger than 1 MiB",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body is not declared as `application/json`",
        StatusCode::SERVICE_UNAVAILABLE => {
            "The database is away or the server is overloaded; try again after `Retry-After` seconds. Whether a change was made is unknown"
        }
        _ => "The server failed; its log has the cause under the request id",
    };
    let schema = MetaSchema {
        minimum: Some(1.0),
        maximum: Some(3600.0),
        ..MetaSchema::new_with_format("integer", "int32")
    };
    let retry_after = response_header(
        "retry-after",
        "After how many seconds another try may succeed",
        schema,
    );
    let headers = if status == StatusCode::SERVICE_UNAVAILABLE {
        vec![retry_after]
    } else {
        Vec::new()
    };
    meta_response::<ErrorResponse>(status, description, headers)
}

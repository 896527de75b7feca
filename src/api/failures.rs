//! Failures: the one way from an error to a response, in the contract's error envelope.
//!
//! `KINDS` is the one table of statuses that a request can fail with. The responses, the codes and
//! the responses in the generated document, and the log lines are made from it.
//!
//! An operation returns `Result<…, Failed<…>>`. The aliases of `Failed` differ in the statuses that
//! they allow, which is what the generated document says of the operation; an error outside of them
//! is a fault of the handler and becomes a 500.

use std::borrow::Cow;

use bytes::Bytes;
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponse, MetaResponses, MetaSchema, Registry};
use poem_openapi::types::Type;

use crate::error::{Cause, Conflict, Error, Violation};

use super::details::{MORE_VIOLATIONS, details};
use super::responses::{json, meta_response, response_header};
use super::schemas::{ErrorInfo, ErrorResponse};
use super::types::Always;

/// What is known of the failures with one status.
pub(super) struct Kind {
    pub status: StatusCode,
    /// The `code` in the error envelope.
    pub code: &'static str,
    /// The operations that document the status.
    operations: Operations,
    /// For people, in the error envelope, unless the failure has a message of its own.
    message: &'static str,
    /// The description of the response in the document.
    description: &'static str,
    /// After how many seconds a client may try again.
    retry_after: Option<u16>,
}

/// Every status that a request can fail with.
#[rustfmt::skip]
pub(super) static KINDS: [Kind; 12] = [
    kind(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", EVERY,
        "The request does not keep to the contract",
        "The request does not keep to the contract; `details` names the violations"),
    kind(StatusCode::NOT_FOUND, "NOT_FOUND", FINDS | EDITS | CHANGES,
        "There is nothing at this path; see /api/docs",
        "The user, product or cart item does not exist"),
    kind(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", NONE,
        "This path does not take this method",
        ""),
    kind(StatusCode::CONFLICT, "CONFLICT", CREATES | CHANGES,
        "The request contradicts what is stored",
        "The request conflicts with stored data; `reason` says how"),
    kind(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", EDITS | CHANGES,
        "The resource has none of the tags in If-Match",
        "The resource is in none of the states that `If-Match` names; nothing was changed"),
    kind(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", HAS_BODY,
        "The body is larger than 1 MiB",
        "The body is larger than 1 MiB"),
    kind(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", NONE,
        "The URL is too long",
        ""),
    kind(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", HAS_BODY,
        "The body must be JSON: send Content-Type: application/json",
        "The body is not declared as `application/json`"),
    kind(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "REQUEST_HEADER_FIELDS_TOO_LARGE", NONE,
        "The URL and the headers are larger than 16 KiB, or there are more than 100 headers",
        ""),
    kind(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", EVERY,
        "The server failed to answer; its log has the cause",
        "The server failed; its log has the cause under the request id"),
    kind(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", NONE,
        "The body has a transfer coding that this server does not know: send only chunked",
        ""),
    kind(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", EVERY,
        "The service is unavailable for the moment; try again later",
        "The database is unavailable or the server is overloaded; try again after `Retry-After` seconds. Whether a change was made is unknown")
        .retry_after(1),
];

/// A set of kinds of operations.
type Operations = u8;
const NONE: Operations = 0;
/// Operations that read or write without looking anything up.
const PLAIN: Operations = 1;
/// Operations on something that has to exist.
const FINDS: Operations = 1 << 1;
/// Operations that add something, which has to fit what is stored.
const CREATES: Operations = 1 << 2;
/// Operations on something that has to exist, in a state that the client may name.
const EDITS: Operations = 1 << 3;
/// As [`EDITS`], where the change has to fit what is stored.
const CHANGES: Operations = 1 << 4;
/// Operations with a request body; they are one of the other kinds, too.
const HAS_BODY: Operations = 1 << 5;
const EVERY: Operations = PLAIN | FINDS | CREATES | EDITS | CHANGES;

const fn kind(
    status: StatusCode,
    code: &'static str,
    operations: Operations,
    message: &'static str,
    description: &'static str,
) -> Kind {
    Kind {
        status,
        code,
        operations,
        message,
        description,
        retry_after: None,
    }
}

impl Kind {
    const fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The kind with this status; a status that is not in the table is the server's fault.
    fn of(status: StatusCode) -> &'static Self {
        let find = |status| KINDS.iter().find(|kind| kind.status == status);
        find(status)
            .or_else(|| find(StatusCode::INTERNAL_SERVER_ERROR))
            .expect("the table has a 500")
    }

    /// What the generated document says of it.
    fn document(&self) -> MetaResponse {
        let headers = self.retry_after.map(|_| retry_after_header());
        let headers = headers.into_iter().collect();
        meta_response::<ErrorResponse>(self.status, self.description, headers)
    }
}

fn retry_after_header() -> MetaHeader {
    let schema = MetaSchema {
        minimum: Some(1.0),
        maximum: Some(3600.0),
        ..MetaSchema::new_with_format("integer", "int32")
    };
    let description = "The number of seconds after which the request may be repeated";
    response_header("retry-after", description, schema)
}

/// The responses that operations with a request body have beside those of their error type.
pub(super) fn body_failures() -> impl Iterator<Item = MetaResponse> {
    documented(HAS_BODY)
}

fn documented(operations: Operations) -> impl Iterator<Item = MetaResponse> {
    let kinds = KINDS.iter();
    let documented = kinds.filter(move |kind| kind.operations & operations != 0);
    documented.map(Kind::document)
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

/// Why a request fails, and everything that its response says.
pub struct Failure {
    kind: &'static Kind,
    message: Cow<'static, str>,
    reason: Option<&'static str>,
    details: Option<Vec<Violation>>,
    /// The value of `Allow`.
    allow: Option<Box<str>>,
    /// What is logged, and its cause; never for the client.
    logged: Option<(&'static str, Cause)>,
}

impl Failure {
    /// A failure with the message of its status.
    pub(super) fn new(status: StatusCode) -> Self {
        let kind = Kind::of(status);
        Self {
            kind,
            message: kind.message.into(),
            reason: None,
            details: None,
            allow: None,
            logged: None,
        }
    }

    pub(super) fn with_message(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            ..Self::new(status)
        }
    }

    fn logged(status: StatusCode, what: &'static str, cause: impl Into<Cause>) -> Self {
        Self {
            logged: Some((what, cause.into())),
            ..Self::new(status)
        }
    }

    /// The path exists, but not with this method; `allow` is the value of `Allow`.
    pub(super) fn method_not_allowed(allow: String) -> Self {
        let message = format!("This path takes only {allow}");
        Self {
            allow: Some(allow.into()),
            ..Self::with_message(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }

    /// The violations that a 400 names.
    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.details.unwrap_or_default()
    }

    /// The deadline of the request has passed.
    pub(super) fn too_slow() -> Self {
        let cause = "the operation did not end before its deadline";
        Self::logged(StatusCode::SERVICE_UNAVAILABLE, "too slow", cause)
    }

    /// The body of the response, as JSON.
    pub(super) fn body(&self) -> Bytes {
        serde_json::to_vec(&self.envelope())
            .unwrap_or_default()
            .into()
    }

    fn envelope(&self) -> ErrorResponse {
        let violations = self.details.as_deref();
        let details = violations.map(details);
        let shown = details.as_ref().map_or(0, Vec::len);
        let message = if shown < violations.map_or(0, <[_]>::len) {
            MORE_VIOLATIONS.to_owned()
        } else {
            self.message.clone().into_owned()
        };
        let error = ErrorInfo {
            code: self.kind.code.to_owned(),
            reason: self.reason.map(str::to_owned),
            message,
            details,
        };
        let success = Always;
        ErrorResponse { success, error }
    }

    /// The response in the error envelope. The cause goes to the log.
    pub(super) fn response(&self) -> Response {
        self.log();
        let mut response = json(self.kind.status, &self.envelope());
        let headers = response.headers_mut();
        if let Some(seconds) = self.kind.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = &self.allow
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            headers.insert(header::ALLOW, allow);
        }
        response
    }

    fn log(&self) {
        let Some((what, cause)) = &self.logged else {
            return;
        };
        if self.kind.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%cause, "{what}");
        } else {
            tracing::warn!(%cause, "{what}");
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => Self {
                details: Some(violations),
                ..Self::new(StatusCode::BAD_REQUEST)
            },
            Error::NotFound(what) => {
                Self::with_message(StatusCode::NOT_FOUND, format!("{what} not found"))
            }
            Error::Stale(what) => Self::with_message(
                StatusCode::PRECONDITION_FAILED,
                format!("{what} has none of the tags in If-Match"),
            ),
            Error::Conflict(conflict) => Self {
                reason: Some(reason(conflict)),
                ..Self::with_message(StatusCode::CONFLICT, conflict.to_string())
            },
            Error::Unavailable(cause) => Self::logged(
                StatusCode::SERVICE_UNAVAILABLE,
                "database unavailable",
                cause,
            ),
            Error::Busy(what) => Self::logged(StatusCode::SERVICE_UNAVAILABLE, "too busy", what),
            Error::Internal(cause) => {
                Self::logged(StatusCode::INTERNAL_SERVER_ERROR, "internal error", cause)
            }
        }
    }
}

/// The failure as poem's error, for extractors and endpoints that end early.
impl From<Failure> for poem::Error {
    fn from(failure: Failure) -> Self {
        Self::from_response(failure.response())
    }
}

/// The failure of an operation, which documents the statuses of `OPERATIONS`.
pub struct Failed<const OPERATIONS: Operations>(Failure);

/// 400, 500, 503: what every operation can fail with.
pub type RequestError = Failed<PLAIN>;
/// 400, 404, 500, 503.
pub type FindError = Failed<FINDS>;
/// 400, 409, 500, 503.
pub type CreateError = Failed<CREATES>;
/// 400, 404, 412, 500, 503.
pub type EditError = Failed<EDITS>;
/// 400, 404, 409, 412, 500, 503.
pub type ChangeError = Failed<CHANGES>;

impl<const OPERATIONS: Operations> From<Error> for Failed<OPERATIONS> {
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

impl<const OPERATIONS: Operations> From<Failed<OPERATIONS>> for poem::Error {
    fn from(failed: Failed<OPERATIONS>) -> Self {
        failed.0.into()
    }
}

impl<const OPERATIONS: Operations> ApiResponse for Failed<OPERATIONS> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: documented(OPERATIONS).collect(),
        }
    }

    fn register(registry: &mut Registry) {
        ErrorResponse::register(registry);
    }
}

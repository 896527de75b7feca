//! Failures: the conversion of errors to responses with the contract's error envelope.
//!
//! `KINDS` is the only table of the statuses with which a request can fail. The responses, their
//! description in the generated document and the log lines are made from it.
//!
//! A handler returns `Result<…, OperationError<…>>`. Each alias of [`OperationError`] stands for a set of
//! statuses, which the generated document lists at the operation. Any other error is a defect of the
//! handler and becomes a 500.

mod failure;
mod operation_error;

use poem::http::StatusCode;
use poem_openapi::registry::{MetaHeader, MetaResponse, MetaSchema};

use crate::error::Conflict;

use super::responses::{meta_response, response_header};
use super::schemas::ErrorResponse;

pub(super) use failure::Overload;

pub use failure::Failure;
pub use operation_error::{
    ChangeError, CreateError, EmptyError, FindError, GuardedChangeError, GuardedError,
    OperationError, RequestError,
};

/// The properties of all failures with one status.
pub(super) struct Kind {
    pub status: StatusCode,
    /// The `code` in the error envelope.
    pub code: &'static str,
    /// The operations that document the status.
    operations: Operations,
    /// The `message` in the error envelope, unless the failure has one of its own.
    message: &'static str,
    /// The description of the response in the generated document.
    description: &'static str,
    /// After how many seconds a client may try again.
    retry_after: Option<u16>,
}

/// Every status with which a request can fail.
#[rustfmt::skip]
pub(super) static KINDS: [Kind; 16] = [
    kind(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", EVERY,
        "The request does not keep to the contract",
        "The request does not keep to the contract; `details` names the violations"),
    kind(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", EVERY,
        "Send a valid access token: Authorization: Bearer …",
        "The caller is not authenticated: the request has no valid access token, or a wrong password or refresh token"),
    kind(StatusCode::FORBIDDEN, "FORBIDDEN", GUARDED,
        "You may not do this",
        "The caller may not do this; nothing was changed"),
    kind(StatusCode::NOT_FOUND, "NOT_FOUND", FINDS | EMPTIES | CHANGES,
        "There is nothing at this path; see /api/docs",
        "The user, product or cart item does not exist"),
    kind(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", NONE,
        "This path does not take this method",
        ""),
    kind(StatusCode::CONFLICT, "CONFLICT", CREATES | EMPTIES | CHANGES,
        "The request contradicts what is stored",
        "The request conflicts with stored data or with a rule of the database; `reason` says how"),
    kind(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", CHANGES,
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
    kind(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", CREATES,
        "The Idempotency-Key belongs to an earlier request with another body",
        "The `Idempotency-Key` belongs to an earlier request with another body; nothing was changed"),
    kind(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", EVERY,
        "Too many requests; try again later",
        "The caller has sent too many requests; try again after `Retry-After` seconds. Nothing was changed")
        .retry_after(1),
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

/// The message of failures with this status that have none of their own.
pub(super) fn message(status: StatusCode) -> &'static str {
    Kind::of(status).message
}

/// A set of kinds of operations, as a bit mask.
type Operations = u8;
const NONE: Operations = 0;
/// Operations that need no stored resource.
const PLAIN: Operations = 1;
/// Operations on a resource that must exist.
const FINDS: Operations = 1 << 1;
/// Operations that add a resource, which may conflict with stored data.
const CREATES: Operations = 1 << 2;
/// Operations that remove what belongs to a resource, which must exist.
const EMPTIES: Operations = 1 << 3;
/// Operations that change a resource, which must exist and match `If-Match`, and that may conflict
/// with stored data.
const CHANGES: Operations = 1 << 4;
/// Operations with a request body. They also belong to one of the other kinds.
const HAS_BODY: Operations = 1 << 5;
/// Operations that some callers may call, or not with every body. They also belong to one of the other kinds.
const GUARDED: Operations = 1 << 6;
const EVERY: Operations = PLAIN | FINDS | CREATES | EMPTIES | CHANGES;

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

    /// The kind with this status, or that of a 500 for a status that is not in the table.
    fn of(status: StatusCode) -> &'static Self {
        let find = |status| KINDS.iter().find(|kind| kind.status == status);
        find(status)
            .or_else(|| find(StatusCode::INTERNAL_SERVER_ERROR))
            .expect("the table has a 500")
    }

    /// The response in the generated document.
    fn document(&self) -> MetaResponse {
        let headers = match self.status {
            StatusCode::UNAUTHORIZED => vec![challenge_header()],
            StatusCode::TOO_MANY_REQUESTS => rate_limit_headers(),
            _ => Vec::new(),
        };
        let retry_after = self.retry_after.map(|_| retry_after_header());
        let headers = headers.into_iter().chain(retry_after).collect();
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

fn challenge_header() -> MetaHeader {
    let description = "How to authenticate: `Bearer`, and after a token that is not valid also \
                       `error=\"invalid_token\"` (RFC 6750)";
    response_header("www-authenticate", description, short_text())
}

fn rate_limit_headers() -> Vec<MetaHeader> {
    let header = |name, description| MetaHeader {
        required: false,
        ..response_header(name, description, short_text())
    };
    vec![
        header(
            "ratelimit",
            "The limit that the request has met, how many requests it still allows (`r`), and the \
             number of seconds after which it allows more (`t`)",
        ),
        header(
            "ratelimit-policy",
            "The limit that the request has met, and how many requests it allows (`q`) within how \
             many seconds (`w`)",
        ),
    ]
}

fn short_text() -> MetaSchema {
    MetaSchema {
        max_length: Some(255),
        ..MetaSchema::new("string")
    }
}

/// The response in the generated document of operations that reject some callers, or some of their bodies.
pub(super) fn guarded_failures() -> impl Iterator<Item = MetaResponse> {
    documented(GUARDED)
}

/// The responses in the generated document of operations with a request body, beside those of their error
/// type.
pub(super) fn body_failures() -> impl Iterator<Item = MetaResponse> {
    documented(HAS_BODY)
}

/// The responses in the generated document of these kinds of operations.
fn documented(operations: Operations) -> impl Iterator<Item = MetaResponse> {
    let kinds = KINDS.iter();
    let documented = kinds.filter(move |kind| kind.operations & operations != 0);
    documented.map(Kind::document)
}

/// The `reason` of a request that a user has not confirmed with the present password.
pub(super) const WRONG_PASSWORD: &str = "WRONG_PASSWORD";

/// Every `reason` in the error envelope, with its status.
pub(super) fn reasons() -> impl Iterator<Item = (&'static str, StatusCode)> {
    let conflicts = Conflict::ALL.map(|why| (reason(why), StatusCode::CONFLICT));
    let wrong_password = (WRONG_PASSWORD, StatusCode::FORBIDDEN);
    conflicts.into_iter().chain([wrong_password])
}

/// The `reason` of a conflict in the error envelope.
pub(super) fn reason(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::EmailTaken => "EMAIL_TAKEN",
        Conflict::UserMissing => "USER_MISSING",
        Conflict::ProductMissing => "PRODUCT_MISSING",
        Conflict::HasDependents => "HAS_DEPENDENTS",
        Conflict::RuleViolated => "RULE_VIOLATED",
    }
}

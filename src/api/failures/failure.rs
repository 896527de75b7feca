//! A failed request, and its response.

use std::borrow::Cow;

use bytes::Bytes;
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};

use crate::error::{Cause, Conflict, Error};
use crate::violation::Violation;

use super::super::details::{MORE_VIOLATIONS, details};
use super::super::responses::json;
use super::super::schemas::{ErrorInfo, ErrorResponse};
use super::super::types::Constant;
use super::{Kind, WRONG_PASSWORD, reason};

/// The message of a request that needs a session, where the database has no tables for them.
const NO_SESSIONS: &str =
    "Nobody can log in here: the database lacks tables that `ecommerce-api migrate run` creates";

/// A failed request, with everything that its response contains.
pub struct Failure {
    pub(super) kind: &'static Kind,
    message: Cow<'static, str>,
    reason: Option<&'static str>,
    details: Option<Vec<Violation>>,
    /// The value of `Allow`.
    allow: Option<Box<str>>,
    /// The value of `Retry-After`, unless it is that of the kind.
    retry_after: Option<u16>,
    /// The value of `WWW-Authenticate`, in a 401.
    challenge: &'static str,
    /// The log message and its cause, which are never sent to the client.
    logged: Option<Box<(&'static str, Cause)>>,
    is_overload: bool,
}

/// Marks the error of a request that failed because this process is overloaded.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Overload;

impl Overload {
    /// Whether `error` has the mark.
    pub(in crate::api) fn is_cause_of(error: &poem::Error) -> bool {
        error.data::<Self>().is_some()
    }
}

impl Failure {
    /// A failure with the default message of its status.
    pub(in crate::api) fn new(status: StatusCode) -> Self {
        let kind = Kind::of(status);
        Self {
            kind,
            message: kind.message.into(),
            reason: None,
            details: None,
            allow: None,
            retry_after: None,
            challenge: "Bearer",
            logged: None,
            is_overload: false,
        }
    }

    /// A failure with a message of its own.
    pub(in crate::api) fn with_message(
        status: StatusCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            message: message.into(),
            ..Self::new(status)
        }
    }

    /// A failure with the default message of its status, whose cause is logged.
    fn logged(status: StatusCode, what: &'static str, cause: impl Into<Cause>) -> Self {
        Self {
            logged: Some(Box::new((what, cause.into()))),
            ..Self::new(status)
        }
    }

    /// 405: the path has other methods; `allow` is the value of `Allow`.
    pub(in crate::api) fn method_not_allowed(allow: String) -> Self {
        let message = format!("This path takes only {allow}");
        Self {
            allow: Some(allow.into()),
            ..Self::with_message(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }

    /// 429: the client may try again after this number of seconds.
    pub(in crate::api) fn rate_limited(seconds: u16) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS)
        }
    }

    /// 401: the request has a token that is not valid.
    pub(in crate::api) fn invalid_token() -> Self {
        Self {
            challenge: "Bearer error=\"invalid_token\"",
            ..Self::new(StatusCode::UNAUTHORIZED)
        }
    }

    /// 403: the caller may not send this body; `violation` says why not.
    pub(in crate::api) fn forbidden_body(violation: Violation) -> Self {
        Self {
            details: Some(vec![violation]),
            ..Self::new(StatusCode::FORBIDDEN)
        }
    }

    /// The violations of a 400; none for other statuses.
    pub(in crate::api) fn into_violations(self) -> Vec<Violation> {
        self.details.unwrap_or_default()
    }

    /// 503: the request took longer than its deadline.
    pub(in crate::api) fn too_slow() -> Self {
        let cause = "the operation did not end before its deadline";
        Self::logged(StatusCode::SERVICE_UNAVAILABLE, "too slow", cause)
    }

    /// The body of the response, as JSON.
    pub(in crate::api) fn body(&self) -> Bytes {
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
        let success = Constant;
        ErrorResponse { success, error }
    }

    /// The response with the error envelope. Logs the cause.
    pub(in crate::api) fn response(&self) -> Response {
        self.log();
        let mut response = json(self.kind.status, &self.envelope());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after.or(self.kind.retry_after) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.kind.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(self.challenge);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = &self.allow
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            headers.insert(header::ALLOW, allow);
        }
        response
    }

    fn log(&self) {
        let Some((what, cause)) = self.logged.as_deref() else {
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
            Error::RuleViolated(cause) => Self {
                logged: Some(Box::new(("a rule of the database is violated", cause))),
                ..Error::Conflict(Conflict::RuleViolated).into()
            },
            Error::WrongPassword => Self {
                reason: Some(WRONG_PASSWORD),
                ..Self::with_message(StatusCode::FORBIDDEN, "The current password is another one")
            },
            Error::Unauthenticated(message) => {
                Self::with_message(StatusCode::UNAUTHORIZED, message)
            }
            Error::TablesMissing => Self {
                message: NO_SESSIONS.into(),
                ..Self::logged(StatusCode::SERVICE_UNAVAILABLE, "nobody can log in", error)
            },
            Error::KeyReused => Self::new(StatusCode::UNPROCESSABLE_ENTITY),
            Error::RateLimited { seconds } => Self::rate_limited(seconds),
            Error::Unavailable(cause) => Self::logged(
                StatusCode::SERVICE_UNAVAILABLE,
                "database unavailable",
                cause,
            ),
            Error::Busy(what) => Self {
                is_overload: true,
                ..Self::logged(StatusCode::SERVICE_UNAVAILABLE, "too busy", what)
            },
            Error::Internal(cause) => {
                Self::logged(StatusCode::INTERNAL_SERVER_ERROR, "internal error", cause)
            }
        }
    }
}

/// The failure as an error of poem, for extractors and endpoints.
impl From<Failure> for poem::Error {
    fn from(failure: Failure) -> Self {
        let mut error = Self::from_response(failure.response());
        if failure.is_overload {
            error.set_data(Overload);
        }
        error
    }
}

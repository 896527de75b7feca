//! Answers: the envelope around a success, and the one way from an error to an answer.
//!
//! An operation returns `Result<Answer<…>, …Error>`, or one of its siblings that carry the tag of
//! what they show: `Found`, `Updated`, `Created`. The error
//! sets differ in the statuses that they may give, which is what the generated document says of
//! the operation; an error outside its set is a fault of the handler and leaves as a 500.

use std::borrow::Cow;
use std::marker::PhantomData;

use bytes::Bytes;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use serde::Serialize;

use crate::error::Error;

use super::conditions::{ETag, Tags};
use super::json::MEDIA_TYPE;
use super::schemas::{ErrorDetail, ErrorInfo, ErrorResponse};

/// As many details as an answer carries: the contract's `maxItems`.
const MAX_DETAILS: usize = 1000;

/// After how many seconds a client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// 200 and a body.
pub struct Answer<T>(pub T);

/// A body whose `data` is one thing of the shop, which has a tag.
pub trait Shows {
    /// That thing.
    type Data: Serialize;

    /// It.
    fn data(&self) -> &Self::Data;
}

/// 200, a body, and its tag; or 304 and the tag alone.
pub enum Found<T> {
    /// The client gets it.
    Whole(T),
    /// The client has it.
    NotModified(ETag),
}

impl<T: Shows> Found<T> {
    /// `body`, unless `If-None-Match` says that the client has it.
    pub(super) fn unless(if_none_match: Option<Tags>, body: T) -> Self {
        if let Some(tags) = if_none_match {
            let tag = ETag::of(body.data());
            if tags.match_weakly(&tag) {
                return Self::NotModified(tag);
            }
        }
        Self::Whole(body)
    }
}

/// 200, a body, and its tag.
pub struct Updated<T>(pub T);

/// 201, a body, its tag, and the path of what was created.
pub struct Created<T> {
    /// The path: the value of `Location`.
    pub location: String,
    /// The body.
    pub body: T,
}

impl<T: Serialize + Send> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize + Shows + Send> IntoResponse for Found<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Whole(body) => Updated(body).into_response(),
            Self::NotModified(tag) => tagged(StatusCode::NOT_MODIFIED.into_response(), &tag),
        }
    }
}

impl<T: Serialize + Shows + Send> IntoResponse for Updated<T> {
    fn into_response(self) -> Response {
        tagged(json(StatusCode::OK, &self.0), &ETag::of(self.0.data()))
    }
}

fn tagged(mut response: Response, tag: &ETag) -> Response {
    if let Some(tag) = tag.header() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

impl<T: Serialize + Shows + Send> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = tagged(
            json(StatusCode::CREATED, &self.body),
            &ETag::of(self.body.data()),
        );
        if let Ok(location) = self.location.try_into() {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl<T: Type> ApiResponse for Answer<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![success::<T>(StatusCode::OK, Vec::new())],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type> ApiResponse for Found<T> {
    fn meta() -> MetaResponses {
        let not_modified = MetaResponse {
            description: "It is still in one of the states that `If-None-Match` names; there is no body",
            status: Some(StatusCode::NOT_MODIFIED.as_u16()),
            status_range: None,
            content: Vec::new(),
            headers: vec![tag_header()],
        };
        MetaResponses {
            responses: vec![
                success::<T>(StatusCode::OK, vec![tag_header()]),
                not_modified,
            ],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type> ApiResponse for Updated<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![success::<T>(StatusCode::OK, vec![tag_header()])],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn tag_header() -> MetaHeader {
    let schema = MetaSchema {
        max_length: Some(66),
        pattern: Some(r#"^"[!#-~]{1,64}"$"#.to_owned()),
        ..MetaSchema::new("string")
    };
    let description =
        "The tag of what `data` shows, or would show; another whenever that is another";
    response_header("etag", description, schema)
}

impl<T: Type> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        let schema = MetaSchema {
            max_length: Some(255),
            ..MetaSchema::new_with_format("string", "uri-reference")
        };
        let location = response_header("location", "The path of what was created", schema);
        MetaResponses {
            responses: vec![success::<T>(
                StatusCode::CREATED,
                vec![tag_header(), location],
            )],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// A success is described by what its body is.
pub(super) fn success<T: Type>(status: StatusCode, headers: Vec<MetaHeader>) -> MetaResponse {
    let description = Registry::new()
        .create_fake_schema::<T>()
        .description
        .unwrap_or_default();
    meta_response::<T>(status, description, headers)
}

fn meta_response<T: Type>(
    status: StatusCode,
    description: &'static str,
    headers: Vec<MetaHeader>,
) -> MetaResponse {
    MetaResponse {
        description,
        status: Some(status.as_u16()),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: MEDIA_TYPE,
            schema: T::schema_ref(),
        }],
        headers,
    }
}

/// A required response header, for the generated document.
pub(super) fn response_header(name: &str, description: &str, schema: MetaSchema) -> MetaHeader {
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: true,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(schema)),
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
    /// The status, the code, and the message for people.
    fn parts(&self) -> (StatusCode, &'static str, Cow<'static, str>) {
        let unavailable = (
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "The service is unavailable for the moment; try again later".into(),
        );
        match self {
            Self::Domain(Error::Invalid(_)) => (
                StatusCode::BAD_REQUEST,
                "VALIDATION_ERROR",
                "The request does not keep to the contract".into(),
            ),
            Self::Domain(Error::NotFound(what)) => (
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                format!("{what} not found").into(),
            ),
            Self::Domain(Error::Stale(what)) => (
                StatusCode::PRECONDITION_FAILED,
                "PRECONDITION_FAILED",
                format!("{what} has none of the tags in If-Match").into(),
            ),
            Self::Domain(Error::Conflict(why)) => {
                (StatusCode::CONFLICT, "CONFLICT", why.to_string().into())
            }
            Self::Domain(Error::Unavailable(_)) | Self::Overloaded => unavailable,
            Self::Domain(Error::Internal(_)) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL_ERROR",
                "The server failed to answer; its log has the cause".into(),
            ),
            Self::UnknownPath => (
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "There is nothing at this path; see /api/docs".into(),
            ),
            Self::MethodNotAllowed(allow) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                format!("This path takes only {allow}").into(),
            ),
            Self::PayloadTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "PAYLOAD_TOO_LARGE",
                "The body is larger than 1 MiB".into(),
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "The body must be JSON: send Content-Type: application/json".into(),
            ),
        }
    }
}

impl Refusal {
    /// The answer in the error envelope. Causes go to the log, never to the client.
    pub(super) fn answer(&self) -> Response {
        match self {
            Self::Domain(Error::Internal(cause)) => tracing::error!(%cause, "internal error"),
            Self::Domain(Error::Unavailable(cause)) => {
                tracing::warn!(%cause, "database unavailable");
            }
            _ => {}
        }
        let (status, code, message) = self.parts();
        let details = match self {
            Self::Domain(Error::Invalid(violations)) => {
                let shown = violations.iter().take(MAX_DETAILS);
                let detail = |violation: &crate::error::Violation| ErrorDetail {
                    field: violation.field.chars().take(255).collect(),
                    message: violation.message.chars().take(255).collect(),
                };
                Some(shown.map(detail).collect())
            }
            _ => None,
        };
        let error = ErrorInfo {
            code: code.to_owned(),
            message: message.into_owned(),
            details,
        };
        let mut response = json(
            status,
            &ErrorResponse {
                success: false,
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

/// A JSON answer. Its length is declared, which also tells the compression whether it is worth it.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => json_bytes(status, bytes.into()),
        // Our types have string keys and no failing `Serialize`; the empty 500 cannot be reached.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The same of a body that is JSON already.
pub(super) fn json_bytes(status: StatusCode, bytes: Bytes) -> Response {
    Response::builder()
        .status(status)
        .content_type(MEDIA_TYPE)
        .header(header::CONTENT_LENGTH, bytes.len())
        .body(Body::from_bytes(bytes))
}

/// The statuses that an operation may fail with.
pub trait ErrorSet: Send + Sync + 'static {
    /// Them, in rising order.
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
/// The same and 404.
pub type FindError = Failure<OfFinding>;
/// The same as [`RequestError`] and 409.
pub type CreateError = Failure<OfCreating>;
/// The same as [`RequestError`], 404 and 412.
pub type EditError = Failure<OfEditing>;
/// The same as [`RequestError`], 404, 409 and 412.
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
        StatusCode::CONFLICT => "The request contradicts what is stored",
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

//! Successful responses: the envelope, and the headers that belong to it.
//!
//! A handler returns `Result<Success<…>, …Error>`. Where `data` is one resource, `Conditional`,
//! `Updated` or `Created` takes the place of `Success` and adds the entity tag of the resource. The
//! error types are in [`super::failures`].

use std::marker::PhantomData;

use bytes::Bytes;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use serde::Serialize;

use crate::db::idempotency;

use super::conditions::{ETag, EntityTags};

/// The media type of every request and response body.
pub(super) const MEDIA_TYPE: &str = "application/json";

/// The header of a response that was kept.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A mark in the extensions of a response whose body is streamed. Its rows are checked chunk by chunk,
/// since a check of the whole body would delay the first byte until the last row.
#[derive(Clone)]
pub(super) struct CheckedByChunk;

/// A response with status 200 and a body.
pub struct Success<T>(pub T);

/// A response body whose `data` is one resource, which has an entity tag.
pub trait ResourceBody {
    /// The type of the resource.
    type Data: Serialize;

    /// The resource.
    fn data(&self) -> &Self::Data;
}

/// A response with status 200, a body and the entity tag of its `data`; or with status 304 and only the
/// tag.
pub enum Conditional<T> {
    /// 200, with this body.
    Full(T),
    /// 304, with this tag.
    NotModified(ETag),
}

impl<T: ResourceBody> Conditional<T> {
    /// The response with `body`, or a 304 when `if_none_match` has the tag of `body`.
    pub(super) fn new(if_none_match: Option<EntityTags>, body: T) -> Self {
        if let Some(tags) = if_none_match {
            let tag = ETag::of(body.data());
            if tags.match_weakly(&tag) {
                return Self::NotModified(tag);
            }
        }
        Self::Full(body)
    }
}

/// A response with status 200, a body and the entity tag of its `data`.
pub struct Updated<T>(pub T);

/// A response with status 201, a body, the entity tag of its `data` and the path of the new resource. It
/// is serialised already, so that it can be kept and sent again.
pub struct Created<T> {
    response: idempotency::Response,
    is_replay: bool,
    body: PhantomData<fn() -> T>,
}

impl<T> Created<T> {
    /// The response to a request that created something, or the replay of this response.
    pub(super) fn from_response(response: idempotency::Response, is_replay: bool) -> Self {
        Self {
            response,
            is_replay,
            body: PhantomData,
        }
    }
}

impl<T: Serialize + ResourceBody> Created<T> {
    /// The response with `body`, whose resource has the path `location`.
    pub(super) fn new(location: String, body: &T) -> Self {
        let response = idempotency::Response {
            location,
            etag: ETag::of(body.data()).quoted(),
            body: serde_json::to_vec(body).unwrap_or_default(),
        };
        Self::from_response(response, false)
    }

    /// The response, as it can be kept.
    pub(super) fn into_response_to_keep(self) -> idempotency::Response {
        self.response
    }
}

impl<T: Serialize + Send> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize + ResourceBody + Send> IntoResponse for Conditional<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Full(body) => Updated(body).into_response(),
            Self::NotModified(tag) => tagged(StatusCode::NOT_MODIFIED.into_response(), &tag),
        }
    }
}

impl<T: Serialize + ResourceBody + Send> IntoResponse for Updated<T> {
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

impl<T: Send> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let idempotency::Response {
            location,
            etag,
            body,
        } = self.response;
        let mut response = json_bytes(StatusCode::CREATED, body.into());
        let headers = response.headers_mut();
        for (name, value) in [(header::LOCATION, location), (header::ETAG, etag)] {
            if let Ok(value) = value.try_into() {
                headers.insert(name, value);
            }
        }
        if self.is_replay {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl<T: Type> ApiResponse for Success<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![success::<T>(StatusCode::OK, Vec::new())],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type> ApiResponse for Conditional<T> {
    fn meta() -> MetaResponses {
        let not_modified = MetaResponse {
            description: "The resource is in one of the states that `If-None-Match` names; there is no body",
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
    let description = "The entity tag of the resource, which changes whenever its `data` does";
    response_header("etag", description, schema)
}

impl<T: Type> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        let schema = MetaSchema {
            max_length: Some(255),
            ..MetaSchema::new_with_format("string", "uri-reference")
        };
        let location = response_header("location", "The path of the created resource", schema);
        MetaResponses {
            responses: vec![success::<T>(
                StatusCode::CREATED,
                vec![tag_header(), replayed_header(), location],
            )],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn replayed_header() -> MetaHeader {
    let description = "Only in the response to a repeated request with an `Idempotency-Key`: always true. The rest of the response is that to the first request.";
    MetaHeader {
        required: false,
        ..response_header(REPLAYED.as_str(), description, MetaSchema::new("boolean"))
    }
}

/// The entry of a successful response in the generated document. Its description is that of the type
/// of the body.
pub(super) fn success<T: Type>(status: StatusCode, headers: Vec<MetaHeader>) -> MetaResponse {
    let description = Registry::new()
        .create_fake_schema::<T>()
        .description
        .unwrap_or_default();
    meta_response::<T>(status, description, headers)
}

/// The entry of a response with a JSON body in the generated document.
pub(super) fn meta_response<T: Type>(
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

/// The entry of a required response header in the generated document.
pub(super) fn response_header(name: &str, description: &str, schema: MetaSchema) -> MetaHeader {
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: true,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(schema)),
    }
}

/// A response with `body` as JSON. `Content-Length` is set, since `compression` decides by the length
/// whether to compress the body.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => json_bytes(status, bytes.into()),
        // Our types have string keys and no failing `Serialize`; the empty 500 cannot be reached.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A response with a body that has already been serialised as JSON.
pub(super) fn json_bytes(status: StatusCode, bytes: Bytes) -> Response {
    Response::builder()
        .status(status)
        .content_type(MEDIA_TYPE)
        .header(header::CONTENT_LENGTH, bytes.len())
        .body(Body::from_bytes(bytes))
}

/// `0 users`, `1 user`, `2 users`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
/// A response with status 200 that browsers may cache but must revalidate. It has a `Content-Length`, so
/// that the response to a HEAD has one, too.
pub(super) fn content(content_type: &str, body: impl Into<Bytes>) -> Response {
    let body: Bytes = body.into();
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::CONTENT_LENGTH, body.len())
        .body(body)
}

//! Successful responses: the envelope, and the headers that belong to it.
//!
//! An operation returns `Result<Answer<…>, …Error>`, or a sibling of `Answer` that carries the tag
//! of what it shows: `Found`, `Updated`, `Created`. The error types stand in [`super::failures`].

use bytes::Bytes;
use poem::http::{StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use serde::Serialize;

use super::conditions::{ETag, Tags};

/// The only media type that the API speaks.
pub(super) const MEDIA_TYPE: &str = "application/json";

/// In the extensions of a response whose body is still being made, and is checked on its way.
#[derive(Clone)]
pub(super) struct CheckedOnItsWay;

/// 200 and a body.
pub struct Answer<T>(pub T);

/// A body whose `data` is one resource, which has an entity tag.
pub trait ResourceBody {
    /// The type of the resource.
    type Data: Serialize;

    /// The resource.
    fn data(&self) -> &Self::Data;
}

/// 200, a body, and its tag; or 304 and the tag alone.
pub enum Found<T> {
    /// The client gets it.
    Whole(T),
    /// The client has it.
    NotModified(ETag),
}

impl<T: ResourceBody> Found<T> {
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

impl<T: Serialize + ResourceBody + Send> IntoResponse for Found<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Whole(body) => Updated(body).into_response(),
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

impl<T: Serialize + ResourceBody + Send> IntoResponse for Created<T> {
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

/// `0 users`, `1 user`, `2 users`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

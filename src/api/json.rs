//! The extractors of request bodies for poem-openapi handlers.
//!
//! The pipeline has already checked the body against the contract; the extractors only convert the JSON
//! value into the Rust type. poem-openapi's own `Json` is not used: it accepts `123` as a string and
//! `null` as an absent property, stops at the first mistake, and quotes the value in its message.

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::ParseFromJSON;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::error::Error;
use crate::violation::Violation;

use super::body::CheckedBody;
use super::failures::Failure;
use super::responses::MEDIA_TYPE;

/// A request body that conforms to the contract, as a Rust type.
pub struct JsonBody<T>(pub T);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(meta_request::<T>(true))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let Some(value) = take_body(request)? else {
            let cause = "the contract does not require a request body for this operation".into();
            return Err(Failure::from(Error::Internal(cause)).into());
        };
        Ok(Self(value))
    }
}

/// A request body that the contract does not require; `None` for a request without one.
pub struct OptionalJsonBody<T>(pub Option<T>);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for OptionalJsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(meta_request::<T>(false))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        take_body(request).map(Self)
    }
}

/// The request body in the generated document.
fn meta_request<T: ParseFromJSON>(required: bool) -> MetaRequest {
    MetaRequest {
        description: None,
        content: vec![MetaMediaType {
            content_type: MEDIA_TYPE,
            schema: T::schema_ref(),
        }],
        required,
    }
}

/// The checked body of a request as a Rust type; `None` for a request without a body.
fn take_body<T: ParseFromJSON>(request: &Request) -> Result<Option<T>> {
    let body = request.data::<CheckedBody>().and_then(CheckedBody::take);
    let Some(value) = body else {
        return Ok(None);
    };
    // The contract gate ensures that the Rust type accepts all that the contract allows. The message
    // therefore only matters for a defect; it does not repeat the value.
    T::parse_from_json(Some(value)).map(Some).map_err(|_| {
        let problem = format!("is not a {} that the server can read", T::name());
        Failure::from(Error::Invalid(vec![Violation::in_body("", problem)])).into()
    })
}

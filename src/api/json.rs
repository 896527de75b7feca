//! The extractor of request bodies for poem-openapi handlers.
//!
//! The pipeline has already checked the body against the contract; the extractor only converts the JSON
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
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: MEDIA_TYPE,
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let body = request.data::<CheckedBody>().and_then(CheckedBody::take);
        let Some(value) = body else {
            let cause = "the contract has no request body for this operation".into();
            return Err(Failure::from(Error::Internal(cause)).into());
        };
        // The tests ensure that the Rust type accepts every value that the contract allows. Only a
        // defect leads to this error, whose message does not repeat the value.
        T::parse_from_json(Some(value)).map(Self).map_err(|_| {
            let problem = format!("is not a {} that the server can read", T::name());
            Failure::from(Error::Invalid(vec![Violation::in_body("", problem)])).into()
        })
    }
}

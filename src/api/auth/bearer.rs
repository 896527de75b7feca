//! The bearer of a request's access token, for operations that are about the bearer.

use poem::http::StatusCode;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::context::{Caller, RequestContext};
use crate::api::failures::Failure;
use crate::tokens::Bearer;

/// The bearer of the access token of a request. Without a token the request is a 401, also where
/// authentication is off.
pub struct Authenticated(pub Bearer);

impl<'a> ApiExtractor<'a> for Authenticated {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];
    type ParamType = ();
    type ParamRawType = ();

    fn register(_registry: &mut Registry) {}

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let context = request.data::<RequestContext>();
        match context.map(|context| context.caller) {
            Some(Caller::Bearer(bearer)) => Ok(Self(bearer)),
            _ => Err(Failure::new(StatusCode::UNAUTHORIZED).into()),
        }
    }
}

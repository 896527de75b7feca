//! The bearer of a request's access token, for operations that need one.

use std::sync::Arc;
use std::time::SystemTime;

use poem::http::header;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::document::SECURITY_SCHEME;
use crate::api::failures::Failure;
use crate::db::Database;
use crate::error::Error;
use crate::tokens::{Bearer, Keys};

/// What verifies access tokens, in the data of each request.
#[derive(Clone)]
pub(super) struct Verifier {
    pub(super) db: Database,
    pub(super) keys: Arc<Keys>,
}

/// The bearer of the valid access token that a request has.
pub struct Authenticated(pub Bearer);

/// The message when there is no valid access token.
const NO_TOKEN: &str = "Send a valid access token: Authorization: Bearer …";

impl<'a> ApiExtractor<'a> for Authenticated {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    /// The document of every contract has the scheme.
    fn register(_registry: &mut Registry) {}

    fn security_schemes() -> Vec<&'static str> {
        vec![SECURITY_SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let bearer = authenticate(request).await.map_err(Failure::from)?;
        Ok(Self(bearer))
    }
}

/// The bearer of the request's access token.
async fn authenticate(request: &Request) -> std::result::Result<Bearer, Error> {
    let refused = || Error::Unauthenticated(NO_TOKEN);
    let verifier: &Verifier = request
        .data()
        .ok_or_else(|| Error::Internal("nothing verifies access tokens".into()))?;
    let sent = request.header(header::AUTHORIZATION).ok_or_else(refused)?;
    let (scheme, token) = sent.split_once(' ').ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused());
    }
    let bearer = verifier.keys.verify(token, SystemTime::now());
    let bearer = bearer.map_err(|_| refused())?;
    if verifier.db.is_session_ended(bearer.session).await? {
        return Err(refused());
    }
    Ok(bearer)
}

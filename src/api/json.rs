//! The bridge to poem-openapi for request bodies: JSON that has been checked against the contract.
//!
//! poem-openapi's own `Json` takes `123` for a string and `null` for an absent property, stops at
//! the first mistake, and quotes what it was sent. Here a body is read strictly and checked
//! against the contract's own schema of its component, every violation is collected, and only
//! what passed becomes a value of the Rust type.

use poem::http::header;
use poem::{Request, RequestBody, Result};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::contract;
use crate::error::{Error, Violation};

use super::failures::{Refusal, refuse};

/// The only media type that the API speaks.
pub(super) const MEDIA_TYPE: &str = "application/json";

/// How many values a request body has at most. Of as many, no body takes much longer than a
/// millisecond, during which its thread does nothing else; a body of 1 MiB may have a million.
const MAX_VALUES: usize = 10_000;

/// A request body that keeps to the contract's schema of its type.
pub struct JsonBody<T>(pub T);

impl<T: Type> Payload for JsonBody<T> {
    const CONTENT_TYPE: &'static str = MEDIA_TYPE;

    fn check_content_type(content_type: &str) -> bool {
        let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        let utf8 = parameters
            .split(';')
            .all(|parameter| match parameter.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                    value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
                }
                _ => true,
            });
        essence.trim().eq_ignore_ascii_case(MEDIA_TYPE) && utf8
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: ParseFromJSON> ParsePayload for JsonBody<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(_request: &Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = body.take()?.into_bytes().await?;
        let invalid = |violations| refuse(&Error::Invalid(violations).into());
        let (value, mut violations) = contract::json::parse_limited(&bytes, MAX_VALUES)
            .map_err(|violation| invalid(vec![violation]))?;
        violations.extend(contract::request_violations(&T::name(), &value));
        if !violations.is_empty() {
            return Err(invalid(violations));
        }
        // What the contract allows the type takes: the contract gate compares the two. If they
        // differed after all, the client would hear where to look, not what it sent.
        T::parse_from_json(Some(value)).map(Self).map_err(|_| {
            invalid(vec![Violation::in_body(
                "",
                format!("is not a {} that the server can read", T::name()),
            )])
        })
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
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
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let json = request.content_type().is_some_and(Self::check_content_type);
        let encoded = request
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_some_and(|value| value != "identity");
        if !json || encoded {
            return Err(refuse(&Refusal::UnsupportedMediaType));
        }
        <Self as ParsePayload>::from_request(request, body).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_taken_in_utf_8_whatever_its_other_parameters() {
        for (content_type, is_taken) in [
            ("application/json", true),
            ("Application/JSON", true),
            (" application/json ;charset=utf-8", true),
            ("application/json; Charset=\"UTF-8\"", true),
            (
                "application/json; profile=\"https://a.example\"; charset = utf-8",
                true,
            ),
            ("application/json; profile=https://a.example", true),
            ("application/json; profile", true),
            ("application/json;", true),
            ("application/json; charset=latin1", false),
            ("application/json; profile=x; charset=utf-16", false),
            ("application/json+x", false),
            ("application/merge-patch+json", false),
            ("text/json", false),
            ("text/plain; charset=utf-8", false),
            ("", false),
        ] {
            let taken = JsonBody::<i32>::check_content_type(content_type);
            assert_eq!(taken, is_taken, "{content_type}");
        }
    }
}

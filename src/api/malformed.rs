//! The responses to requests that are not valid HTTP, which the server rejects before the service
//! sees them: in the error envelope, with a request id.
//!
//! Imports the envelope and the headers of every response.

use bytes::Bytes;
use poem::http::{Response, StatusCode, header};

use super::json::MEDIA_TYPE;
use super::schemas::{ErrorInfo, ErrorResponse};
use super::types::Always;
use super::{App, new_request_id};

/// The code and the message of each status.
const FAILURES: [(StatusCode, &str, &str); 4] = [
    (
        StatusCode::BAD_REQUEST,
        "VALIDATION_ERROR",
        "The request is not valid HTTP: its first line, a header or its Transfer-Encoding is malformed. \
         In a URL, characters such as \" and spaces have to be percent-encoded",
    ),
    (
        StatusCode::URI_TOO_LONG,
        "URI_TOO_LONG",
        "The URL is too long",
    ),
    (
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "REQUEST_HEADER_FIELDS_TOO_LARGE",
        "The URL and the headers are larger than 16 KiB, or there are more than 100 headers",
    ),
    (
        StatusCode::NOT_IMPLEMENTED,
        "NOT_IMPLEMENTED",
        "The body has a transfer coding that this server does not know: send only chunked",
    ),
];

impl App {
    /// The response to a request that is rejected with `status`.
    pub(crate) fn reject(&self, status: StatusCode) -> Response<Bytes> {
        let known = FAILURES.iter().find(|(known, ..)| *known == status);
        let (_, code, message) = known.unwrap_or(&FAILURES[0]);
        let body = ErrorResponse {
            success: Always,
            error: ErrorInfo {
                code: (*code).to_owned(),
                reason: None,
                message: (*message).to_owned(),
                details: None,
            },
        };
        let mut response = poem::Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .finish();
        self.finish(&mut response, None, &new_request_id());
        let response: Response<_> = response.into();
        response.map(|_| serde_json::to_vec(&body).unwrap_or_default().into())
    }
}

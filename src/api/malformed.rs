//! The responses to requests that are not valid HTTP: in the error envelope, with a request id. The
//! server rejects such requests before they reach the pipeline.

use bytes::Bytes;
use poem::http::{Response, StatusCode, header};

use super::failures::Failure;
use super::observe::new_request_id;
use super::pipeline::Pipeline;

/// The message of a response with status 400 to a request that is not valid HTTP.
const MALFORMED: &str = "The request is not valid HTTP: its first line, a header or its \
Transfer-Encoding is malformed. In a URL, characters such as \" and spaces have to be percent-encoded";

impl Pipeline {
    /// The response to a request that is rejected with `status`.
    pub(crate) fn reject(&self, status: StatusCode) -> Response<Bytes> {
        let failure = if status == StatusCode::BAD_REQUEST {
            Failure::with_message(status, MALFORMED)
        } else {
            Failure::new(status)
        };
        let id = new_request_id();
        let mut response = failure.response();
        self.finish(&mut response, None, &id);
        drop(response.take_body());
        // The server sets this header itself.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        let response: Response<_> = response.into();
        response.map(|_| failure.body())
    }
}

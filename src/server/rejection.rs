//! Requests that hyper rejects itself, so that they do not reach the application.
//!
//! Hyper responds to a head that it cannot read with a 400, 414 or 431 without a body. The response
//! of [`Application::reject`](super::Application::reject) replaces it.

use bytes::Bytes;
use poem::http::{Response, StatusCode};

/// The statuses with which hyper rejects a head.
const BARE: [StatusCode; 3] = [
    StatusCode::BAD_REQUEST,
    StatusCode::URI_TOO_LONG,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
];

/// The header of a response without a body, as hyper writes it.
const NO_BODY: &str = "content-length: 0\r\n";

/// The header that says that the connection ends. Hyper omits it in HTTP/1.0, where it is the default.
const CLOSE: &str = "connection: close\r\n";

/// The status of a response that hyper made by itself; `None` for any other bytes.
pub(super) fn status_of_bare(bytes: &[u8]) -> Option<StatusCode> {
    let head = std::str::from_utf8(bytes).ok()?;
    // After a request in HTTP/1.0, hyper rejects the next one in HTTP/1.0, too.
    let rest = ["HTTP/1.1 ", "HTTP/1.0 "]
        .iter()
        .find_map(|version| head.strip_prefix(version))?;
    let status = rest.get(..3)?.parse().ok()?;
    (BARE.contains(&status) && head.contains(NO_BODY) && head.ends_with("\r\n\r\n"))
        .then_some(status)
}

/// Encodes `response`, with the status line and the headers `Connection` and `Date` of hyper's
/// response `bare`.
pub(super) fn encode(bare: &[u8], response: &Response<Bytes>) -> Bytes {
    let head = String::from_utf8_lossy(bare).replace(NO_BODY, "");
    let mut bytes = head.trim_end().as_bytes().to_vec();
    if !head.contains(CLOSE) {
        bytes.extend([b"\r\n", CLOSE.trim_end().as_bytes()].concat());
    }
    for (name, value) in response.headers() {
        bytes.extend([b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
    }
    let length = response.body().len();
    bytes.extend(format!("\r\ncontent-length: {length}\r\n\r\n").as_bytes());
    bytes.extend(response.body());
    bytes.into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_response_of_hyper_s_own_is_recognised() {
        let bare = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                    content-length: 0\r\ndate: Wed, 25 Nov 2026 02:49:07 GMT\r\n\r\n";
        let status = |text: &str| status_of_bare(text.as_bytes()).map(|status| status.as_u16());
        assert_eq!(status(bare), Some(431));
        assert_eq!(status(&bare.replace("HTTP/1.1", "HTTP/1.0")), Some(431));
        for other in [
            "",
            "HTTP/1.1 4",
            &bare[..bare.len() - 1],
            &bare.replace("431", "200"),
            &bare.replace("length: 0", "length: 1"),
            &bare.replace("HTTP/1.1", "HTTP/2"),
            "\0\0\x12\x04\0\0\0\0\0",
        ] {
            assert_eq!(status(other), None, "{other}");
        }
    }

    #[test]
    fn a_replacement_keeps_the_status_line_and_has_one_length() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                     date: now\r\n\r\n";
        let response = Response::builder().header("x-request-id", "7");
        let response = response.body(Bytes::from("{}")).unwrap();
        assert_eq!(
            encode(bare, &response),
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ndate: now\r\nx-request-id: 7\r\n\
             content-length: 2\r\n\r\n{}"
        );
    }
}

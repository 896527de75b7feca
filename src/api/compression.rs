//! gzip for larger answers, to clients that take it.

use async_compression::tokio::bufread::GzipEncoder;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Body, Response};
use tokio::io::BufReader;

/// Below so many bytes an answer fits into one packet, and compressing costs more than it saves.
const WORTH_IT: u64 = 1400;

/// Whether these request headers take gzip (RFC 9110, 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut star = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight
            .trim()
            .strip_prefix("q=")
            .and_then(|weight| weight.parse::<f32>().ok());
        let taken = weight.is_none_or(|weight| weight > 0.0);
        match name.trim() {
            "gzip" | "x-gzip" => return taken,
            "*" => star = taken,
            _ => {}
        }
    }
    star
}

/// Compresses `response`, the answer to a request with `method`, if that is worth it. The answer to a
/// HEAD gets the headers of a compressed GET.
pub(super) fn compress(mut response: Response, method: &Method) -> Response {
    let length = response
        .header(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok());
    let small = length.is_some_and(|length| length < WORTH_IT);
    if small
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status())
        || response.headers().contains_key(header::CONTENT_ENCODING)
    {
        return response;
    }
    if *method != Method::HEAD {
        let body = BufReader::new(response.take_body().into_async_read());
        response.set_body(Body::from_async_read(GzipEncoder::new(body)));
    }
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_decides() {
        let accepts = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            accepts_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]))
        };
        for text in ["gzip", "br, gzip;q=0.5", "*", "deflate, *;q=0.1", "x-gzip"] {
            assert!(accepts(text), "{text}");
        }
        for text in ["", "identity", "gzip;q=0", "*, gzip;q=0", "br", "*;q=0"] {
            assert!(!accepts(text), "{text}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}

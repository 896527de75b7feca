//! gzip for larger responses, to clients that accept it.
//!
//! Imports nothing of ours.

use async_compression::tokio::bufread::GzipEncoder;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Body, Response};
use tokio::io::BufReader;

/// A shorter response fits into one packet: compressing it costs more than it saves.
const MIN_LENGTH: u64 = 1400;

/// Whether these request headers accept gzip (RFC 9110, 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut accepts_any = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let is_accepted = parameters.split(';').all(allows);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return is_accepted,
            "*" => accepts_any = is_accepted,
            _ => {}
        }
    }
    accepts_any
}

/// Whether a parameter of a coding leaves it acceptable: any does but a weight of zero, or one that
/// is not a number.
fn allows(parameter: &str) -> bool {
    let (name, weight) = parameter.split_once('=').unwrap_or((parameter, ""));
    let is_decimal = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    !name.trim().eq_ignore_ascii_case("q")
        || weight.trim().bytes().all(is_decimal)
            && weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0)
}

/// Compresses `response`, to a request with `method`, if that is worth it. The response to a HEAD gets
/// the headers of the compressed response to a GET: none of them has the length, which is not known
/// before the body is compressed.
pub(super) fn compress(mut response: Response, method: &Method) -> Response {
    let length = response
        .header(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok());
    let is_short = length.is_some_and(|length| length < MIN_LENGTH);
    if is_short
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
        for text in [
            "gzip",
            "GZIP",
            "X-Gzip",
            "x-gzip",
            "br, gzip;q=0.5",
            "br ,gzip ; q = 0.001",
            "gzip;Q=1.000",
            "gzip;x=1;q=0.5",
            "gzip;q=1;x=0",
            "gzip;",
            "*",
            "deflate, *;q=0.1",
            "*;q=0, gzip",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in [
            "",
            "identity",
            "br",
            "gzipped",
            "gzip;q=0",
            "gzip;Q=0",
            "gzip ; q=0.000",
            "gzip;x=1;q=0",
            "gzip;q=0;x=1",
            "gzip;q=",
            "gzip;q",
            "gzip;q=-1",
            "gzip;q=inf",
            "gzip;q=nan",
            "*, gzip;q=0",
            "*;q=0",
            "*;x=1;Q=0.0",
        ] {
            assert!(!accepts(text), "{text}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}

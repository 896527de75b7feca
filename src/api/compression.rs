//! Compresses larger responses with gzip for clients that accept it.
//!
//! Imports `response_memory`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_compression::tokio::bufread::GzipEncoder;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Body, Response};
use tokio::io::{AsyncRead, BufReader, ReadBuf};

use super::response_memory::Held;

/// The shortest body that is compressed, in bytes. A shorter response fits into one packet, so that
/// compression would cost time and save nothing.
const MIN_LENGTH: u64 = 1400;

/// How much memory the compression of one body takes, in bytes.
pub(super) const MEMORY: usize = 320 * 1024;

/// Whether these request headers accept gzip (RFC 9110, 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut accepts_any = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let is_accepted = parameters.split(';').all(is_acceptable);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return is_accepted,
            "*" => accepts_any = is_accepted,
            _ => {}
        }
    }
    accepts_any
}

/// Whether a coding with this parameter is acceptable. It is not when the parameter is a weight (`q`)
/// that is zero or not a number.
fn is_acceptable(parameter: &str) -> bool {
    let (name, weight) = parameter.split_once('=').unwrap_or((parameter, ""));
    let is_decimal = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    !name.trim().eq_ignore_ascii_case("q")
        || weight.trim().bytes().all(is_decimal)
            && weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0)
}

/// Compresses the response to a request with `method`, unless the body is short or `memory` gives none, which
/// is held until the end of the body. The response to a HEAD
/// gets the headers of the compressed response to a GET. Both have no `Content-Length`: the length is
/// unknown until the whole body has been compressed.
pub(super) fn compress(
    mut response: Response,
    method: &Method,
    memory: impl FnOnce() -> Option<Held>,
) -> Response {
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
        let Some(held) = memory() else {
            return response;
        };
        let body = BufReader::new(response.take_body().into_async_read());
        let encoder = GzipEncoder::new(body);
        response.set_body(Body::from_async_read(Holding {
            encoder,
            _held: held,
        }));
    }
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// The encoder of a body, and the memory that it takes.
struct Holding<E> {
    encoder: E,
    _held: Held,
}

impl<E: AsyncRead + Unpin> AsyncRead for Holding<E> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.encoder).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_encoding_decides_about_gzip() {
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

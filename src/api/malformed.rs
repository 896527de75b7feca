//! Requests that are not valid HTTP. The server rejects those whose head cannot be read before they reach
//! the pipeline. The pipeline itself rejects those whose body has no known end.

use poem::http::{HeaderMap, StatusCode, header};

use super::failures::Failure;

/// The message of a response with status 400 to a request that is not valid HTTP.
const MALFORMED: &str = "The request is not valid HTTP: its first line, a header or its \
Transfer-Encoding is malformed. In a URL, characters such as \" and spaces have to be percent-encoded";

/// The failure of a request that is not valid HTTP.
pub(super) fn failure(status: StatusCode) -> Failure {
    if status == StatusCode::BAD_REQUEST {
        Failure::with_message(status, MALFORMED)
    } else {
        Failure::new(status)
    }
}

/// Checks that `chunked` is the only transfer coding of a request's body. Otherwise the end of the body is
/// unknown: the connection has to end after the response, whatever the response is.
///
/// Hyper checks only the last coding, which has to be `chunked`.
///
/// # Errors
/// 501 for a coding before that, 400 for `chunked` twice (RFC 9112, 6.1).
pub(super) fn check_transfer_codings(headers: &HeaderMap) -> Result<(), Failure> {
    let lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let lines = lines.map(|line| line.to_str().unwrap_or("?"));
    let codings = lines.flat_map(|line| line.split(',')).map(str::trim);
    let mut codings: Vec<&str> = codings.filter(|coding| !coding.is_empty()).collect();
    codings.pop();
    if codings.is_empty() {
        return Ok(());
    }
    let is_chunked = |coding: &&str| coding.eq_ignore_ascii_case("chunked");
    if codings.iter().any(is_chunked) {
        Err(failure(StatusCode::BAD_REQUEST))
    } else {
        Err(failure(StatusCode::NOT_IMPLEMENTED))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_chunked_alone_is_accepted() {
        let check = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::TRANSFER_ENCODING, line.parse().unwrap());
            }
            let checked = check_transfer_codings(&headers);
            checked.map_err(|failure| failure.response().status().as_u16())
        };
        for taken in [&[][..], &["chunked"], &["Chunked"], &[" ,chunked"]] {
            assert_eq!(check(taken), Ok(()), "{taken:?}");
        }
        for other in [
            &["cow, chunked"][..],
            &["gzip", "chunked"],
            &["x;y=chunked, chunked"],
        ] {
            assert_eq!(check(other), Err(501), "{other:?}");
        }
        for twice in [
            &["chunked, chunked"][..],
            &["chunked", "chunked"],
            &["cow, chunked, CHUNKED"],
        ] {
            assert_eq!(check(twice), Err(400), "{twice:?}");
        }
    }
}

//! The trace that a request belongs to: the header `traceparent` of the W3C recommendation Trace Context.
//!
//! The id of the trace is logged, so that the log lines of a request are found from a trace of the caller.
//! The header is not sent back, and not forwarded: in SQL comments it would make each statement a new one
//! for the database, and one statement serves the requests of several traces.

use poem::http::HeaderMap;

const TRACEPARENT: &str = "traceparent";

/// The lengths of the version, the trace id, the parent id and the flags, each in hexadecimal.
const LENGTHS: [usize; 4] = [2, 32, 16, 2];

/// The version that must not be used.
const NO_VERSION: &str = "ff";

/// The version with no other parts.
const FIRST_VERSION: &str = "00";

/// The id of the trace that a request belongs to; `None` without a valid `traceparent`.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(TRACEPARENT).iter();
    let (first, None) = (sent.next()?, sent.next()) else {
        return None;
    };
    parse(first.to_str().ok()?)
}

/// The trace id in a value of `traceparent`. Later versions may have further parts.
fn parse(value: &str) -> Option<&str> {
    let mut parts = value.split('-');
    let mut known = [""; LENGTHS.len()];
    for (known, length) in known.iter_mut().zip(LENGTHS) {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(is_lowercase_hex) {
            return None;
        }
        *known = part;
    }
    let [version, trace_id, parent_id, _flags] = known;
    let has_valid_version = match version {
        NO_VERSION => false,
        FIRST_VERSION => parts.next().is_none(),
        _ => true,
    };
    (has_valid_version && !is_zero(trace_id) && !is_zero(parent_id)).then_some(trace_id)
}

fn is_lowercase_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_zero(id: &str) -> bool {
    id.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn only_a_valid_header_has_a_trace_id() {
        for (value, expected) in [
            ("00-TRACE-00f067aa0ba902b7-01", Some(TRACE)),
            ("00-TRACE-00f067aa0ba902b7-00", Some(TRACE)),
            ("00-TRACE-00f067aa0ba902b7-ff", Some(TRACE)),
            // A later version, with and without another part.
            ("01-TRACE-00f067aa0ba902b7-01", Some(TRACE)),
            (
                "cc-TRACE-00f067aa0ba902b7-01-what-the-future-brings",
                Some(TRACE),
            ),
            ("01-TRACE-00f067aa0ba902b7-01.what", None),
            ("00-TRACE-00f067aa0ba902b7-01-", None),
            ("00-TRACE-00f067aa0ba902b7-01-x", None),
            ("ff-TRACE-00f067aa0ba902b7-01", None),
            ("00-TRACE-0000000000000000-01", None),
            (
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                None,
            ),
            (
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                None,
            ),
            ("00-TRACE-00f067aa0ba902b-01", None),
            ("00-TRACE0-00f067aa0ba902b7-01", None),
            ("00-TRACE-00f067aa0ba902b7-0", None),
            ("00-TRACE-00f067aa0ba902b7", None),
            ("0-TRACE-00f067aa0ba902b7-01", None),
            ("00_TRACE_00f067aa0ba902b7_01", None),
            (" 00-TRACE-00f067aa0ba902b7-01", None),
            ("00-TRACE-00f067aa0ba902b7-01 ", None),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
                None,
            ),
            ("", None),
        ] {
            let value = value.replace("TRACE", TRACE);
            assert_eq!(parse(&value), expected, "{value}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(trace_id(&headers), None);
        let value = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let value = HeaderValue::try_from(value);
        let value = value.unwrap_or_else(|_| panic!("the value is printable"));
        headers.append(TRACEPARENT, value.clone());
        assert_eq!(trace_id(&headers), Some(TRACE));
        headers.append(TRACEPARENT, value);
        assert_eq!(trace_id(&headers), None);
    }
}

//! Reads the body of a request, within limits, and checks it against the contract.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use poem::http::{StatusCode, header};
use poem::{Body, Request};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::budget::Account;
use crate::contract;
use crate::deadlines;
use crate::error::Error;
use crate::violation::Violation;

use super::failures::Failure;
use super::responses::MEDIA_TYPE;

/// The largest body that is accepted, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// The largest number of JSON values in a body. Without this limit a body of 1 MiB could have a million
/// values. Checking 10,000 of them takes about a millisecond, during which the thread does nothing else.
const MAX_VALUES: usize = 10_000;

/// How many bytes of a body that is too large are read and discarded. A client that sends the whole body
/// before it reads the response receives the 413 only if the server goes on reading.
const MAX_DRAIN: usize = 16 * MAX_BODY;

/// What is wrong with a body that arrives more slowly than [`deadlines::BODY_PART`] allows.
const TOO_SLOW: &str = "arrived too slowly: send at least 10 KiB in 10 seconds";

/// A request body that conforms to the contract. It is in the extensions of the request until the
/// handler's extractor takes it.
#[derive(Clone)]
pub(super) struct CheckedBody(Arc<Mutex<Option<Value>>>);

impl CheckedBody {
    fn new(value: Value) -> Self {
        Self(Arc::new(Mutex::new(Some(value))))
    }

    /// Checks the body, unless it has been taken before.
    pub(super) fn inspect(
        &self,
        check: impl FnOnce(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.as_ref().map_or(Ok(()), check)
    }

    /// The body; `None` when it has been taken before.
    pub(super) fn take(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads the body of a request and checks it. `None` for a request without a body, if the contract does
/// not require one.
///
/// # Errors
/// 415 when the body is not JSON, 413 when it is larger than 1 MiB; 400, with every violation, when it
/// does not conform to the contract, is cut off or arrives too slowly; 503 when the memory for bodies is used up.
pub(super) async fn check(
    contract: &contract::Body,
    request: &mut Request,
    memory: &mut Account<'_>,
) -> Result<Option<CheckedBody>, Failure> {
    if !contract.is_required && has_no_body(request) {
        return Ok(None);
    }
    if !declares_json(request) {
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let bytes = read(request, memory).await?;
    // No other task runs on this thread until the value has been checked, and a value that conforms is hardly
    // larger than its text. So what was counted for the text also stands for the value.
    let (value, mut violations) =
        contract::json::parse_limited(&bytes, MAX_VALUES).map_err(invalid)?;
    violations.extend(contract.violations(&value));
    if violations.is_empty() {
        Ok(Some(CheckedBody::new(value)))
    } else {
        Err(Error::Invalid(violations).into())
    }
}

/// Whether it is certain that a request has no body before the body is read.
fn has_no_body(request: &mut Request) -> bool {
    let body = request.take_body();
    let is_empty = body.is_empty();
    request.set_body(body);
    is_empty
}

fn invalid(violation: Violation) -> Failure {
    Error::Invalid(vec![violation]).into()
}

/// Whether the headers of `request` say that its body is JSON, in UTF-8 and not compressed.
fn declares_json(request: &Request) -> bool {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    request.content_type().is_some_and(is_json)
        && encoding.is_none_or(|encoding| encoding == "identity")
}

fn is_json(content_type: &str) -> bool {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is_utf8 = parameters
        .split(';')
        .all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        });
    essence.trim().eq_ignore_ascii_case(MEDIA_TYPE) && is_utf8
}

/// Whether the client waits for permission before it sends the body (`Expect: 100-continue`).
pub(super) fn is_held_back(request: &Request) -> bool {
    request.headers().contains_key(header::EXPECT)
}

async fn read(request: &mut Request, memory: &mut Account<'_>) -> Result<Vec<u8>, Failure> {
    let declared = request
        .header(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok());
    if is_held_back(request) && declared.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let reading = read_all(request.take_body(), memory);
    let read = tokio::time::timeout(deadlines::BODY, reading).await;
    read.unwrap_or_else(|_| {
        let seconds = deadlines::BODY.as_secs();
        let problem = format!("did not arrive within {seconds} seconds");
        Err(invalid(Violation::in_body("", problem)))
    })
}

/// The part of a body that a client has to send next.
struct Part {
    deadline: Instant,
    missing: usize,
}

impl Part {
    fn begin() -> Self {
        Self {
            deadline: Instant::now() + deadlines::BODY_PART,
            missing: deadlines::BODY_PART_BYTES,
        }
    }

    /// Records that bytes have arrived.
    fn record(&mut self, bytes: usize) {
        self.missing = self.missing.saturating_sub(bytes);
        if self.missing == 0 {
            *self = Self::begin();
        }
    }
}

async fn read_all(body: Body, memory: &mut Account<'_>) -> Result<Vec<u8>, Failure> {
    let mut chunks = body.into_bytes_stream();
    let mut kept = Vec::new();
    let mut length = 0;
    let mut part = Part::begin();
    let too_slow = |_| invalid(Violation::in_body("", TOO_SLOW));
    while let Some(chunk) = timeout_at(part.deadline, chunks.next())
        .await
        .map_err(too_slow)?
    {
        let chunk = chunk.map_err(|_| invalid(Violation::in_body("", "was cut off")))?;
        part.record(chunk.len());
        length += chunk.len();
        if length <= MAX_BODY {
            keep(&mut kept, &chunk, memory)?;
        } else if length > MAX_DRAIN {
            break;
        } else {
            kept = Vec::new();
            memory.release();
        }
    }
    if length > MAX_BODY {
        Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE))
    } else {
        Ok(kept)
    }
}

/// Appends `chunk` to `kept`. The capacity grows by a quarter at a time, so that little more is allocated
/// than has arrived, and all of it is counted.
fn keep(kept: &mut Vec<u8>, chunk: &[u8], memory: &mut Account<'_>) -> Result<(), Failure> {
    let length = kept.len() + chunk.len();
    if length > kept.capacity() {
        let capacity = length.max((kept.capacity() + kept.capacity() / 4).min(MAX_BODY));
        memory.set(capacity)?;
        kept.reserve_exact(capacity - kept.len());
    }
    kept.extend_from_slice(chunk);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf_8_is_accepted_with_any_other_parameters() {
        for (content_type, is_accepted) in [
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
            assert_eq!(is_json(content_type), is_accepted, "{content_type}");
        }
    }
}

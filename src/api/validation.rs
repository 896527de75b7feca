//! Answers checked against the contract while the service runs, for who wants to know for sure.
//!
//! In the tests every answer is checked; this does the same in production, on request. A stray
//! answer is logged with its operation and the places where it strays, under the request's id, and
//! without a single value. The log line comes before the answer leaves.

use bytes::Bytes;
use poem::{Body, Response};

use crate::contract::Operation;
use crate::error::{Error, Violation};

use super::responses::Refusal;

/// What happens to an answer that strays from the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Validation {
    /// Answers are not looked at.
    Off,
    /// Of this share of the answers (0 to 1), a stray one is logged, and sent.
    Warn(f64),
    /// A stray answer is logged, and a 500 is sent in its place.
    Enforce,
}

impl Validation {
    /// Checks the answer of `operation` as it is about to leave.
    ///
    /// # Errors
    /// What to answer in its place, with [`Self::Enforce`].
    pub(super) async fn check(
        self,
        operation: &Operation,
        mut response: Response,
    ) -> Result<Response, Refusal> {
        let looks = match self {
            Self::Off => false,
            Self::Warn(share) => rand::random::<f64>() < share,
            Self::Enforce => true,
        };
        if !looks {
            return Ok(response);
        }
        let body = response.take_body().into_bytes().await;
        let body = body.map_err(|error| Error::Internal(error.into()))?;
        let violations = violations(operation, &response, &body);
        if !violations.is_empty() {
            log(operation, &response, &violations);
            if self == Self::Enforce {
                return Err(Error::Internal("a stray answer was held back".into()).into());
            }
        }
        response.set_body(Body::from_bytes(body));
        Ok(response)
    }
}

fn violations(operation: &Operation, response: &Response, body: &Bytes) -> Vec<Violation> {
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    operation.response_violations(response.status().as_u16(), header, body)
}

fn log(operation: &Operation, response: &Response, violations: &[Violation]) {
    /// So many places say what is wrong; a list of a million bad rows must not become as many lines.
    const MAX_PLACES: usize = 10;
    for Violation { field, message } in violations.iter().take(MAX_PLACES) {
        tracing::error!(
            operation = operation.id,
            status = response.status().as_u16(),
            pointer = field,
            problem = message,
            places = violations.len(),
            "the answer strays from the contract"
        );
    }
}

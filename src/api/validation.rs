//! The check of responses against the contract at run time, if the operator enables it.
//!
//! The tests check every response of every operation; this check is for production. It logs a
//! nonconforming response before the response is sent: with its operation, the request id and the
//! places that do not conform, but without any value.

use bytes::Bytes;
use poem::http::Method;
use poem::{Body, Response};

use crate::contract::Operation;
use crate::error::Error;
use crate::metrics::{Counter, Metrics};
use crate::violation::Violation;

use super::failures::Failure;
use super::responses::CheckedByChunk;

/// Which responses are checked, and what happens to a nonconforming one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Validation {
    /// Responses are not checked.
    Off,
    /// A random sample of the responses is checked, as large as this fraction (0 to 1). A
    /// nonconforming response is logged, and sent.
    Warn(f64),
    /// Every response is checked. A nonconforming response is logged, and a 500 is sent in its place.
    Enforce,
}

impl Validation {
    /// Checks the finished response of `operation`.
    ///
    /// # Errors
    /// With [`Self::Enforce`], the response to send in place of a nonconforming one.
    pub(super) async fn check(
        self,
        operation: &'static Operation,
        method: &Method,
        mut response: Response,
        metrics: &Metrics,
    ) -> Result<Response, Failure> {
        let nonconforming = || metrics.http.nonconforming(&operation.id);
        if *method == Method::HEAD || response.extensions().get::<CheckedByChunk>().is_some() {
            self.check_head(operation, &response, nonconforming)?;
            return Ok(response);
        }
        if !self.is_sampled() {
            return Ok(response);
        }
        let body = response.take_body().into_bytes().await;
        let body = body.map_err(|error| Error::Internal(error.into()))?;
        let violations = violations(operation, &response, &body);
        if !violations.is_empty() {
            nonconforming().inc();
            self.report(operation, response.status().as_u16(), &violations)?;
        }
        response.set_body(Body::from_bytes(body));
        Ok(response)
    }

    /// Checks everything but the body: for a response to HEAD, and for one whose body is streamed.
    fn check_head(
        self,
        operation: &Operation,
        response: &Response,
        nonconforming: impl FnOnce() -> Counter,
    ) -> Result<(), Error> {
        if self == Self::Off {
            return Ok(());
        }
        let status = response.status().as_u16();
        let violations = operation.head_violations(status, header_of(response));
        if violations.is_empty() {
            return Ok(());
        }
        nonconforming().inc();
        self.report(operation, status, &violations)
    }

    /// The validator of the rows of a list; `None` when this list is not checked.
    pub(super) fn row_validator(
        self,
        operation: &'static Operation,
        metrics: &Metrics,
    ) -> Option<RowValidator> {
        self.is_sampled().then(|| RowValidator {
            validation: self,
            operation,
            nonconforming: metrics.http.nonconforming(&operation.id),
        })
    }

    /// Whether to check this response.
    fn is_sampled(self) -> bool {
        match self {
            Self::Off => false,
            Self::Warn(share) => rand::random::<f64>() < share,
            Self::Enforce => true,
        }
    }

    /// Logs the violations; an error with [`Self::Enforce`].
    fn report(
        self,
        operation: &Operation,
        status: u16,
        violations: &[Violation],
    ) -> Result<(), Error> {
        log(operation, status, violations);
        if self == Self::Enforce {
            return Err(Error::Internal(
                "a nonconforming response was held back".into(),
            ));
        }
        Ok(())
    }
}

/// The JSON pointer of the rows in the body of a list.
const LIST: &str = "/data";

/// Checks the rows of a list of several chunks. Each chunk is checked before it is sent.
#[derive(Clone)]
pub(super) struct RowValidator {
    validation: Validation,
    operation: &'static Operation,
    nonconforming: Counter,
}

impl RowValidator {
    /// Checks rows, which are JSON values separated by commas. `before` is the number of rows of the
    /// list that precede them.
    ///
    /// # Errors
    /// With [`Validation::Enforce`], when a row does not conform.
    pub(super) fn check_rows(&self, rows: &[u8], before: usize) -> Result<(), Error> {
        let violations = self.operation.row_violations(200, LIST, before, rows);
        if violations.is_empty() {
            return Ok(());
        }
        self.nonconforming.inc();
        self.validation.report(self.operation, 200, &violations)
    }
}

fn violations(operation: &Operation, response: &Response, body: &Bytes) -> Vec<Violation> {
    operation.response_violations(response.status().as_u16(), header_of(response), body)
}

fn header_of<'r>(response: &'r Response) -> impl Fn(&str) -> Option<&'r str> {
    move |name| {
        let value = response.headers().get(name)?;
        value.to_str().ok()
    }
}

fn log(operation: &Operation, status: u16, violations: &[Violation]) {
    /// The largest number of places that are logged for one response.
    const MAX_PLACES: usize = 10;
    for Violation { field, message, .. } in violations.iter().take(MAX_PLACES) {
        tracing::error!(
            operation = operation.id.as_str(),
            status,
            pointer = field,
            problem = message,
            places = violations.len(),
            "the response does not conform to the contract"
        );
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::api::contracts;

    /// The response to `HEAD` of an operation that always has an `ETag`, without one.
    #[tokio::test]
    async fn the_headers_of_a_response_to_head_are_checked() {
        let mut operations = contracts::operations();
        let operation = operations.find(|operation| operation.id == "getUser");
        for (validation, passes) in [
            (Validation::Off, true),
            (Validation::Warn(1.0), true),
            (Validation::Enforce, false),
        ] {
            let untagged = Response::builder()
                .content_type("application/json")
                .header("x-request-id", "1")
                .finish();
            let metrics = Metrics::new();
            let operation = operation.unwrap();
            let checked = validation.check(operation, &Method::HEAD, untagged, &metrics);
            assert_eq!(checked.await.is_ok(), passes, "{validation:?}");
            let counted = metrics.http.nonconforming(&operation.id).get();
            assert_eq!(counted > 0, validation != Validation::Off, "{validation:?}");
        }
    }
}

//! What a monitoring system reads, for a listener of its own: `/metrics`, `/health`, `/health/live` and
//! `/health/ready`.
//!
//! These requests pass through no pipeline: they are not logged, not counted in the metrics, and not
//! limited with those of clients.
//!
//! Imports `metrics`, and `health` and `site` for the state of the service.

use std::sync::Arc;

use bytes::Bytes;
use poem::http::{self, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

use crate::metrics::{Format, Metrics};

use super::failures::Failure;
use super::health::Readiness;
use super::{malformed, site};

/// The endpoint of the listener for monitoring.
pub struct Monitoring {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl Monitoring {
    pub(super) fn new(metrics: &Arc<Metrics>, readiness: Readiness) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            readiness,
        }
    }

    /// The response to a request that the server rejects with `status` because it is not valid HTTP.
    pub(crate) fn reject(status: StatusCode) -> http::Response<Bytes> {
        let failure = malformed::failure(status);
        let mut response = failure.response();
        drop(response.take_body());
        // The server sets this header itself.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        let response: http::Response<_> = response.into();
        response.map(|_| failure.body())
    }

    fn metrics(&self, request: &Request) -> Response {
        let format = format(request.header(header::ACCEPT).unwrap_or_default());
        Response::builder()
            .header(header::CONTENT_TYPE, format.content_type())
            .header(header::CACHE_CONTROL, "no-store")
            .body(self.metrics.text(format))
    }
}

impl Endpoint for Monitoring {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Err(Failure::method_not_allowed("GET, HEAD".to_owned()).into());
        }
        match request.uri().path() {
            "/metrics" => Ok(self.metrics(&request)),
            "/health" | "/health/ready" => site::health(self.readiness.clone().check()).await,
            "/health/live" => Ok(site::live()),
            _ => Err(Failure::with_message(
                StatusCode::NOT_FOUND,
                "This port has /metrics, /health, /health/live and /health/ready",
            )
            .into()),
        }
    }
}

/// The format for a client that sent this `Accept`: `OpenMetrics` where it is named, as Prometheus does.
fn format(accept: &str) -> Format {
    let mut types = accept.split(',').map(|range| {
        let essence = range.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    });
    if types.any(|essence| essence == "application/openmetrics-text") {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_are_sent_to_those_who_name_them() {
        for (accept, expected) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            (
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::Prometheus,
            ),
            ("application/openmetrics-text", Format::OpenMetrics),
            // As Prometheus 2.42 sends.
            (
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }
}

//! What a monitoring system reads, for a listener of its own: `/metrics`, `/health`, `/health/live` and
//! `/health/ready`.
//!
//! These requests pass through no pipeline: they are not logged, not counted in the metrics, and not
//! limited with those of clients.
//!
//! The port is served before the database is prepared, which may take long: meanwhile the process is alive
//! and not ready, and there are no metrics.
//!
//! Imports `db`, `error` and `metrics`, and `health` and `site` for the state of the service.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use poem::http::{self, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

use crate::db::Database;
use crate::error::Error;
use crate::metrics::{Format, Metrics};

use super::failures::Failure;
use super::health::Readiness;
use super::pipeline::Pipeline;
use super::{malformed, site};

/// The endpoint of the listener for monitoring; clones show the same service.
#[derive(Clone, Default)]
pub struct Monitoring(Arc<OnceLock<Service>>);

/// The service that is shown, once it has started.
struct Service {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl Monitoring {
    /// Shows the service `pipeline`, which uses `db`, from now on.
    pub fn show(&self, db: &Database, pipeline: &Pipeline) {
        // Only the first service is shown.
        let _ = self.0.set(Service {
            metrics: Arc::clone(db.metrics()),
            readiness: Readiness::new(db, &pipeline.is_stopping),
        });
    }

    fn service(&self) -> Result<&Service, Failure> {
        let starting = || Error::Busy("the service is starting").into();
        self.0.get().ok_or_else(starting)
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

    fn metrics(metrics: &Metrics, request: &Request) -> Response {
        let format = format(request.header(header::ACCEPT).unwrap_or_default());
        Response::builder()
            .header(header::CONTENT_TYPE, format.content_type())
            .header(header::CACHE_CONTROL, "no-store")
            .body(metrics.text(format))
    }
}

impl Endpoint for Monitoring {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Err(Failure::method_not_allowed("GET, HEAD".to_owned()).into());
        }
        match request.uri().path() {
            "/metrics" => Ok(Self::metrics(&self.service()?.metrics, &request)),
            "/health" | "/health/ready" => {
                let readiness = self.service()?.readiness.clone();
                site::health(readiness.check()).await
            }
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

//! The metrics of the service: what an operator sees at `/metrics`.
//!
//! The layers above write to a [`Metrics`] value. They hold only the counters, gauges and histograms that
//! they write to, and know neither their names nor who reads them. Everything else is here: a metric is a
//! field of one of the structs below, one line where it is registered, and a row of the table in
//! `README.md`, which a test compares with what the program shows.
//!
//! No label has a value that a client sent: the values are operations of the contracts, statuses, and
//! names that stand in the code.
//!
//! Imports no other module.

mod database;
mod http;
mod lists;
mod process;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

pub use database::{Batch, Database, Pool, Shares};
pub use http::{Connections, Http, NO_OPERATION};
pub use lists::Lists;

/// What the names of the service's own metrics begin with.
const PREFIX: &str = "ecommerce_api";

/// The limits of the buckets for the durations of requests, in seconds.
const DURATIONS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The limits of the buckets for waits within the service, in seconds.
const WAITS: [f64; 9] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// The limits of the buckets for the sizes of groups.
const SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// A metric for each value of one label.
type Labelled<M> = Family<[(&'static str, &'static str); 1], M>;

/// Sets gauges to what they show at the moment.
type Update = Box<dyn Fn() + Send>;

/// All metrics of one service.
pub struct Metrics {
    /// Connections and requests of HTTP.
    pub http: Http,
    /// Lists.
    pub lists: Lists,
    /// Connections to the database, and what is done together on them.
    pub database: Database,
    registry: Registry,
    updates: Mutex<Vec<Update>>,
}

/// The format of [`Metrics::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// The text format of Prometheus, 0.0.4.
    Prometheus,
}

impl Format {
    /// The media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

impl Metrics {
    /// Metrics that show no events yet.
    #[must_use]
    pub fn new() -> Self {
        let (http, lists, database) = (Http::new(), Lists::new(), Database::new());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process::default()));
        let own = registry.sub_registry_with_prefix(PREFIX);
        own.register(
            "build",
            "The version of the program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        http.register(own);
        lists.register(own);
        database.register(own);
        Self {
            http,
            lists,
            database,
            registry,
            updates: Mutex::default(),
        }
    }

    /// Calls `update` before the metrics are read each time, to set gauges of what is not counted as it
    /// changes. It must not block, and not own these metrics.
    pub fn before_each_reading(&self, update: impl Fn() + Send + 'static) {
        self.updates().push(Box::new(update));
    }

    /// All metrics as they are now.
    #[must_use]
    pub fn text(&self, format: Format) -> String {
        for update in self.updates().iter() {
            update();
        }
        let mut text = String::new();
        let written = match format {
            Format::OpenMetrics => text::encode(&mut text, &self.registry),
            Format::Prometheus => prometheus_text::encode(&mut text, &self.registry),
        };
        debug_assert!(written.is_ok(), "a String can be written to");
        text
    }

    fn updates(&self) -> MutexGuard<'_, Vec<Update>> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// Counts one in `gauge` from now on.
    #[must_use]
    pub fn in_gauge(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn durations() -> Histogram {
    Histogram::new(DURATIONS)
}

fn waits() -> Histogram {
    Histogram::new(WAITS)
}

fn sizes() -> Histogram {
    Histogram::new(SIZES)
}

/// Observes the size of a group.
#[expect(
    clippy::cast_precision_loss,
    reason = "groups are smaller than 2 to the power of 52"
)]
pub fn observe_size(sizes: &Histogram, size: usize) {
    sizes.observe(size as f64);
}

/// The number as a gauge shows it.
fn shown(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_updated_before_each_reading() {
        let metrics = Metrics::new();
        let in_flight = metrics.http.in_flight.clone();
        metrics.before_each_reading(move || {
            in_flight.inc();
        });
        for expected in ["1", "2"] {
            let line = format!("\necommerce_api_http_requests_in_flight {expected}\n");
            assert!(metrics.text(Format::Prometheus).contains(&line));
        }
    }

    #[test]
    fn only_open_metrics_have_an_end() {
        let metrics = Metrics::new();
        assert!(metrics.text(Format::OpenMetrics).ends_with("\n# EOF\n"));
        assert!(!metrics.text(Format::Prometheus).contains("# EOF"));
    }

    #[test]
    fn what_is_counted_is_counted_until_it_is_dropped() {
        let gauge = Gauge::default();
        let counted = [Counted::in_gauge(&gauge), Counted::in_gauge(&gauge)];
        assert_eq!(gauge.get(), 2);
        drop(counted);
        assert_eq!(gauge.get(), 0);
    }
}

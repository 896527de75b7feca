//! The metrics of HTTP: connections and requests.
//!
//! A counter of another kind of rejected requests belongs here, beside `shed`.

use std::fmt::Write as _;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Counted, Labelled, durations};

/// The `operation` of requests to no operation of a contract.
pub const NO_OPERATION: &str = "none";

/// The statuses with which requests are rejected that are not valid HTTP.
const MALFORMED: [u16; 3] = [400, 414, 431];

/// The metrics of connections. Those of [`Default`] are not shown.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    open: Gauge,
    received: Counter,
    sent: Counter,
}

impl Connections {
    /// Counts a connection until the result is dropped.
    #[must_use]
    pub fn open(&self) -> Counted {
        Counted::in_gauge(&self.open)
    }

    /// Counts bytes that were received.
    pub fn received(&self, bytes: usize) {
        self.received.inc_by(number(bytes));
    }

    /// Counts bytes that were sent.
    pub fn sent(&self, bytes: usize) {
        self.sent.inc_by(number(bytes));
    }
}

/// The metrics of requests, and those of connections.
#[derive(Debug)]
pub struct Http {
    /// Those of connections.
    pub connections: Connections,
    /// The requests in progress.
    pub in_flight: Gauge,
    durations: Family<Response, Histogram>,
    incomplete: Labelled<Counter>,
    shed: Labelled<Counter>,
    malformed: Family<[(&'static str, u16); 1], Counter>,
    nonconforming: Labelled<Counter>,
}

/// The labels of a response.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Response {
    operation: &'static str,
    status: Status,
}

/// The status of a response; `None` without a response.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Status(Option<u16>);

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        match self.0 {
            Some(status) => status.encode(encoder),
            None => encoder.write_str("none"),
        }
    }
}

impl Http {
    pub(super) fn new() -> Self {
        let malformed = Family::<[(&str, u16); 1], Counter>::default();
        for status in MALFORMED {
            drop(malformed.get_or_create(&[("status", status)]));
        }
        Self {
            connections: Connections::default(),
            in_flight: Gauge::default(),
            durations: Family::new_with_constructor(durations),
            incomplete: Family::default(),
            shed: Family::default(),
            malformed,
            nonconforming: Family::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_connections",
            "Open connections of clients",
            self.connections.open.clone(),
        );
        registry.register_with_unit(
            "http_received",
            "Bytes of HTTP that clients have sent, without TLS",
            Unit::Bytes,
            self.connections.received.clone(),
        );
        registry.register_with_unit(
            "http_sent",
            "Bytes of HTTP that were sent to clients, without TLS",
            Unit::Bytes,
            self.connections.sent.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests whose response has not ended",
            self.in_flight.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "The time from the head of a request to the end of its response's body",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "http_responses_incomplete",
            "Responses that did not end as they should have",
            self.incomplete.clone(),
        );
        registry.register(
            "http_requests_shed",
            "Requests that were rejected because the service is overloaded",
            self.shed.clone(),
        );
        registry.register(
            "http_requests_malformed",
            "Requests that were rejected because they are not valid HTTP",
            self.malformed.clone(),
        );
        registry.register(
            "contract_violations",
            "Responses, and chunks of long lists, that CONTRACT_VALIDATION found not to conform to the contract",
            self.nonconforming.clone(),
        );
    }

    /// Shows the metrics of an operation, whose responses have these statuses, before its first request:
    /// the first event is an increase then.
    pub fn show_operation(&self, operation: &'static str, statuses: impl Iterator<Item = u16>) {
        for status in statuses {
            let status = Status(Some(status));
            drop(
                self.durations
                    .get_or_create(&Response { operation, status }),
            );
        }
        drop(self.shed.get_or_create(&[("operation", operation)]));
        drop(
            self.nonconforming
                .get_or_create(&[("operation", operation)]),
        );
    }

    /// Shows a way in which responses end incompletely before the first one does.
    pub fn show_outcome(&self, outcome: &'static str) {
        drop(self.incomplete.get_or_create(&[("outcome", outcome)]));
    }

    /// Observes the end of a request of `operation`. `status` is `None` without a response.
    pub fn ended(&self, operation: &'static str, status: Option<u16>, duration: Duration) {
        let status = Status(status);
        self.durations
            .get_or_create(&Response { operation, status })
            .observe(duration.as_secs_f64());
    }

    /// Counts a response that did not end as it should have.
    pub fn ended_incompletely(&self, outcome: &'static str) {
        self.incomplete.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Counts a request of `operation` that was rejected because the service is overloaded.
    pub fn shed(&self, operation: &'static str) {
        self.shed.get_or_create(&[("operation", operation)]).inc();
    }

    /// Counts a request that was rejected because it is not valid HTTP.
    pub fn malformed(&self, status: u16) {
        self.malformed.get_or_create(&[("status", status)]).inc();
    }

    /// The counter of the responses of `operation` that do not conform to the contract.
    #[must_use]
    pub fn nonconforming(&self, operation: &'static str) -> Counter {
        self.nonconforming
            .get_or_create_owned(&[("operation", operation)])
    }
}

fn number(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

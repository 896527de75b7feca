//! The metrics of lists.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Labelled, sizes};

/// The metrics of lists.
#[derive(Debug)]
pub struct Lists {
    /// The requests that a whole list is being read for.
    pub subscribers: Gauge,
    /// How many requests the query of a whole list serves.
    pub whole: Histogram,
    /// How many requests the snapshot of a batch of pages serves.
    pub pages: Histogram,
    requests: Labelled<Histogram>,
}

impl Lists {
    pub(super) fn new() -> Self {
        let requests = Family::new_with_constructor(sizes as fn() -> Histogram);
        Self {
            subscribers: Gauge::default(),
            whole: requests.get_or_create_owned(&[("kind", "whole")]),
            pages: requests.get_or_create_owned(&[("kind", "pages")]),
            requests,
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "list_subscribers",
            "Requests that a whole list is being read for",
            self.subscribers.clone(),
        );
        registry.register(
            "list_query_requests",
            "How many requests one query for a whole list, or one snapshot for pages, serves",
            self.requests.clone(),
        );
    }
}

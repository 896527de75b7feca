//! The metrics of the database: its pools of connections, the shares of the pool for requests, the batches
//! of calls, and whether the database is there.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Labelled, shown, sizes, waits};

/// The metrics of the database.
#[derive(Debug)]
pub struct Database {
    available: Gauge,
    open: Family<[(&'static str, &'static str); 2], Gauge>,
    max: Labelled<Gauge>,
    waiting: Labelled<Gauge>,
    pool_waits: Labelled<Histogram>,
    share_waits: Labelled<Histogram>,
    batch_calls: Labelled<Histogram>,
    batch_waits: Labelled<Histogram>,
}

impl Database {
    pub(super) fn new() -> Self {
        Self {
            available: Gauge::default(),
            open: Family::default(),
            max: Family::default(),
            waiting: Family::default(),
            pool_waits: Family::new_with_constructor(waits),
            share_waits: Family::new_with_constructor(waits),
            batch_calls: Family::new_with_constructor(sizes),
            batch_waits: Family::new_with_constructor(waits),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "database_available",
            "1, or 0 while requests fail at once because the database is away",
            self.available.clone(),
        );
        registry.register(
            "database_pool_connections",
            "Open connections to the database",
            self.open.clone(),
        );
        registry.register(
            "database_pool_max_connections",
            "The largest number of connections of a pool",
            self.max.clone(),
        );
        registry.register(
            "database_pool_waiting",
            "Requests that wait for a connection of a pool",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "database_pool_wait",
            "The time until a pool has lent a connection or has failed to, including opening it",
            Unit::Seconds,
            self.pool_waits.clone(),
        );
        registry.register_with_unit(
            "database_share_wait",
            "The time until a change or a batch of reads has its share of the pool or is rejected",
            Unit::Seconds,
            self.share_waits.clone(),
        );
        registry.register(
            "database_batch_calls",
            "How many calls one batch executes",
            self.batch_calls.clone(),
        );
        registry.register_with_unit(
            "database_batch_wait",
            "The time from a call to the beginning of its batch",
            Unit::Seconds,
            self.batch_waits.clone(),
        );
    }

    /// Whether the database is there.
    #[must_use]
    pub fn available(&self) -> Gauge {
        self.available.clone()
    }

    /// The metrics of the pool with this name.
    #[must_use]
    pub fn pool(&self, pool: &'static str) -> Pool {
        let open = |state| {
            self.open
                .get_or_create_owned(&[("pool", pool), ("state", state)])
        };
        let of_pool = [("pool", pool)];
        Pool {
            in_use: open("in_use"),
            idle: open("idle"),
            max: self.max.get_or_create_owned(&of_pool),
            waiting: self.waiting.get_or_create_owned(&of_pool),
            waits: self.pool_waits.get_or_create_owned(&of_pool),
        }
    }

    /// The metrics of the shares of the pool.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let waits = |share| self.share_waits.get_or_create_owned(&[("share", share)]);
        Shares {
            changes: waits("changes"),
            reads: waits("reads"),
        }
    }

    /// The metrics of the batches of this kind.
    #[must_use]
    pub fn batch(&self, kind: &'static str) -> Batch {
        let of_kind = [("kind", kind)];
        Batch {
            calls: self.batch_calls.get_or_create_owned(&of_kind),
            waits: self.batch_waits.get_or_create_owned(&of_kind),
        }
    }
}

/// The metrics of one pool of connections. Those of [`Default`] are not shown.
#[derive(Debug, Clone)]
pub struct Pool {
    in_use: Gauge,
    idle: Gauge,
    max: Gauge,
    waiting: Gauge,
    /// The waits for a connection.
    pub waits: Histogram,
}

impl Pool {
    /// Shows the connections of the pool: `open` of at most `max`, `idle` of them not in use, and the number
    /// of requests that wait for one.
    pub fn show(&self, open: usize, idle: usize, max: usize, waiting: usize) {
        self.in_use.set(shown(open.saturating_sub(idle)));
        self.idle.set(shown(idle));
        self.max.set(shown(max));
        self.waiting.set(shown(waiting));
    }
}

impl Default for Pool {
    fn default() -> Self {
        Database::new().pool("")
    }
}

/// The waits for a share of the pool. Those of [`Default`] are not shown.
#[derive(Debug, Clone)]
pub struct Shares {
    /// Those of changes.
    pub changes: Histogram,
    /// Those of batches of reads.
    pub reads: Histogram,
}

impl Default for Shares {
    fn default() -> Self {
        Database::new().shares()
    }
}

/// The metrics of the batches of one kind. Those of [`Default`] are not shown.
#[derive(Debug, Clone)]
pub struct Batch {
    /// How many calls a batch executes.
    pub calls: Histogram,
    /// The time from a call to the beginning of its batch.
    pub waits: Histogram,
}

impl Default for Batch {
    fn default() -> Self {
        Database::new().batch("")
    }
}

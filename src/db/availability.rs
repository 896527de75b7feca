//! [`Availability`]: whether the database is there at all.
//!
//! While the database is away, an attempt to connect for each request would take every request's
//! time, and all of them would connect at once when it is back. So after a few attempts without a
//! response in between, no connection is opened for requests: they fail at once, and one task
//! probes the database until it responds. Connections that are open are still used, and an error of
//! a statement changes nothing here.
//!
//! Imports `deadlines`, `metrics`, `db::connect` and `db::probe`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mysql_async::Opts;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::deadlines;
use crate::metrics::Metrics;

use super::connect::ConnectError;
use super::probe::Probe;

/// How many attempts in a row have to fail for the database to count as away.
const FAILURES: u32 = 3;

/// How many connections are opened at a time.
const CONNECTING: usize = 4;

/// Whether the database is there.
pub(super) struct Availability {
    /// For `/health`, and for the return of a database that was away.
    pub(super) probe: Arc<Probe>,
    /// For the statements that are silent. There may be many, for which `/health` does not wait.
    pub(super) questions: Arc<Probe>,
    /// One permit for each connection that is being opened.
    pub(super) connecting: Semaphore,
    attempts: Mutex<Attempts>,
}

#[derive(Default)]
struct Attempts {
    /// How many attempts have failed since the last one that succeeded.
    failed: u32,
    /// Why the last one failed.
    cause: String,
}

impl Availability {
    pub(super) fn new(options: &Opts) -> Self {
        Self {
            probe: Arc::new(Probe::new(options)),
            questions: Arc::new(Probe::new(options)),
            connecting: Semaphore::new(CONNECTING),
            attempts: Mutex::default(),
        }
    }

    /// Shows in `metrics` whether the database is there.
    pub(super) fn show_in(self: &Arc<Self>, metrics: &Metrics) {
        let (shown, availability) = (metrics.database.available(), Arc::downgrade(self));
        metrics.before_each_reading(move || {
            let availability = availability.upgrade();
            let is_there = availability.is_some_and(|it| it.check().is_ok());
            shown.set(is_there.into());
        });
    }

    /// Fails while the database counts as away.
    pub(super) fn check(&self) -> Result<(), ConnectError> {
        let attempts = self.attempts();
        if attempts.failed < FAILURES {
            return Ok(());
        }
        let cause = format!("the database is away: {}", attempts.cause);
        Err(ConnectError::Unreachable(cause))
    }

    /// Records that the database has responded.
    pub(super) fn responded(&self) {
        self.attempts().failed = 0;
    }

    /// Records that an attempt to reach the database has failed. After enough of them, the database
    /// counts as away until a probe of it succeeds.
    pub(super) fn failed(self: &Arc<Self>, cause: &ConnectError) {
        let ConnectError::Unreachable(cause) = cause else {
            // A database that refuses is there.
            return self.responded();
        };
        let mut attempts = self.attempts();
        attempts.failed += 1;
        attempts.cause.clone_from(cause);
        if attempts.failed == FAILURES {
            tracing::warn!(%cause, "the database is away; requests fail until it responds");
            tokio::spawn(wait_for_response(Arc::downgrade(self)));
        }
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Probes a database that is away until it responds, or is not used any more.
async fn wait_for_response(availability: Weak<Availability>) {
    loop {
        // Not in step with other instances of the service.
        let pause = deadlines::PROBE_PAUSE.mul_f32(rand::random_range(0.5..1.0));
        sleep(pause).await;
        let Some(availability) = availability.upgrade() else {
            return;
        };
        if !matches!(
            availability.probe.ping().await,
            Err(ConnectError::Unreachable(_))
        ) {
            availability.responded();
            tracing::info!("the database responds again");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Format;

    /// Whether the metrics show the database as available.
    fn is_shown(metrics: &Metrics) -> bool {
        let text = metrics.text(Format::Prometheus);
        text.contains("\necommerce_api_database_available 1\n")
    }

    #[tokio::test]
    async fn the_metrics_show_when_requests_fail_at_once() {
        let availability = Arc::new(Availability::new(&Opts::default()));
        let metrics = Metrics::new();
        availability.show_in(&metrics);
        let cause = ConnectError::Unreachable("as a test".to_owned());
        for _ in 1..FAILURES {
            availability.failed(&cause);
            assert!(is_shown(&metrics));
        }
        availability.failed(&cause);
        assert!(!is_shown(&metrics));
        availability.responded();
        assert!(is_shown(&metrics));
    }
}

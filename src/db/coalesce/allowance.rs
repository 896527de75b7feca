//! How many batches may be under way at a time. Imports no other module.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::MIN_BATCHES;

/// About the processor time that one batch takes here and in the database. A batch that takes much
/// longer waits for the network.
const BATCH_COST: Duration = Duration::from_micros(250);

/// For how long a measurement counts: at least once, at most twice this time.
const WINDOW: Duration = Duration::from_secs(10);

/// How many batches may be under way on the connections of one pool. All coalescers of the pool
/// share one.
///
/// Each kind of batch may always have [`MIN_BATCHES`]. More are allowed while the database is far
/// away: as many as one processor can begin during the fastest of the recent batches. The fastest
/// batch tells the distance, since load delays it the least. Batches beyond the minimum begin only
/// while all kinds together occupy less than half of the pool, so that connections remain for the
/// other kinds and other requests.
pub(in crate::db) struct Allowance {
    share: usize,
    under_way: AtomicUsize,
    /// The number of batches of one kind that the measured time allows.
    batches: AtomicUsize,
    fastest: Mutex<Fastest>,
}

/// The time of the fastest batch in the current window and in the window before it.
struct Fastest {
    since: Instant,
    current: Duration,
    previous: Duration,
}

impl Allowance {
    /// The allowance for batches on a pool of `connections`.
    pub(in crate::db) fn new(connections: usize) -> Self {
        Self {
            share: connections / 2,
            under_way: AtomicUsize::new(0),
            batches: AtomicUsize::new(MIN_BATCHES),
            fastest: Mutex::new(Fastest {
                since: Instant::now(),
                current: Duration::MAX,
                previous: Duration::MAX,
            }),
        }
    }

    /// How many batches of one kind may be under way.
    pub(super) fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }

    /// Whether a worker may begin beside `others` of its kind; notes that it does.
    pub(super) fn try_begin(&self, others: usize) -> bool {
        let next =
            |under_way| (others < MIN_BATCHES || under_way < self.share).then_some(under_way + 1);
        let is_allowed = self
            .under_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        is_allowed.is_ok()
    }

    /// Notes that a worker ends.
    pub(super) fn end(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many batches of all kinds are under way.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Takes the time of one successful batch into account.
    pub(super) fn measure(&self, taken: Duration) {
        let mut fastest = self.fastest.lock().unwrap_or_else(PoisonError::into_inner);
        if fastest.since.elapsed() > WINDOW {
            fastest.since = Instant::now();
            fastest.previous = fastest.current;
            fastest.current = taken;
        }
        fastest.current = fastest.current.min(taken);
        let distance = fastest.current.min(fastest.previous);
        let fitting = distance.as_micros() / BATCH_COST.as_micros();
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        let batches = fitting.min(self.share).max(MIN_BATCHES);
        self.batches.store(batches, Ordering::Relaxed);
    }
}

//! Who may hold a connection of the pool, so that requests that wait for a lock leave connections for
//! the others.
//!
//! A statement that waits for a lock holds its connection for as long as it waits. So the pool is
//! divided, and callers wait for their share without a connection:
//!
//! - **Changes** wait for locked rows. They have three eighths of the pool, and those of one row have
//!   [`MAX_PER_ROW`] connections: the database runs them one after the other anyway. So the changes of
//!   one locked row leave connections for other changes.
//! - **Batches of reads** wait only for locked tables (`LOCK TABLES`, `ALTER TABLE`). Each kind has
//!   one connection of its own, so that a locked table stops only the kinds that read it. The kinds
//!   share the rest of the pool.
//!
//! Imports the pool and `metrics`.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use crate::error::Error;
use crate::metrics::{self, Histogram};

use super::Connection;
use super::pool::{Pool, Pooled};

/// How many connections the changes of one row may hold: the next one is ready when the first ends.
const MAX_PER_ROW: usize = 2;

/// How many kinds of batches of reads there are (see `batches`).
const KINDS: usize = 4;

/// A row that a change may have to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Row {
    User(i32),
    Product(i32),
    CartItem(i32),
    /// An idempotency key, by its hash.
    Key([u8; 32]),
}

/// The pool of requests and its division.
pub(super) struct Shares {
    pool: Pool,
    changes: Arc<Semaphore>,
    /// The connections that all kinds of reads share, besides those of their own.
    reads: Arc<Semaphore>,
    rows: Arc<Rows>,
    metrics: metrics::Shares,
}

/// The semaphore of each row that a change holds or waits for.
#[derive(Default)]
struct Rows(Mutex<HashMap<Row, Arc<Semaphore>>>);

impl Rows {
    fn lock(&self) -> MutexGuard<'_, HashMap<Row, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection within its share of the pool. Both return when it is dropped.
pub(super) struct Leased {
    // The connection returns first: the next holder of the share finds it in the pool.
    connection: Pooled,
    _share: OwnedSemaphorePermit,
    _places: Vec<Place>,
}

impl Deref for Leased {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Leased {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Shares {
    /// The division of a pool. Waits for a share are observed in `metrics`.
    pub(super) fn new(pool: Pool, metrics: metrics::Shares) -> Self {
        let size = pool.max_size();
        let changes = (size * 3 / 8).max(1);
        let reads = size.saturating_sub(changes + KINDS).max(1);
        Self {
            pool,
            changes: Arc::new(Semaphore::new(changes)),
            reads: Arc::new(Semaphore::new(reads)),
            rows: Arc::default(),
            metrics,
        }
    }

    /// The number of connections of the pool.
    pub(super) fn pool_size(&self) -> usize {
        self.pool.max_size()
    }

    /// A connection for a change of these rows.
    ///
    /// # Errors
    /// `Busy` when earlier changes hold the share of the rows or of all changes for too long, and
    /// those of the pool.
    pub(super) async fn for_change(&self, rows: &[Row]) -> Result<Leased, Error> {
        let waiting = async {
            let mut rows = rows.to_vec();
            // In one order, so that no two callers wait for each other.
            rows.sort_unstable();
            rows.dedup();
            let mut places = Vec::with_capacity(rows.len());
            for row in rows {
                places.push(Place::wait(&self.rows, row).await);
            }
            (acquire(&self.changes).await, places)
        };
        // Each wait is limited, and so is their sum.
        let limits = self.pool.limits();
        let leasing = async {
            let waited = observed(&self.metrics.changes, limits.pool, waiting).await;
            let Ok((share, places)) = waited else {
                return Err(Error::Busy("other changes wait for locks of the database"));
            };
            Ok(Leased {
                connection: self.pool.get().await?,
                _share: share,
                _places: places,
            })
        };
        match timeout(limits.queries, leasing).await {
            Ok(leased) => leased,
            Err(_) => Err(Error::Busy("every connection to the database is in use")),
        }
    }

    /// The share of a new kind of batches of reads.
    pub(super) fn kind(self: &Arc<Self>) -> Kind {
        Kind {
            shares: Arc::clone(self),
            own: Arc::new(Semaphore::new(1)),
        }
    }
}

/// The share of one kind of batches of reads; cheap to clone.
#[derive(Clone)]
pub(super) struct Kind {
    shares: Arc<Shares>,
    own: Arc<Semaphore>,
}

impl Kind {
    /// A connection for one batch.
    ///
    /// # Errors
    /// `Busy` when earlier batches hold the share for too long, and those of the pool.
    pub(super) async fn get(&self) -> Result<Leased, Error> {
        let waiting = async {
            tokio::select! {
                biased;
                share = acquire(&self.own) => share,
                share = acquire(&self.shares.reads) => share,
            }
        };
        let limit = self.shares.pool.limits().pool;
        let Ok(share) = observed(&self.shares.metrics.reads, limit, waiting).await else {
            return Err(Error::Busy("other reads wait for a table of the database"));
        };
        Ok(Leased {
            connection: self.shares.pool.get().await?,
            _share: share,
            _places: Vec::new(),
        })
    }
}

/// A place among the changes of one row.
struct Place {
    rows: Arc<Rows>,
    row: Row,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    async fn wait(rows: &Arc<Rows>, row: Row) -> Self {
        let semaphore = {
            let mut known = rows.lock();
            let new = || Arc::new(Semaphore::new(MAX_PER_ROW));
            Arc::clone(known.entry(row).or_insert_with(new))
        };
        // Dropped with the future if the caller stops waiting, and removes the row then.
        let mut place = Self {
            rows: Arc::clone(rows),
            row,
            permit: None,
        };
        place.permit = Some(acquire_owned(semaphore).await);
        place
    }
}

impl Drop for Place {
    /// Forgets the row when no other change holds or waits for it.
    fn drop(&mut self) {
        let mut known = self.rows.lock();
        drop(self.permit.take());
        if known
            .get(&self.row)
            .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
        {
            known.remove(&self.row);
        }
    }
}

/// Waits until `limit`, and observes how long it took.
async fn observed<T>(
    waits: &Histogram,
    limit: Duration,
    waiting: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let began = Instant::now();
    let ended = timeout(limit, waiting).await;
    waits.observe(began.elapsed().as_secs_f64());
    ended
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    acquire_owned(Arc::clone(semaphore)).await
}

async fn acquire_owned(semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = semaphore.acquire_owned().await;
    permit.expect("the semaphores are never closed")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::db::availability::Availability;
    use crate::db::pool::Turns;
    use crate::db::session_settings::Purpose;
    use crate::deadlines::Limits;

    fn pool(size: usize) -> Pool {
        let options = mysql_async::Opts::default();
        let availability = Arc::new(Availability::new(&options));
        let turns = Arc::new(Turns::default());
        let limits = Limits::DEFAULT;
        Pool::new(
            &options,
            Purpose::Requests,
            size,
            limits,
            &availability,
            &turns,
        )
    }

    #[test]
    fn the_changes_of_a_row_hold_two_places_and_a_row_without_changes_is_forgotten() {
        let rows = Arc::new(Rows::default());
        let place = |id| Place::wait(&rows, Row::User(id));
        let first = place(1).now_or_never();
        let second = place(1).now_or_never();
        assert!(first.is_some() && second.is_some());
        assert!(place(1).now_or_never().is_none(), "a third place");
        assert!(place(2).now_or_never().is_some(), "a place of another row");
        drop(first);
        let third = place(1).now_or_never();
        assert!(third.is_some());
        drop((second, third));
        assert!(rows.lock().is_empty());
    }

    #[test]
    fn the_shares_of_a_pool_leave_one_connection_for_each_kind_of_reads() {
        for size in [8, 12, 16, 64] {
            let shares = Shares::new(pool(size), metrics::Shares::default());
            let changes = shares.changes.available_permits();
            let reads = shares.reads.available_permits();
            assert_eq!(changes + reads + KINDS, size);
        }
    }
}

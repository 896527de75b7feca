//! [`Ended`]: the sessions that have ended, in memory, so that no request needs a query to know them.
//!
//! A task reads the new rows of `auth_ended_sessions` each second, over a connection of its own. A row may
//! become visible later than its time says: its transaction was long, or another node of a cluster
//! has committed it. So each read begins [`overlap`] before the time of the previous one, by the clock of the
//! database, and rows that are known already change nothing. After [`UNVERIFIED`] without a successful read
//! nothing is known any more.
//!
//! Imports the pool.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Nullable, Unsigned};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use tokio::sync::OnceCell;
use tokio::time::MissedTickBehavior;

use crate::deadlines::Limits;
use crate::error::Error;

use crate::db::errors;
use crate::db::pool::Pool;

use super::tables_exist;

/// The pause between two reads. Together with the time of a read it is less than the two seconds after which
/// no replica accepts a token of an ended session.
const INTERVAL: Duration = Duration::from_secs(1);

/// After this time without a successful read, it is not known which sessions have ended.
const UNVERIFIED: Duration = Duration::from_secs(10);

/// How long a session is remembered: longer than its row is kept.
const RETENTION: Duration = Duration::from_mins(35);

/// After how many reads old sessions are forgotten.
const FORGETTING_INTERVAL: u32 = 60;

/// How much longer than a request may take the commit of a row may be delayed.
const COMMIT_DELAY: Duration = Duration::from_mins(1);

/// How far each read goes back: as long as a transaction of a request that may take `operation` takes until
/// its rows are visible.
fn overlap(operation: Duration) -> Duration {
    operation + COMMIT_DELAY
}

/// The sessions that have ended.
pub(in crate::db) struct Ended {
    pool: Pool,
    overlap: Duration,
    known: RwLock<Known>,
    watch: OnceCell<()>,
}

/// What is known.
#[derive(Default)]
struct Known {
    /// Each session, with the time when this process first saw that it had ended.
    sessions: HashMap<u64, Instant>,
    /// The beginning of the last successful read.
    verified: Option<Instant>,
    /// The time of the last successful read by the database's clock, as seconds since 1970.
    read_at: Option<i64>,
    /// Whether the last read found no tables.
    has_no_tables: bool,
}

impl Known {
    fn add(&mut self, session: u64, now: Instant) {
        if let Entry::Vacant(new) = self.sessions.entry(session) {
            new.insert(now);
        }
    }

    /// Whether a session has ended; `None` if that is not known at `now`.
    fn is_ended(&self, session: u64, now: Instant) -> Option<bool> {
        let verified = self.verified?;
        let is_current = now.saturating_duration_since(verified) < UNVERIFIED;
        is_current.then(|| self.sessions.contains_key(&session))
    }

    /// The time from which the next read has to begin, by the database's clock.
    fn next_since(&self, overlap: Duration) -> i64 {
        let overlap = i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX);
        self.read_at
            .map_or(0, |at| at.saturating_sub(overlap).max(0))
    }

    fn forget(&mut self, now: Instant) {
        self.sessions
            .retain(|_, seen| now.saturating_duration_since(*seen) < RETENTION);
    }
}

/// The time of the database, and a session that has ended.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    now: i64,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    session: Option<u64>,
}

impl Ended {
    /// Nothing is read before the first [`Self::is_ended`] or [`Self::watch`]. `pool` is for the reads alone, and
    /// `operation` is the time that a request may take.
    pub(in crate::db) fn new(pool: Pool, operation: Duration) -> Self {
        Self {
            pool,
            overlap: overlap(operation),
            known: RwLock::default(),
            watch: OnceCell::new(),
        }
    }

    /// The limits of a read.
    pub(in crate::db) const LIMITS: Limits = Limits::of(Limits::SHORTEST);

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds sessions that this process has ended.
    pub(in crate::db) fn add(&self, sessions: &[u64]) {
        let now = Instant::now();
        let mut known = self.write();
        for session in sessions {
            known.add(*session, now);
        }
    }

    /// Whether a session has ended.
    ///
    /// # Errors
    /// `TablesMissing` without the tables, `Unavailable` when they could not be read for a while.
    pub(in crate::db) async fn is_ended(self: &Arc<Self>, session: u64) -> Result<bool, Error> {
        if let Some(is_ended) = self.read().is_ended(session, Instant::now()) {
            return Ok(is_ended);
        }
        self.watch().await;
        let known = self.read();
        match known.is_ended(session, Instant::now()) {
            Some(is_ended) => Ok(is_ended),
            None if known.has_no_tables => Err(Error::TablesMissing),
            None => Err(Error::Unavailable(
                "which sessions have ended could not be read for ten seconds".into(),
            )),
        }
    }

    /// Begins to read the table each second, if that has not begun, and waits for the first read. It goes on until this
    /// value is dropped.
    pub(in crate::db) async fn watch(self: &Arc<Self>) {
        let begin = async {
            let (pool, this) = (self.pool.clone(), Arc::downgrade(self));
            poll(&pool, &this).await;
            tokio::spawn(keep_polling(pool, this));
        };
        self.watch.get_or_init(|| begin).await;
    }
}

async fn keep_polling(pool: Pool, ended: Weak<Ended>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut count: u32 = 0;
    let mut has_failed = false;
    loop {
        ticks.tick().await;
        match poll(&pool, &ended).await {
            None => return,
            Some(Ok(())) => has_failed = false,
            Some(Err(cause)) => {
                if !has_failed {
                    tracing::warn!(%cause, "which sessions have ended cannot be read");
                }
                has_failed = true;
            }
        }
        count = count.wrapping_add(1);
        if count.is_multiple_of(FORGETTING_INTERVAL)
            && let Some(ended) = ended.upgrade()
        {
            ended.write().forget(Instant::now());
        }
    }
}

/// Reads the table once; `None` when nobody needs it any more.
async fn poll(pool: &Pool, ended: &Weak<Ended>) -> Option<Result<(), Error>> {
    let start = Instant::now();
    let since = ended.upgrade().map(|it| it.read().next_since(it.overlap))?;
    let rows = rows_since(pool, since).await;
    let ended = ended.upgrade()?;
    let mut known = ended.write();
    Some(match rows {
        Ok(Some(rows)) => {
            for row in rows {
                known.read_at = Some(row.now);
                if let Some(session) = row.session {
                    known.add(session, start);
                }
            }
            known.verified = Some(start);
            known.has_no_tables = false;
            Ok(())
        }
        Ok(None) => {
            // When there are tables again, all of their rows are new.
            *known = Known {
                has_no_tables: true,
                ..Known::default()
            };
            Ok(())
        }
        Err(error) => Err(error),
    })
}

/// The sessions that have ended since a time of the database; `None` without the tables.
async fn rows_since(pool: &Pool, since: i64) -> Result<Option<Vec<Row>>, Error> {
    // At least one row, which has the time. The session's time zone is UTC.
    const ROWS: &str = "SELECT UNIX_TIMESTAMP() AS now, e.session_id AS session \
         FROM (SELECT 1) AS one LEFT JOIN auth_ended_sessions AS e \
         ON e.ended_at >= FROM_UNIXTIME(?)";
    let mut conn = pool.get().await?;
    let rows = sql_query(ROWS)
        .bind::<BigInt, _>(since)
        .load(&mut *conn)
        .await;
    match errors::diagnose(&mut conn, rows.map_err(Error::from)).await {
        Ok(rows) => Ok(Some(rows)),
        Err(error @ Error::Internal(_)) => {
            let exist = tables_exist(&mut conn).await;
            if errors::diagnose(&mut conn, exist.map_err(Error::from)).await? {
                Err(error)
            } else {
                Ok(None)
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_before_the_first_read_and_ten_seconds_after_the_last_one() {
        let mut known = Known::default();
        let start = Instant::now();
        known.add(7, start);
        assert_eq!(known.is_ended(7, start), None);
        known.verified = Some(start);
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(known.is_ended(7, at(0)), Some(true));
        assert_eq!(known.is_ended(8, at(9_999)), Some(false));
        assert_eq!(known.is_ended(7, at(10_000)), None);
    }

    #[test]
    fn each_read_goes_back_by_the_time_of_a_long_transaction() {
        let mut known = Known::default();
        let overlap = overlap(Duration::from_secs(10));
        assert_eq!(known.next_since(overlap), 0);
        known.read_at = Some(1_000_000);
        assert_eq!(known.next_since(overlap), 1_000_000 - 70);
    }

    #[test]
    fn a_session_is_forgotten_when_its_tokens_have_expired() {
        let mut known = Known::default();
        let start = Instant::now();
        known.add(7, start);
        let later = |minutes| start + Duration::from_mins(minutes);
        // Another read of the same row does not prolong it.
        known.add(7, later(10));
        known.forget(later(34));
        assert_eq!(known.sessions.len(), 1);
        known.forget(later(35));
        assert!(known.sessions.is_empty());
    }
}

//! Transactions, and the preconditions of changes.

use std::time::Duration;

use diesel::result::{Error as DieselError, QueryResult};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use scoped_futures::ScopedBoxFuture;
use tokio::time::Instant;

use crate::deadlines;

use super::Connection;
use super::errors::{QueryError, mark_as_broken};

/// How often a transaction that lost a deadlock is run again at most.
const MAX_RETRIES: u32 = 20;

/// A precondition for a change of a row. It is checked while the row is locked, so that no other
/// transaction changes the row between the check and the change.
pub type Condition<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

/// Fails, which rolls back the transaction, when the condition does not hold for `row`.
/// `errors::or_missing` turns the error into `Stale`.
pub(super) fn check_precondition<T>(condition: Option<&Condition<T>>, row: &T) -> QueryResult<()> {
    match condition {
        Some(condition) if !condition(row) => Err(DieselError::RollbackTransaction),
        _ => Ok(()),
    }
}

/// Runs `body` in one transaction. Runs it again after a deadlock, for which InnoDB rolls back the
/// whole transaction.
pub(super) async fn transaction<'a, T: Send + 'a>(
    conn: &mut Connection,
    body: impl for<'c> Fn(&'c mut Connection) -> ScopedBoxFuture<'a, 'c, QueryResult<T>>
    + Send
    + Sync
    + 'a,
) -> Result<T, QueryError> {
    let mut retries = Retries::default();
    loop {
        let attempt = conn.transaction(async |conn| match body(conn).await {
            Ok(value) => Ok(value),
            // Diagnosed before the ROLLBACK, which makes the server forget the error.
            Err(error) => {
                let error = QueryError::from(error).diagnose(conn).await;
                Err(error.before_commit())
            }
        });
        let mut error = match attempt.await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if error.is_pending() {
            // BEGIN or COMMIT itself failed: the server may still have the transaction open.
            error = error.diagnose(conn).await;
            if conn.batch_execute("ROLLBACK").await.is_err() {
                mark_as_broken(conn);
            }
        }
        if !retries.again_after(&error).await {
            return Err(error);
        }
    }
}

/// Limits how often, and for how long, a transaction or a statement is run again.
pub(super) struct Retries {
    count: u32,
    until: Instant,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            count: 0,
            until: Instant::now() + deadlines::RETRY,
        }
    }
}

impl Retries {
    /// Whether to try again after this error, of which it is certain that nothing was stored. If so,
    /// waits for a random time, so that the same transactions do not deadlock again.
    pub(super) async fn again_after(&mut self, error: &QueryError) -> bool {
        if !error.is_retryable() || self.count == MAX_RETRIES || Instant::now() > self.until {
            return false;
        }
        self.count += 1;
        let pause = rand::random_range(1..=u64::from(self.count) * 4);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        true
    }
}

//! The one translation of diesel's errors into the service's [`Error`].
//!
//! **MySQL's error number decides, never the text of a message**, which is in the language that the
//! server was started with. Diesel-async keeps the number only of the errors that it has a
//! [`DatabaseErrorKind`] for; all others, including that of a lost connection, arrive as
//! [`DatabaseErrorKind::Unknown`]. For these the connection is asked ([`QueryError::diagnose`]):
//! the server keeps a statement's error until the next statement (MySQL; MariaDB may keep it
//! longer). So the connection has to be asked before the ROLLBACK. If it does not respond within
//! [`deadlines::ROUND_TRIP`], it is lost.
//!
//! Where an error is diagnosed: `transaction` does it before its ROLLBACK, and the owner of the
//! connection for everything else (`Database::run`, the batches, [`ListConnection::diagnose`]).
//! Errors while connecting need no number: all of them mean that the database is unavailable.
//!
//! [`ListConnection::diagnose`]: super::ListConnection::diagnose

use std::fmt;

use diesel::dsl::sql;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection, TransactionManager};

use crate::deadlines;
use crate::error::{Conflict, Error};

use super::Connection;

/// What an error of the server means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The server has undone the transaction, which may succeed if it is run again at once.
    Retry,
    /// The same request may succeed later.
    Unavailable,
}

/// The numbers of errors that are no fault of this program or of the stored data. Violated keys
/// have no entry: diesel-async recognises them by their number, and [`or_conflict`] by diesel's
/// kind.
const MEANINGS: [(u16, Meaning); 18] = [
    // The row has changed since the transaction's snapshot (MariaDB with innodb_snapshot_isolation).
    (1020, Meaning::Retry),
    // A deadlock, or on a Galera node: another node's transaction won.
    (1213, Meaning::Retry),
    // A table was altered after the transaction's snapshot. The snapshot of a page is not run again, so
    // that its request is told to come later.
    (1412, Meaning::Retry),
    // With Group Replication: another member's transaction won.
    (3101, Meaning::Retry),
    // Too many connections: of all users, of this user, or for this user's quota.
    (1040, Meaning::Unavailable),
    (1203, Meaning::Unavailable),
    (1226, Meaning::Unavailable),
    // A Galera node that is not in sync with its cluster.
    (1047, Meaning::Unavailable),
    // The server is shutting down.
    (1053, Meaning::Unavailable),
    // Another transaction held a lock for too long, or there are more locks than InnoDB has space for.
    (1205, Meaning::Unavailable),
    (1206, Meaning::Unavailable),
    // The server is read-only: by an option (--read-only, --super-read-only), as a replica is, or for
    // this transaction.
    (1290, Meaning::Unavailable),
    (1836, Meaning::Unavailable),
    (1792, Meaning::Unavailable),
    // KILL QUERY, by an administrator.
    (1317, Meaning::Unavailable),
    // KILL: the connection is about to be lost.
    (1927, Meaning::Unavailable),
    // The statement took longer than the limit: MariaDB's number, MySQL's number.
    (1969, Meaning::Unavailable),
    (3024, Meaning::Unavailable),
];

/// The errors of statements that were ended from outside: shutdown, KILL QUERY, KILL, and the limits
/// of a statement's time.
const ENDED_FROM_OUTSIDE: [u16; 5] = [1053, 1317, 1927, 1969, 3024];

/// What is known about an error in addition to diesel's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Diagnosis {
    /// Nothing yet: the connection has to be asked.
    Pending,
    /// Diesel's error says enough.
    NotNeeded,
    /// MySQL's number.
    Number(u16),
    /// The connection works and the server reports no error: the driver made it.
    Unnumbered,
    /// The connection is lost.
    Lost,
}

/// The reason why a query failed: diesel's error and its diagnosis.
#[derive(Debug)]
pub(super) struct QueryError {
    error: DieselError,
    diagnosis: Diagnosis,
}

impl From<DieselError> for QueryError {
    fn from(error: DieselError) -> Self {
        let diagnosis = match error {
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, _)
            | DieselError::RollbackErrorOnCommit { .. } => Diagnosis::Pending,
            DieselError::BrokenTransactionManager => Diagnosis::Lost,
            DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
                Diagnosis::Number(1792)
            }
            _ => Diagnosis::NotNeeded,
        };
        Self { error, diagnosis }
    }
}

impl QueryError {
    /// Whether the connection has to be asked about this error.
    pub(super) fn is_pending(&self) -> bool {
        self.diagnosis == Diagnosis::Pending
    }

    /// Asks the connection about the error, if necessary. No other statement may have run on it
    /// since.
    pub(super) async fn diagnose(mut self, conn: &mut Connection) -> Self {
        if self.is_pending() {
            let asked = tokio::time::timeout(deadlines::ROUND_TRIP, last_diagnosis(conn)).await;
            self.diagnosis = asked.unwrap_or(Diagnosis::Lost);
            if self.is_lost() {
                mark_as_broken(conn);
            }
        }
        self
    }

    /// Whether the connection is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.diagnosis == Diagnosis::Lost
    }

    /// Whether the transaction should be run again at once.
    pub(super) fn is_retryable(&self) -> bool {
        self.meaning() == Some(Meaning::Retry)
    }

    /// Whether the same request may succeed later.
    pub(super) fn is_temporary(&self) -> bool {
        self.is_lost() || self.meaning().is_some()
    }

    /// Whether the statement, or the transaction that was rolled back, has certainly stored nothing:
    /// the server says so. It does not if the connection is lost, or if the statement was ended from
    /// outside, which may have happened while it was committed.
    pub(super) fn is_undone(&self) -> bool {
        match self.diagnosis {
            Diagnosis::Number(number) => !ENDED_FROM_OUTSIDE.contains(&number),
            Diagnosis::NotNeeded => matches!(self.error, DieselError::DatabaseError(..)),
            Diagnosis::Pending | Diagnosis::Unnumbered | Diagnosis::Lost => false,
        }
    }

    /// Whether the error is a violated key of this kind.
    pub(super) fn is_violation(&self, kind: DatabaseErrorKind) -> bool {
        use DatabaseErrorKind::{ForeignKeyViolation, UniqueViolation};
        matches!(
            (&self.error, kind),
            (
                DieselError::DatabaseError(UniqueViolation, _),
                UniqueViolation
            ) | (
                DieselError::DatabaseError(ForeignKeyViolation, _),
                ForeignKeyViolation
            )
        )
    }

    fn meaning(&self) -> Option<Meaning> {
        let Diagnosis::Number(number) = self.diagnosis else {
            return None;
        };
        let found = MEANINGS.iter().find(|(known, _)| *known == number);
        found.map(|(_, meaning)| *meaning)
    }
}

/// Asks the connection about the error of its last statement.
async fn last_diagnosis(conn: &mut Connection) -> Diagnosis {
    // The last condition is the error; warnings may precede it. Another statement reads the value,
    // since MySQL cannot prepare GET DIAGNOSTICS.
    const KEEP_NUMBER: &str = "GET DIAGNOSTICS @shop_conditions = NUMBER; \
         GET DIAGNOSTICS CONDITION @shop_conditions @shop_error = MYSQL_ERRNO";
    if conn.batch_execute(KEEP_NUMBER).await.is_ok() {
        let number = sql::<BigInt>("CAST(@shop_error AS SIGNED)");
        let number = diesel::select(number).get_result::<i64>(conn).await;
        if let Some(number) = number.ok().and_then(|number| u16::try_from(number).ok()) {
            return Diagnosis::Number(number);
        }
    }
    match conn.batch_execute("DO 1").await {
        Ok(()) => Diagnosis::Unnumbered,
        Err(_) => Diagnosis::Lost,
    }
}

/// Marks the connection as unusable, as diesel does: the pool does not use it again.
pub(super) fn mark_as_broken(conn: &mut Connection) {
    type Transactions = <Connection as AsyncConnection>::TransactionManager;
    Transactions::transaction_manager_status_mut(conn).set_in_error();
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.diagnosis {
            Diagnosis::Number(number) => write!(f, "MySQL error {number}: {}", self.error),
            Diagnosis::Lost => write!(f, "the connection is lost: {}", self.error),
            Diagnosis::Pending | Diagnosis::NotNeeded | Diagnosis::Unnumbered => self.error.fmt(f),
        }
    }
}

impl std::error::Error for QueryError {}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        if error.is_temporary() {
            Self::Unavailable(error.into())
        } else {
            Self::Internal(error.into())
        }
    }
}

/// An error without a diagnosis is internal until `diagnose` asks its connection.
impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        QueryError::from(error).into()
    }
}

/// Returns `result`; asks the connection about the error of a failed query.
///
/// # Errors
/// That of `result`.
pub(super) async fn diagnose<T>(
    conn: &mut Connection,
    result: Result<T, Error>,
) -> Result<T, Error> {
    let cause = match result {
        Err(Error::Internal(cause)) => cause,
        result => return result,
    };
    Err(match cause.downcast::<QueryError>() {
        Ok(error) => error.diagnose(conn).await.into(),
        Err(cause) => Error::Internal(cause),
    })
}

/// Translates diesel's `NotFound` into the absence of `what` ("User") and an unmet precondition
/// into `Stale`.
pub(super) fn or_missing<E: Into<QueryError>>(what: &'static str) -> impl Fn(E) -> Error {
    move |error| {
        let error = error.into();
        match error.error {
            DieselError::NotFound => Error::NotFound(what),
            DieselError::RollbackTransaction => Error::Stale(what),
            _ => error.into(),
        }
    }
}

/// Translates a violated key of this kind into the conflict `why`, and other errors as
/// [`or_missing`] does.
pub(super) fn or_conflict<E: Into<QueryError>>(
    kind: DatabaseErrorKind,
    why: Conflict,
    what: &'static str,
) -> impl Fn(E) -> Error {
    move |error| {
        let error = error.into();
        if error.is_violation(kind) {
            return Error::Conflict(why);
        }
        or_missing(what)(error)
    }
}

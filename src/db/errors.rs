//! The one translation of diesel's errors into the service's [`Error`].
//!
//! **MySQL's error number decides, never the text of a message**, which is in the language that the
//! server was started with. Diesel-async keeps the number only of the errors that it has a
//! [`DatabaseErrorKind`] for; all others, including that of a lost connection, arrive as
//! [`DatabaseErrorKind::Unknown`]. For these the connection is asked ([`QueryError::diagnose`]):
//! the server keeps a statement's error until the next statement (MySQL; MariaDB may keep it
//! longer). So the connection has to be asked before the ROLLBACK. If it does not respond within
//! [`deadlines::ROUND_TRIP`], it is lost. An error that the server does not report says nothing about
//! the outcome of the statement.
//!
//! Where an error is diagnosed: `transaction` does it before its ROLLBACK, and the owner of the
//! connection for everything else (`Database`, `reads`, the batches, [`ListConnection::diagnose`]).
//! Errors while connecting need no number: all of them mean that the database is unavailable.
//!
//! [`ListConnection::diagnose`]: super::ListConnection::diagnose

use std::fmt;

use diesel::dsl::sql;
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel::sql_types::{BigInt, Nullable, Text};
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
    /// A rule that is kept in the database rejects the change.
    Rule,
    /// A text has a character that its column cannot hold (see `texts`).
    Unstorable,
}

/// The numbers of errors that are no fault of this program or of the stored data. Violated keys
/// have no entry: diesel-async recognises them by their number, and [`or_conflict`] by diesel's
/// kind.
///
/// [`Meaning::Retry`] is only for errors of which it is certain that the statement, and the
/// transaction if there is one, had no effect. A statement that was ended while it ran (1317, 1969)
/// may have had its effect: the server may notice the end only after it. Neither is a lock that
/// another transaction held for too long (1205) waited for again, which would only be a longer wait.
const MEANINGS: &[(u16, Meaning)] = &[
    // The row has changed since the transaction's snapshot (MariaDB with innodb_snapshot_isolation).
    (1020, Meaning::Retry),
    // A deadlock, or on a Galera node: another node's transaction won.
    (1213, Meaning::Retry),
    // A table was altered after the transaction's snapshot. The snapshot of a page is not run again, so
    // that its request is told to come later.
    (1412, Meaning::Retry),
    // With Group Replication: another member's transaction won.
    (3101, Meaning::Retry),
    // A Galera node that is not in sync with its cluster refuses every statement.
    (1047, Meaning::Retry),
    // Too many connections: of all users, of this user, or for this user's quota.
    (1040, Meaning::Unavailable),
    (1203, Meaning::Unavailable),
    (1226, Meaning::Unavailable),
    // The server is shutting down.
    (1053, Meaning::Unavailable),
    // Another transaction held a lock for too long, or there are more locks than InnoDB has space for.
    (1205, Meaning::Unavailable),
    (1206, Meaning::Unavailable),
    // The server is read-only: by an option (--read-only, --super-read-only), as a replica is, for
    // this transaction, or while it is backed up.
    (1290, Meaning::Unavailable),
    (1836, Meaning::Unavailable),
    (1792, Meaning::Unavailable),
    (1223, Meaning::Unavailable),
    // The table, its tablespace or the disk is full. The first two are of files, such as temporary ones.
    (3, Meaning::Unavailable),
    (20, Meaning::Unavailable),
    (1021, Meaning::Unavailable),
    (1026, Meaning::Unavailable),
    (1114, Meaning::Unavailable),
    // The server lacks memory or files.
    (5, Meaning::Unavailable),
    (23, Meaning::Unavailable),
    (24, Meaning::Unavailable),
    (1037, Meaning::Unavailable),
    (1038, Meaning::Unavailable),
    (1041, Meaning::Unavailable),
    (1135, Meaning::Unavailable),
    // A COMMIT failed. Whether the transaction was stored is not known.
    (1180, Meaning::Unavailable),
    // KILL QUERY, by an administrator.
    (1317, Meaning::Unavailable),
    // KILL: the connection is about to be lost.
    (1927, Meaning::Unavailable),
    // The statement took longer than the limit: MariaDB's number, MySQL's number.
    (1969, Meaning::Unavailable),
    (3024, Meaning::Unavailable),
    // The server has closed the connection: because of a broken packet or its time limits, or since
    // the connection was idle (MySQL).
    (1158, Meaning::Unavailable),
    (1159, Meaning::Unavailable),
    (1160, Meaning::Unavailable),
    (1161, Meaning::Unavailable),
    (4031, Meaning::Unavailable),
    // A temporary error of a storage engine.
    (1297, Meaning::Unavailable),
    // A CHECK constraint: MySQL's number, MariaDB's number.
    (3819, Meaning::Rule),
    (4025, Meaning::Rule),
    // SIGNAL, by a trigger.
    (SIGNAL, Meaning::Rule),
    // A character that the column's character set does not have.
    (1366, Meaning::Unstorable),
];

/// The number of SIGNAL, which stands for every error with the SQLSTATE 45000.
const SIGNAL: u16 = 1644;

/// The errors after which it is not known whether a change was stored: the statement was ended from
/// outside (shutdown, KILL QUERY, KILL, the limits of a statement's time), or COMMIT failed.
const UNKNOWN_OUTCOMES: [u16; 6] = [1053, 1180, 1317, 1927, 1969, 3024];

/// What is known about an error in addition to diesel's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Diagnosis {
    /// Nothing yet: the connection has to be asked.
    Pending,
    /// Diesel's error says enough.
    NotNeeded,
    /// MySQL's number.
    Number(u16),
    /// The connection works, but the server does not report this error: a proxy or the driver made
    /// it. Whether the statement had an effect is not known.
    Foreign,
    /// The connection is lost.
    Lost,
}

/// The reason why a query failed: diesel's error and its diagnosis.
#[derive(Debug)]
pub(super) struct QueryError {
    error: DieselError,
    diagnosis: Diagnosis,
    /// Whether the error came before the COMMIT of its transaction, which was never sent then.
    is_uncommitted: bool,
}

impl From<DieselError> for QueryError {
    fn from(error: DieselError) -> Self {
        let diagnosis = match error {
            DieselError::DatabaseError(
                DatabaseErrorKind::Unknown | DatabaseErrorKind::NotNullViolation,
                _,
            )
            | DieselError::RollbackErrorOnCommit { .. } => Diagnosis::Pending,
            // The connection was given up (see `connection`).
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _)
            | DieselError::BrokenTransactionManager => Diagnosis::Lost,
            DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
                Diagnosis::Number(1792)
            }
            DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, _) => {
                Diagnosis::Number(3819)
            }
            _ => Diagnosis::NotNeeded,
        };
        Self {
            error,
            diagnosis,
            is_uncommitted: false,
        }
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
            let message = self.error.to_string();
            let asked =
                tokio::time::timeout(deadlines::ROUND_TRIP, last_diagnosis(conn, &message)).await;
            self.diagnosis = asked.unwrap_or(Diagnosis::Lost);
        }
        if self.is_lost() {
            mark_as_broken(conn);
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
        match self.diagnosis {
            Diagnosis::Lost | Diagnosis::Foreign => true,
            _ => matches!(self.meaning(), Some(Meaning::Retry | Meaning::Unavailable)),
        }
    }

    /// Whether a text has a character that its column cannot hold.
    pub(super) fn is_unstorable(&self) -> bool {
        self.meaning() == Some(Meaning::Unstorable)
    }

    /// The same error, as one that came before the COMMIT of its transaction.
    pub(super) fn before_commit(self) -> Self {
        Self {
            is_uncommitted: true,
            ..self
        }
    }

    /// Whether the statement, or its transaction, has certainly stored nothing. A transaction has not
    /// if no COMMIT was sent. Of a single statement the server says so. It does not if the connection
    /// is lost, nor with one of the [`UNKNOWN_OUTCOMES`], nor if the error is not the server's.
    pub(super) fn is_undone(&self) -> bool {
        if self.is_uncommitted {
            return true;
        }
        match self.diagnosis {
            Diagnosis::Number(number) => !UNKNOWN_OUTCOMES.contains(&number),
            Diagnosis::NotNeeded => matches!(self.error, DieselError::DatabaseError(..)),
            Diagnosis::Pending | Diagnosis::Foreign | Diagnosis::Lost => false,
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

/// Asks the connection about the error of its last statement, which came with `message`.
async fn last_diagnosis(conn: &mut Connection, message: &str) -> Diagnosis {
    // If an administrator ends a question, the next one is asked.
    for _ in 0..QUESTIONS {
        match number_of_error(conn, message).await {
            Ok(Some(number)) => return Diagnosis::Number(number),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    match conn.batch_execute("DO 1").await {
        Ok(()) => Diagnosis::Foreign,
        Err(_) => Diagnosis::Lost,
    }
}

/// How often the connection is asked about an error.
const QUESTIONS: usize = 3;

/// The number of the error that came with `message`; `None` if the server does not report it.
///
/// The conditions of the last statement may be others. A statement that succeeded may have left
/// warnings, and a proxy may then have sent an error of its own. So the condition must have the same
/// message.
async fn number_of_error(conn: &mut Connection, message: &str) -> QueryResult<Option<u16>> {
    // The error is the first condition or the last one. Warnings may precede it, and notes may follow
    // it: MariaDB says where in a trigger the error occurred. For a statement that is ended while it is
    // parsed, MariaDB adds another error (1064) to the one that it sends. A trigger may give any number
    // to the error that it raises, so its SQLSTATE decides. Another statement reads the values, since
    // MySQL cannot prepare GET DIAGNOSTICS.
    const KEEP: &str = "GET DIAGNOSTICS @shop_conditions = NUMBER; \
         GET DIAGNOSTICS CONDITION 1 @shop_first_error = MYSQL_ERRNO, \
         @shop_first_state = RETURNED_SQLSTATE, @shop_first_message = MESSAGE_TEXT; \
         GET DIAGNOSTICS CONDITION @shop_conditions @shop_last_error = MYSQL_ERRNO, \
         @shop_last_state = RETURNED_SQLSTATE, @shop_last_message = MESSAGE_TEXT";
    conn.batch_execute(KEEP).await?;
    let number = sql::<Nullable<BigInt>>("CAST(CASE ")
        .bind::<Text, _>(message)
        .sql(&format!(
            " WHEN @shop_first_message THEN \
             IF(@shop_first_state = '45000', {SIGNAL}, @shop_first_error) \
             WHEN @shop_last_message THEN \
             IF(@shop_last_state = '45000', {SIGNAL}, @shop_last_error) END AS SIGNED)"
        ));
    let number: Option<i64> = diesel::select(number).get_result(conn).await?;
    Ok(number.and_then(|number| u16::try_from(number).ok()))
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
            Diagnosis::Foreign => write!(
                f,
                "an error that the server does not report: {}",
                self.error
            ),
            Diagnosis::Pending | Diagnosis::NotNeeded => self.error.fmt(f),
        }
    }
}

impl std::error::Error for QueryError {}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        if error.is_temporary() {
            Self::Unavailable(error.into())
        } else if error.meaning() == Some(Meaning::Rule) {
            Self::RuleViolated(error.into())
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

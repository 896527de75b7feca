//! The database: the pool, and one room for each kind of row.
//!
//! Imports `error` only; knows nothing of HTTP. Every error of diesel becomes the domain's
//! [`Error`] here and nowhere else.
//!
//! [`Database`] is the pool. **A query that has begun is never cancelled**: a dropped query leaves
//! its answer on the wire, and the connection's next user would read it as its own. So each runs in
//! a task that nobody drops, and reaches the database in one of three ways:
//!
//! - one row by its id, or an addition to a cart, through `shared`: together with the others that
//!   are asked for at the time;
//! - a list as [`Rows`] from a [`ListConnection`], as slowly as its reader takes them. Only a cursor may be
//!   left midway: its connection is closed then, not used again;
//! - everything else by [`Database::run`].

pub mod cart;
mod catalogue;
pub mod check;
mod coalesce;
mod ids;
mod indexes;
pub mod migrations;
mod pages;
mod pool;
pub mod products;
#[expect(missing_docs, reason = "printed by diesel, untouched")]
#[allow(
    clippy::wildcard_imports,
    reason = "the same; and test builds let it pass"
)]
pub mod schema;
pub mod seed;
pub mod session;
mod shared;
pub mod url;
pub mod users;

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel_async::{AsyncConnection, AsyncMysqlConnection};
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use scoped_futures::ScopedBoxFuture;

use crate::error::{Conflict, Error};

pub use indexes::ListIndex;
pub use pages::{Known, Landmark, Page, Snapshot};
pub use pool::{Database, ListConnection, Pooled};

/// A connection, as the query functions take it.
pub type Connection = AsyncMysqlConnection;

/// How often a transaction that lost a deadlock is run again.
const DEADLOCK_RETRIES: u32 = 20;

diesel::define_sql_function! {
    /// The id that this connection's last INSERT was given (diesel's MySQL has no RETURNING).
    fn last_insert_id() -> diesel::sql_types::Integer;
}

/// A pattern for `LIKE … ESCAPE '!'` that every text with this beginning matches. The escape character
/// is named, since what a backslash means depends on the `sql_mode`.
fn beginning_with(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// How a list is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order<C> {
    /// The column that decides; the id decides between rows that are equal in it.
    pub by: C,
    /// From the largest to the smallest.
    pub is_reversed: bool,
}

impl<C> Order<C> {
    /// The order, or the reverse of it.
    fn reversed_if(self, is_reversed: bool) -> Self {
        Self {
            is_reversed: self.is_reversed != is_reversed,
            ..self
        }
    }
}

/// Which rows of a list are asked for.
#[derive(Debug, Clone, Copy)]
pub enum ListRange {
    /// All whose id is larger; after 0, all. Only lists in the order of the ids go on after another.
    After(i32),
    /// One page, and what is known of the list from pages of the same snapshot.
    Page(Page, Known),
}

/// Rows as the database sends them.
pub type Rows<'c, T> = BoxStream<'c, Result<T, Error>>;

/// The rows of a list, and where they lie in the whole list if they are only a page of it.
pub struct List<'c, T> {
    /// The rows.
    pub rows: Rows<'c, T>,
    /// The page, and the number of all rows.
    pub page: Option<(Page, i64)>,
}

impl<'c, T> List<'c, T> {
    fn whole(rows: impl Stream<Item = QueryResult<T>> + Send + 'c) -> Self {
        Self {
            rows: rows.map_err(Error::from).boxed(),
            page: None,
        }
    }

    fn part(rows: impl Stream<Item = QueryResult<T>> + Send + 'c, page: Page, total: i64) -> Self {
        Self {
            page: Some((page, total)),
            ..Self::whole(rows)
        }
    }

    /// A page past the end of a list of `total` rows.
    fn past_the_end(page: Page, total: i64) -> Self
    where
        T: Send + 'c,
    {
        Self::part(stream::empty(), page, total)
    }
}

/// What must be true of a row for it to be changed, asked while the row is locked: between the
/// answer and the change nobody else can change it.
pub type Condition<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

/// Ends the transaction, and undoes it, when `row` is not as the precondition requires; then
/// [`or_missing`] says so.
fn check_precondition<T>(condition: Option<&Condition<T>>, row: &T) -> QueryResult<()> {
    match condition {
        Some(condition) if !condition(row) => Err(DieselError::RollbackTransaction),
        _ => Ok(()),
    }
}

/// Runs `body` in one transaction, again when it lost a deadlock: InnoDB has rolled back all of
/// it, so nothing is done twice.
async fn transaction<'a, T: Send + 'a>(
    connection: &mut Connection,
    body: impl for<'c> Fn(&'c mut Connection) -> ScopedBoxFuture<'a, 'c, QueryResult<T>>
    + Send
    + Sync
    + 'a,
) -> QueryResult<T> {
    let mut attempt = 0;
    loop {
        let result = connection
            .transaction(async |connection| body(connection).await)
            .await;
        match result {
            Err(error) if lost_deadlock(&error) && attempt < DEADLOCK_RETRIES => {
                attempt += 1;
                pause_apart(attempt).await;
            }
            result => return result,
        }
    }
}

/// Waits before the next attempt, each for another time: those that lost together would else meet
/// again.
async fn pause_apart(attempt: u32) {
    let pause = rand::random_range(1..=u64::from(attempt) * 4);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

/// Error 1213 (deadlock, also a failed Galera certification) and 1020 (the row changed under the
/// snapshot). Diesel-async passes on the message but not the number.
fn lost_deadlock(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, information)
        if information.message().starts_with("Deadlock found")
            || information.message().starts_with("Record has changed since last read"))
}

/// `NotFound` as the absence of `what` ("User"), an unmet demand as that, everything else as it is.
fn or_missing(what: &'static str) -> impl Fn(DieselError) -> Error {
    move |error| match error {
        DieselError::NotFound => Error::NotFound(what),
        DieselError::RollbackTransaction => Error::Stale(what),
        error => error.into(),
    }
}

/// A violated unique or foreign key as the conflict `why`, everything else as it is.
fn or_conflict(kind: DatabaseErrorKind, why: Conflict) -> impl Fn(DieselError) -> Error {
    move |error| match (&kind, error) {
        (
            DatabaseErrorKind::UniqueViolation,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _),
        )
        | (
            DatabaseErrorKind::ForeignKeyViolation,
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _),
        ) => Error::Conflict(why),
        (_, error) => error.into(),
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        if is_passing(&error) {
            Self::Unavailable(error.into())
        } else {
            Self::Internal(error.into())
        }
    }
}

/// Whether the connection is dead. Diesel-async gives what its driver says as `Unknown`, with a
/// message.
fn is_lost(error: &DieselError) -> bool {
    const MESSAGES: [&str; 4] = [
        "Input/output error",
        "Driver error",
        "Server shutdown in progress",
        "Connection was killed",
    ];
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::Unknown, information)
        if MESSAGES.iter().any(|message| information.message().starts_with(message)))
}

/// Whether trying again later may help: the connection broke, or the server refuses for now.
fn is_passing(error: &DieselError) -> bool {
    const MESSAGES: [&str; 6] = [
        "Deadlock found",
        "Lock wait timeout exceeded",
        "Record has changed since last read",
        "Too many connections",
        "The MariaDB server is running with the --read-only option",
        "The MySQL server is running with the --read-only option",
    ];
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)
        | DieselError::BrokenTransactionManager => true,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            is_lost(error)
                || MESSAGES
                    .iter()
                    .any(|message| information.message().starts_with(message))
        }
        DieselError::RollbackErrorOnCommit { rollback_error, .. } => is_passing(rollback_error),
        _ => false,
    }
}

//! The database: the pool, and one room for each kind of row.
//!
//! Imports `error` only; knows nothing of HTTP. Every error of diesel becomes the domain's
//! [`Error`] here and nowhere else.
//!
//! One rule that the types cannot hold: **a query that has begun is never cancelled.** A dropped
//! query leaves its answer on the wire, and the connection's next user would read it as its own.
//! So no timeout is put around a query, and whoever runs one in a task that may be dropped spawns
//! it (`api` does so for each request, [`Database::ping`] for itself).

pub mod cart;
mod catalogue;
pub mod check;
pub mod migrations;
pub mod products;
#[expect(missing_docs, reason = "printed by diesel, untouched")]
#[allow(
    clippy::wildcard_imports,
    reason = "the same; and test builds let it pass"
)]
pub mod schema;
pub mod seed;
pub mod session;
pub mod url;
pub mod users;

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{AsyncConnection, AsyncMysqlConnection, RunQueryDsl};
use futures_util::FutureExt;
use scoped_futures::ScopedBoxFuture;

use crate::error::Error;

/// A connection, as the query functions take it.
pub type Connection = AsyncMysqlConnection;

/// How long a request waits for a connection before it is told to come back later.
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(5);

/// How long the database may take to answer [`Database::ping`].
const WAIT_FOR_PING: Duration = Duration::from_secs(1);

/// How often a transaction that lost a deadlock is run again.
const DEADLOCK_RETRIES: u32 = 5;

/// What each connection is told first. Strict: a value that does not fit its column is an error,
/// never cut, whatever the server's own mode is. And no request waits for a lock for a minute.
const SETUP: [&str; 2] = [
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION innodb_lock_wait_timeout = 5",
];

/// Why a row cannot be deleted although nothing of ours holds it.
const REFERRED_TO: &str = "Other data of the shop refers to it";

diesel::define_sql_function! {
    /// The id that this connection's last INSERT was given (diesel's MySQL has no RETURNING).
    fn last_insert_id() -> diesel::sql_types::Integer;
}

/// The shop's database: a pool of connections, cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connection>,
}

impl Database {
    /// A pool of at most `size` connections, opened when they are needed.
    ///
    /// # Panics
    /// Never: the pool is built without timeouts of its own, which is all that can fail.
    #[must_use]
    pub fn new(options: mysql_async::Opts, size: usize) -> Self {
        let options: mysql_async::Opts = mysql_async::OptsBuilder::from_opts(options)
            .setup(SETUP.to_vec())
            .into();
        let mut config = ManagerConfig::<Connection>::default();
        // `Verified`, the default, sends a `SELECT 1` before each request's own statement.
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |_| {
            let options = options.clone();
            async move {
                let connection = mysql_async::Conn::new(options)
                    .await
                    .map_err(|error| diesel::ConnectionError::BadConnection(error.to_string()))?;
                Connection::try_from(connection).await
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let pool = Pool::builder(manager).max_size(size).build();
        Self {
            pool: pool.expect("a pool without timeouts needs no runtime"),
        }
    }

    /// A connection, which returns to the pool when it is dropped.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database cannot be reached or every connection stays busy
    /// for 5 seconds.
    pub async fn connection(&self) -> Result<Object<Connection>, Error> {
        match tokio::time::timeout(WAIT_FOR_CONNECTION, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_) => Err(Error::Unavailable("every connection is busy".into())),
        }
    }

    /// Whether the database answers a trivial query within a second.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let database = self.clone();
        let ping = tokio::spawn(async move {
            let mut connection = database.connection().await?;
            diesel::sql_query("SELECT 1")
                .execute(&mut connection)
                .await?;
            Ok(())
        });
        match tokio::time::timeout(WAIT_FOR_PING, ping).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(Error::Internal(panic.into())),
            Err(_) => Err(Error::Unavailable("no answer within a second".into())),
        }
    }

    /// Closes the pool's idle connections that are older than now: after one of them was found
    /// dead, the database has most likely restarted, and the others are dead too.
    pub fn drop_idle_connections(&self) {
        self.pool.retain(|_, _| false);
    }
}

/// One page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Which page, from 1.
    pub number: i32,
    /// How many rows it holds, from 1.
    pub size: i32,
}

impl Page {
    fn limit(self) -> i64 {
        self.size.into()
    }

    fn offset(self) -> i64 {
        (i64::from(self.number) - 1) * i64::from(self.size)
    }
}

/// The rows of a list, and how many the whole list has if this is only a page of it.
#[derive(Debug)]
pub struct List<T> {
    /// The rows, in id order.
    pub rows: Vec<T>,
    /// Where `rows` lies in the whole list: the page and the number of all rows.
    pub page: Option<(Page, i32)>,
}

impl<T> List<T> {
    fn whole(rows: Vec<T>) -> Self {
        Self { rows, page: None }
    }

    fn part(rows: Vec<T>, page: Page, total: i64) -> Self {
        let total = i32::try_from(total).unwrap_or(i32::MAX);
        Self {
            rows,
            page: Some((page, total)),
        }
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
            Err(error) if attempt < DEADLOCK_RETRIES && lost_deadlock(&error) => attempt += 1,
            result => return result,
        }
    }
}

/// Error 1213 (deadlock, also a failed Galera certification) and 1020 (the row changed under the
/// snapshot). Diesel-async passes on the message but not the number.
fn lost_deadlock(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, information)
        if information.message().starts_with("Deadlock found")
            || information.message().starts_with("Record has changed since last read"))
}

/// `NotFound` as the absence of `what` ("User"), everything else as it is.
fn or_missing(what: &'static str) -> impl Fn(DieselError) -> Error {
    move |error| match error {
        DieselError::NotFound => Error::NotFound(what),
        error => error.into(),
    }
}

/// A violated unique or foreign key as the conflict `why`, everything else as it is.
fn or_conflict(kind: DatabaseErrorKind, why: &'static str) -> impl Fn(DieselError) -> Error {
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

/// Whether trying again later may help: the connection broke, or the server refuses for now.
/// Diesel-async gives all of these as `Unknown`, with the driver's or the server's message.
fn is_passing(error: &DieselError) -> bool {
    const MESSAGES: [&str; 9] = [
        "Input/output error",
        "Driver error",
        "Deadlock found",
        "Lock wait timeout exceeded",
        "Record has changed since last read",
        "Server shutdown in progress",
        "Connection was killed",
        "Too many connections",
        "The MariaDB server is running with the --read-only option",
    ];
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)
        | DieselError::BrokenTransactionManager => true,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => MESSAGES
            .iter()
            .any(|message| information.message().starts_with(message)),
        DieselError::RollbackErrorOnCommit { rollback_error, .. } => is_passing(rollback_error),
        _ => false,
    }
}

fn unreachable(error: &PoolError) -> Error {
    Error::Unavailable(error.to_string().into())
}

//! [`Connection`]: a connection to the database, on which no statement waits forever.
//!
//! A database that goes away without closing its connections (a cable, a firewall that forgets, a
//! machine that stops) leaves them silent: the driver would wait for a response until the kernel
//! gives up, after a quarter of an hour or never. The driver cannot set `TCP_USER_TIMEOUT`, and
//! does not give its socket away; the option would not help either when the packets are
//! acknowledged by something in between. So every statement has its limits here:
//!
//! - the deadline until which the connection is lent;
//! - from [`deadlines::SILENCE`] on, whether the database is still executing the statement, which
//!   it is asked over another connection (see `probe`).
//!
//! A statement that was given up, or whose future was dropped before its end, leaves a response that
//! may still arrive. Such a connection [is unusable](Connection::is_unusable): each further
//! statement fails at once, the pool does not take it back, and dropping it closes the socket.
//! Whether the statement had an effect is not known.
//!
//! Imports `deadlines`.

use std::pin::pin;
use std::thread;

use diesel::connection::{CacheSize, Instrumentation};
use diesel::mysql::Mysql;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::result::{ConnectionResult, DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel_async::{
    AsyncConnection, AsyncConnectionCore, AsyncMysqlConnection, SimpleAsyncConnection,
    TransactionManager,
};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use crate::deadlines;

type Transactions = <AsyncMysqlConnection as AsyncConnection>::TransactionManager;

/// A connection to the database.
pub struct Connection {
    /// `None` only while the connection is dropped.
    driver: Option<AsyncMysqlConnection>,
    watch: Watch,
}

/// What limits the statements of a connection.
#[derive(Default)]
struct Watch {
    /// Whether a statement has begun and has not ended. After it was given up, this stays set.
    is_in_statement: bool,
    /// When the connection has to be given back; `None` for lists, which last as long as their
    /// clients read.
    deadline: Option<Instant>,
    until_lost: Option<UntilLost>,
}

/// Returns a future that ends when the database does not execute a statement on the connection any
/// more, although its response has not arrived.
pub(super) type UntilLost = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

impl From<AsyncMysqlConnection> for Connection {
    /// A connection whose statements have no limit.
    fn from(driver: AsyncMysqlConnection) -> Self {
        Self {
            driver: Some(driver),
            watch: Watch::default(),
        }
    }
}

impl Connection {
    /// A connection whose statements are given up when `until_lost` ends.
    pub(super) fn watched(driver: AsyncMysqlConnection, until_lost: Option<UntilLost>) -> Self {
        let mut connection = Self::from(driver);
        connection.watch.until_lost = until_lost;
        connection
    }

    /// Sets until when statements may take. `None`: they have no limit.
    pub(super) fn lend_until(&mut self, deadline: Option<Instant>) {
        self.watch.deadline = deadline;
    }

    /// Whether no further statement may run: a statement did not end, the connection was lost (see
    /// `errors`), or it has an open transaction.
    pub(super) fn is_unusable(&mut self) -> bool {
        self.watch.is_in_statement || Transactions::is_broken_transaction_manager(self)
    }

    /// Whether a statement was given up, or dropped before its end.
    pub(super) fn is_in_statement(&self) -> bool {
        self.watch.is_in_statement
    }

    /// Whether the database has closed the connection, rather than that a statement was given up, which
    /// has taken the time for another one. Known after the error of a statement was diagnosed.
    #[must_use]
    pub fn was_closed(&mut self) -> bool {
        self.is_unusable() && !self.is_in_statement()
    }

    /// Marks the connection as unusable.
    pub(super) fn mark_as_unusable(&mut self) {
        self.watch.is_in_statement = true;
    }

    /// The driver's connection, and the limits of its statements.
    fn parts(&mut self) -> (&mut AsyncMysqlConnection, &mut Watch) {
        let driver = self.driver.as_mut();
        (driver.expect("only `drop` takes it"), &mut self.watch)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.watch.is_in_statement {
            let driver = self.driver.take();
            // When dropped on a thread of tokio, the driver would first read the rest of the
            // response, perhaps forever, to close the session in order. On another thread it only
            // closes the socket.
            let _ = thread::Builder::new().spawn(move || drop(driver));
        }
    }
}

impl Watch {
    /// The result of `statement`, unless it is given up.
    async fn limited<T>(
        &mut self,
        statement: impl Future<Output = QueryResult<T>> + Send,
    ) -> QueryResult<T> {
        if self.is_in_statement {
            return Err(given_up("an earlier statement has not ended"));
        }
        self.is_in_statement = true;
        let mut statement = pin!(statement);
        let silent_from = Instant::now() + deadlines::SILENCE;
        let first = self.deadline.map_or(silent_from, |it| it.min(silent_from));
        let result = if let Ok(result) = timeout_at(first, &mut statement).await {
            result
        } else {
            tokio::select! {
                biased;
                result = statement => result,
                () = wait_until(self.deadline) => {
                    return Err(given_up("the statement did not end before the request's deadline"));
                }
                () = wait_until_lost(self.until_lost.as_ref()) => {
                    return Err(given_up("the database does not execute the statement any more"));
                }
            }
        };
        self.is_in_statement = false;
        result
    }
}

/// Waits until `deadline`, without one forever.
async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Waits until the connection is known to be lost.
async fn wait_until_lost(until_lost: Option<&UntilLost>) {
    match until_lost {
        Some(until_lost) => until_lost().await,
        None => std::future::pending().await,
    }
}

/// The error of a statement on a connection that is given up.
fn given_up(why: &str) -> DieselError {
    DieselError::DatabaseError(
        DatabaseErrorKind::ClosedConnection,
        Box::new(why.to_owned()),
    )
}

impl SimpleAsyncConnection for Connection {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let (driver, watch) = self.parts();
        watch.limited(driver.batch_execute(query)).await
    }
}

impl AsyncConnectionCore for Connection {
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Self::Stream<'conn, 'query>>>;
    type Stream<'conn, 'query> = BoxStream<'conn, QueryResult<Self::Row<'conn, 'query>>>;
    type Row<'conn, 'query> = <AsyncMysqlConnection as AsyncConnectionCore>::Row<'conn, 'query>;
    type Backend = Mysql;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Mysql> + QueryId + 'query,
    {
        let (driver, watch) = self.parts();
        let loading = driver.load(source);
        async move {
            let rows = watch.limited(loading).await?;
            if watch.deadline.is_none() {
                // The reader of a list limits the time for each chunk of it.
                return Ok(rows);
            }
            let rows = stream::try_unfold((rows, watch), async |(mut rows, watch)| {
                let row = watch.limited(rows.try_next()).await?;
                Ok(row.map(|row| (row, (rows, watch))))
            });
            Ok(rows.boxed())
        }
        .boxed()
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Mysql> + QueryId + 'query,
    {
        let (driver, watch) = self.parts();
        let executing = driver.execute_returning_count(source);
        watch.limited(executing).boxed()
    }
}

impl AsyncConnection for Connection {
    type TransactionManager = Transactions;

    async fn establish(database_url: &str) -> ConnectionResult<Self> {
        AsyncMysqlConnection::establish(database_url)
            .await
            .map(Self::from)
    }

    fn transaction_state(
        &mut self,
    ) -> &mut <Transactions as TransactionManager<Self>>::TransactionStateData {
        self.parts().0.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.parts().0.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.parts().0.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.parts().0.set_prepared_statement_cache_size(size);
    }
}

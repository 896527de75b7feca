//! Pools of connections: one for requests, one for groups of additions, one for lists.
//!
//! The pool does not test each connection with a statement, which would double the statements of a
//! read of one row. Two rules keep it from using lost connections all the same:
//!
//! - A connection that was idle for more than a second is tested first.
//! - When a connection turns out to be lost, no connection that was opened earlier is used again:
//!   the server has most likely restarted.
//!
//! Diesel-async has such a pool, but its fast recycling keeps connections that the driver knows to
//! be lost: after a restart of the server, each would fail forever. So this module uses the same
//! crate, deadpool, whose [`Metrics`] have each connection's age, with a [`Manager`] of its own.
//! Deadpool's hooks could not replace the manager, which does everything in one place.
//!
//! Imports `db::errors` and `db::session_settings`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    self, Manager, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType,
};
use diesel::ConnectionError;
use diesel_async::{AsyncConnection, SimpleAsyncConnection, TransactionManager};
use mysql_async::{Conn, Opts, OptsBuilder};

use crate::deadlines;
use crate::error::Error;

use super::session_settings::{Purpose, setup};
use super::{Connection, errors};

/// A connection that was idle for longer than this is tested before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How many list connections are kept open for the next lists.
const IDLE_LIST_CONNECTIONS: usize = 4;

/// A pool of connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(managed::Pool<Connector>);

impl Pool {
    /// A pool of at most `size` connections. Each is opened when it is first needed.
    pub(super) fn new(options: &Opts, purpose: Purpose, size: usize) -> Self {
        let options = OptsBuilder::from_opts(options.clone()).setup(setup(purpose));
        let connector = Connector {
            options: options.into(),
            last_loss: Mutex::new(None),
        };
        let pool = managed::Pool::builder(connector)
            .max_size(size)
            .wait_timeout(Some(deadlines::POOL))
            .create_timeout(Some(deadlines::CONNECT))
            .runtime(Runtime::Tokio1)
            .build();
        Self(pool.expect("a runtime is given for the timeouts"))
    }

    /// A connection for statements whose rows are all read at once.
    ///
    /// # Errors
    /// `Unavailable` when the database cannot be reached, `Busy` when every connection stays in use.
    pub(super) async fn get(&self) -> Result<Pooled, Error> {
        Ok(Pooled(self.object().await?))
    }

    /// A connection to read one list with.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn get_for_list(&self) -> Result<ListConnection, Error> {
        Ok(ListConnection(Some(self.object().await?)))
    }

    async fn object(&self) -> Result<Object<Connector>, Error> {
        let cause = match self.0.get().await {
            Ok(object) => return Ok(object),
            Err(PoolError::Backend(error)) => error.into(),
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                return Err(Error::Busy("every connection to the database is in use"));
            }
            Err(PoolError::Timeout(TimeoutType::Create)) => {
                let limit = deadlines::CONNECT.as_secs();
                format!("connecting took more than {limit} s").into()
            }
            Err(error) => error.to_string().into(),
        };
        Err(Error::Unavailable(cause))
    }
}

/// A connection that returns to its pool when it is dropped.
pub(super) struct Pooled(Object<Connector>);

impl std::ops::Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl std::ops::DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        note_loss(&mut self.0);
    }
}

/// A connection to read one list with. Dropping it closes the connection, which ends a query that
/// is still sending rows; [`ListConnection::finish`] keeps the connection for the next list.
pub struct ListConnection(Option<Object<Connector>>);

impl ListConnection {
    /// Asks the connection about an error that arrived between the rows of a list: the error alone
    /// does not say whether the database is unavailable. The stream of rows must have been dropped.
    /// Takes at most [`deadlines::ROUND_TRIP`].
    pub async fn diagnose(&mut self, error: Error) -> Error {
        match errors::diagnose::<()>(self, Err(error)).await {
            Err(error) => error,
            Ok(()) => unreachable!("`diagnose` returns an error for an error"),
        }
    }

    /// Keeps the connection for the next list. Only after a list that was read to its end.
    pub fn finish(mut self) {
        let is_wanted = self.0.as_ref().is_some_and(|object| {
            let pool = Object::pool(object);
            pool.is_none_or(|pool| pool.status().available < IDLE_LIST_CONNECTIONS)
        });
        if is_wanted && let Some(mut object) = self.0.take() {
            note_loss(&mut object);
        }
    }
}

impl std::ops::Deref for ListConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0.as_ref().expect("`finish` takes the whole value")
    }
}

impl std::ops::DerefMut for ListConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        self.0.as_mut().expect("`finish` takes the whole value")
    }
}

impl Drop for ListConnection {
    fn drop(&mut self) {
        if let Some(mut object) = self.0.take() {
            note_loss(&mut object);
            let connection = Object::take(object);
            // When dropped on a thread of tokio, the driver would first read all remaining rows,
            // perhaps for minutes, to close the session in order. On another thread it only closes
            // the socket.
            std::thread::spawn(move || drop(connection));
        }
    }
}

/// Informs the pool if this connection was lost.
fn note_loss(object: &mut Object<Connector>) {
    if is_broken(object)
        && let Some(pool) = Object::pool(object)
    {
        let created = Object::metrics(object).created;
        pool.manager().note_loss(created);
    }
}

/// Whether the connection is unusable: it was lost (see `errors`), or it has an open transaction.
fn is_broken(connection: &mut Connection) -> bool {
    type Transactions = <Connection as AsyncConnection>::TransactionManager;
    Transactions::is_broken_transaction_manager(connection)
}

/// Opens connections, and decides whether a connection is used again.
struct Connector {
    options: Opts,
    /// When a connection was last found to be lost. Connections that were opened earlier are not
    /// used again.
    last_loss: Mutex<Option<Instant>>,
}

impl Connector {
    fn last_loss(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_loss
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection that was opened at `created` is older than the last loss.
    fn is_outdated(&self, created: Instant) -> bool {
        self.last_loss().is_some_and(|loss| created <= loss)
    }

    /// Records that a connection that was opened at `created` is lost. Nothing changes if it is
    /// older than the last loss: the connections that were opened since then are not affected.
    fn note_loss(&self, created: Instant) {
        if !self.is_outdated(created) {
            *self.last_loss() = Some(Instant::now());
        }
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = ConnectionError;

    async fn create(&self) -> Result<Connection, ConnectionError> {
        let connection = Conn::new(self.options.clone()).await;
        let connection =
            connection.map_err(|error| ConnectionError::BadConnection(error.to_string()))?;
        Connection::try_from(connection).await
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<ConnectionError> {
        let reject = |why: &'static str| Err(RecycleError::message(why));
        if is_broken(connection) {
            return reject("the connection was lost, or has a transaction open");
        }
        if self.is_outdated(metrics.created) {
            return reject("a younger connection was lost");
        }
        if metrics.last_used() > TRUSTED_IDLE {
            let test = connection.batch_execute("DO 1");
            let passed = tokio::time::timeout(deadlines::ROUND_TRIP, test).await;
            if !matches!(passed, Ok(Ok(()))) {
                self.note_loss(metrics.created);
                return reject("the connection was lost while it was idle");
            }
        }
        Ok(())
    }
}

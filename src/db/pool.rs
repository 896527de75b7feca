//! Pools of connections: one for requests, one for lists.
//!
//! A connection is handed out without a statement to test it, which would double the statements of
//! a point read. Two rules keep lost connections from being handed out all the same:
//!
//! - A connection that was not used for a second is tested first.
//! - When a connection turns out to be lost, no connection that is older than this discovery is
//!   used again: the server has most likely restarted.
//!
//! Diesel-async has a pool of this kind, whose fast recycling keeps a connection after its driver
//! has given it up: after a restart of the server each would fail for ever. Hence these few lines on
//! the same pool crate, deadpool, whose [`Metrics`] know each connection's age. Its hooks would not
//! spare the [`Manager`], which does the same in one place.
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

/// A connection that was not used for longer is tested before it is used again.
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

    /// A connection for statements whose rows are read at once.
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

/// A connection that goes back to its pool when it is dropped.
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

/// A connection that a list is read with. Dropping it closes it, which ends a query that is still
/// sending rows; [`ListConnection::finish`] keeps it for the next list.
pub struct ListConnection(Option<Object<Connector>>);

impl ListConnection {
    /// The error of a list after asking the connection about it: an error that arrives between
    /// the rows does not say yet whether the database is unavailable. The rows must be dropped.
    pub async fn diagnose(&mut self, error: Error) -> Error {
        match errors::diagnose::<()>(self, Err(error)).await {
            Err(error) => error,
            Ok(()) => unreachable!("an error stays one"),
        }
    }

    /// Gives the connection back for the next list. Only for a list that was read to its end.
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
            // Dropped on a thread of tokio's, the driver would first read all rows that are still
            // to come, for minutes perhaps, to say goodbye. Elsewhere it just closes the socket.
            std::thread::spawn(move || drop(connection));
        }
    }
}

/// Tells the pool if this connection was lost.
fn note_loss(object: &mut Object<Connector>) {
    if is_broken(object)
        && let Some(pool) = Object::pool(object)
    {
        let created = Object::metrics(object).created;
        pool.manager().note_loss(created);
    }
}

/// Whether diesel gave the connection up: it was lost (see `errors`), or it has a transaction open.
fn is_broken(connection: &mut Connection) -> bool {
    type Transactions = <Connection as AsyncConnection>::TransactionManager;
    Transactions::is_broken_transaction_manager(connection)
}

/// Opens connections, and decides whether one is used again.
struct Connector {
    options: Opts,
    /// When a connection was found to be lost: those opened before it are not used again.
    last_loss: Mutex<Option<Instant>>,
}

impl Connector {
    fn last_loss(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_loss
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection that was opened then is older than the last loss.
    fn is_outdated(&self, created: Instant) -> bool {
        self.last_loss().is_some_and(|loss| created <= loss)
    }

    /// Notes that a connection that was opened then was found to be lost. Only the first such
    /// discovery counts: connections that are opened after it are good, whatever others find later.
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
        let refuse = |why: &'static str| Err(RecycleError::message(why));
        if is_broken(connection) {
            return refuse("the connection was lost, or has a transaction open");
        }
        if self.is_outdated(metrics.created) {
            return refuse("a younger connection was lost");
        }
        if metrics.last_used() > TRUSTED_IDLE {
            let test = connection.batch_execute("DO 1");
            let passed = tokio::time::timeout(deadlines::CONNECTION_TEST, test).await;
            if !matches!(passed, Ok(Ok(()))) {
                self.note_loss(metrics.created);
                return refuse("the connection was lost while it was idle");
            }
        }
        Ok(())
    }
}

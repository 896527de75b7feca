//! The pool of connections that requests share.
//!
//! A connection is handed out without a question to the server, which would double the statements
//! of a point read. Two things keep dead connections from being handed out all the same: one that
//! nobody used for a second is asked for a sign of life, and the first error that says that a
//! connection is dead discards every other one of its generation, since the server has most likely
//! restarted.
//!
//! Diesel-async has a pool of this kind, whose fast recycling keeps a connection after its driver
//! has given it up: after a restart of the server each would fail for ever. Hence our own few lines
//! on the same pool crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{self, Manager, Metrics, Object, PoolError, RecycleError, RecycleResult};
use diesel::ConnectionError;
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_async::{AsyncConnection, SimpleAsyncConnection, TransactionManager};
use mysql_async::{Conn, Opts, OptsBuilder};

use crate::error::Error;

use super::{Connection, is_lost};

/// How long a request waits for a connection before it is told to come back later.
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is asked for a sign of life before it is used again.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The cheapest statement there is.
const SIGN_OF_LIFE: &str = "DO 1";

/// What each connection is told first. Strict: a value that does not fit its column is an error,
/// never cut, whatever the server's own mode is. And no request waits for a lock for a minute.
const SETUP: [&str; 2] = [
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION innodb_lock_wait_timeout = 5",
];

/// What a connection for lists is told. While a client reads slowly, the server waits for us: longer
/// than its default of a minute, and longer than we wait for any client.
const LIST_SETUP: [&str; 3] = [SETUP[0], SETUP[1], "SET SESSION net_write_timeout = 600"];

/// How many connections are kept open for the next lists.
const IDLE_LIST_CONNECTIONS: usize = 4;

/// What the connections of a pool are for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// Statements whose rows are read at once.
    Requests,
    /// Lists whose rows are read as slowly as a client takes them.
    Lists,
}

impl Role {
    fn setup(self) -> &'static [&'static str] {
        match self {
            Self::Requests => &SETUP,
            Self::Lists => &LIST_SETUP,
        }
    }
}

/// A pool of connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(managed::Pool<Connector>);

impl Pool {
    /// A pool of at most `size` connections. Each is opened when it is first needed.
    pub(super) fn new(options: &Opts, role: Role, size: usize) -> Self {
        let setup = role.setup().to_vec();
        let options = OptsBuilder::from_opts(options.clone()).setup(setup);
        let connector = Connector {
            options: options.into(),
            generation: Arc::default(),
        };
        let pool = managed::Pool::builder(connector).max_size(size).build();
        Self(pool.expect("a pool without timeouts of its own needs no runtime"))
    }

    /// A connection, waited for no longer than [`WAIT_FOR_CONNECTION`].
    ///
    /// # Errors
    /// `Unavailable` when the database cannot be reached or every connection stays in use.
    pub(super) async fn get(&self) -> Result<Pooled, Error> {
        match tokio::time::timeout(WAIT_FOR_CONNECTION, self.0.get()).await {
            Ok(Ok(connection)) => Ok(Pooled(connection)),
            Ok(Err(PoolError::Backend(error))) => Err(Error::Unavailable(error.into())),
            Ok(Err(error)) => Err(Error::Unavailable(error.to_string().into())),
            Err(_) => Err(Error::Unavailable("every connection is busy".into())),
        }
    }
}

/// A connection that a list is read with. Dropping it closes it, which ends a query that is still
/// sending rows; [`ListConnection::finish`] keeps it for the next list.
pub struct ListConnection(Option<Pooled>);

impl ListConnection {
    pub(super) fn new(connection: Pooled) -> Self {
        Self(Some(connection))
    }

    /// The list was read to its end: the connection serves the next one.
    pub fn finish(mut self) {
        let is_wanted = self.0.as_ref().is_some_and(|connection| {
            let pool = Object::pool(&connection.0);
            pool.is_none_or(|pool| pool.status().available < IDLE_LIST_CONNECTIONS)
        });
        if is_wanted {
            drop(self.0.take());
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
        if let Some(Pooled(connection)) = self.0.take() {
            let member = Object::take(connection);
            // Dropped on a thread of tokio's, the driver would first read all that is to come, for
            // minutes perhaps, to say goodbye. Elsewhere it just closes the socket.
            std::thread::spawn(move || drop(member));
        }
    }
}

/// A connection that goes back to its pool when it is dropped.
pub(super) struct Pooled(Object<Connector>);

impl std::ops::Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0.connection
    }
}

impl std::ops::DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0.connection
    }
}

/// Opens connections and looks after idle ones.
pub(super) struct Connector {
    options: Opts,
    /// How often connections were lost: one that was opened in an earlier generation is not used again.
    generation: Arc<AtomicU64>,
}

pub(super) struct Member {
    connection: Connection,
    generation_at_open: u64,
}

impl Manager for Connector {
    type Type = Member;
    type Error = ConnectionError;

    async fn create(&self) -> Result<Member, ConnectionError> {
        let generation_at_open = self.generation.load(Ordering::Acquire);
        let connection = Conn::new(self.options.clone()).await;
        let connection =
            connection.map_err(|error| ConnectionError::BadConnection(error.to_string()))?;
        let mut connection = Connection::try_from(connection).await?;
        connection.set_instrumentation(LossMonitor {
            generation_at_open,
            generation: Arc::clone(&self.generation),
        });
        Ok(Member {
            connection,
            generation_at_open,
        })
    }

    async fn recycle(
        &self,
        member: &mut Member,
        metrics: &Metrics,
    ) -> RecycleResult<ConnectionError> {
        type Transactions = <Connection as AsyncConnection>::TransactionManager;
        let gone = |why: &'static str| Err(RecycleError::message(why));
        if Transactions::is_broken_transaction_manager(&mut member.connection) {
            return gone("a transaction was left open");
        }
        if metrics.last_used() > TRUSTED_IDLE
            && member.connection.batch_execute(SIGN_OF_LIFE).await.is_err()
        {
            return gone("no sign of life");
        }
        if member.generation_at_open != self.generation.load(Ordering::Acquire) {
            return gone("a connection of its generation was lost");
        }
        Ok(())
    }
}

/// Begins a new generation when its connection is lost.
struct LossMonitor {
    generation_at_open: u64,
    generation: Arc<AtomicU64>,
}

impl Instrumentation for LossMonitor {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery {
            error: Some(error), ..
        } = event
            && is_lost(error)
        {
            // Only the first loss of a generation counts: the others follow from it.
            let _ = self.generation.compare_exchange(
                self.generation_at_open,
                self.generation_at_open + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
        }
    }
}

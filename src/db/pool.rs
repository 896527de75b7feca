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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use diesel::ConnectionError;
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_async::{AsyncConnection, SimpleAsyncConnection, TransactionManager};
use mysql_async::{Conn, Opts, OptsBuilder};
use tracing::Instrument;

use crate::error::Error;

use super::indexes::{self, ListIndex};
use super::shared::BatchedCalls;
use super::{Connection, is_lost};

/// How long a request waits for a connection before it is told to come back later.
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(5);

/// How long the database may take to answer [`Database::ping`].
const WAIT_FOR_PING: Duration = Duration::from_secs(1);

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

/// The same for a list. While its client reads slowly the server waits for us: longer than the
/// minute that is its default, and than we wait for any client. And a transaction reads all from one
/// snapshot, whatever isolation the server's default is.
const CURSOR_SETUP: [&str; 4] = [
    SETUP[0],
    SETUP[1],
    "SET SESSION net_write_timeout = 600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// Cursors that are kept open for the next lists.
const IDLE_CURSORS: usize = 4;

/// The shop's database: a pool of connections, cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connector>,
    /// Lists have connections of their own, so that slow readers never starve the rest.
    cursors: Pool<Connector>,
    pub(super) shared: Arc<BatchedCalls>,
    /// Which of the indexes was found, by its place in [`ListIndex::ALL`].
    has_index: Arc<[AtomicBool; ListIndex::ALL.len()]>,
}

impl Database {
    /// A pool of at most `size` connections for requests, and one of at most `cursors` for lists;
    /// all are opened when they are needed.
    #[must_use]
    pub fn new(options: Opts, size: usize, cursors: usize) -> Self {
        let pool = pool(options.clone(), &SETUP, size);
        Self {
            shared: Arc::new(BatchedCalls::new(&pool)),
            cursors: self::pool(options, &CURSOR_SETUP, cursors),
            has_index: Arc::default(),
            pool,
        }
    }

    /// The pool of a database that is nowhere: for who needs the service's types, but no rows. It
    /// connects when it is first asked for a connection, and fails.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::new(Opts::default(), 1, 1)
    }

    /// Runs `query` on a connection of the pool, to its end: also when whoever waits here is
    /// dropped meanwhile.
    ///
    /// # Errors
    /// Those of the query; [`Error::Unavailable`] when the database cannot be reached or every
    /// connection stays busy for 5 seconds.
    pub async fn run<T, F>(&self, query: impl FnOnce(Pooled) -> F + Send) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let query = query(connection(&self.pool).await?);
        match tokio::spawn(query.in_current_span()).await {
            Ok(result) => result,
            Err(panic) => Err(Error::Internal(panic.into())),
        }
    }

    /// A connection to read a list with.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn cursor(&self) -> Result<ListConnection, Error> {
        let connection = connection(&self.cursors).await?;
        Ok(ListConnection(Some(connection)))
    }

    /// Whether the database has an index. Once there is one, it is taken to stay.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn has_index(&self, index: ListIndex) -> Result<bool, Error> {
        let known = &self.has_index[index as usize];
        if known.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let query =
            async move |mut connection: Pooled| indexes::exists(&mut connection, index).await;
        let exists = self.run(query).await?;
        known.store(exists, Ordering::Relaxed);
        Ok(exists)
    }

    /// Whether the database answers within a second.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let ping = self.run(async |mut connection: Pooled| {
            connection.batch_execute(SIGN_OF_LIFE).await?;
            Ok(())
        });
        match tokio::time::timeout(WAIT_FOR_PING, ping).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Unavailable("no answer within a second".into())),
        }
    }
}

fn pool(options: Opts, setup: &[&str], size: usize) -> Pool<Connector> {
    let options = OptsBuilder::from_opts(options).setup(setup.to_vec()).into();
    let connector = Connector {
        options,
        generation: Arc::default(),
    };
    let pool = Pool::builder(connector).max_size(size).build();
    pool.expect("a pool without timeouts of its own needs no runtime")
}

/// A connection of `pool`, waited for no longer than [`WAIT_FOR_CONNECTION`].
pub(super) async fn connection(pool: &Pool<Connector>) -> Result<Pooled, Error> {
    match tokio::time::timeout(WAIT_FOR_CONNECTION, pool.get()).await {
        Ok(Ok(connection)) => Ok(Pooled(connection)),
        Ok(Err(PoolError::Backend(error))) => Err(Error::Unavailable(error.into())),
        Ok(Err(error)) => Err(Error::Unavailable(error.to_string().into())),
        Err(_) => Err(Error::Unavailable("every connection is busy".into())),
    }
}

/// A connection that a list is read with. It is closed when it is dropped, whatever rows are still
/// on their way, which also ends the query; [`ListConnection::finish`] keeps it for the next list.
pub struct ListConnection(Option<Pooled>);

impl ListConnection {
    /// The list was read to its end: the connection serves the next one.
    pub fn finish(mut self) {
        let is_wanted = self.0.as_ref().is_some_and(|connection| {
            let pool = Object::pool(&connection.0);
            pool.is_none_or(|pool| pool.status().available < IDLE_CURSORS)
        });
        if is_wanted {
            drop(self.0.take());
        }
    }
}

impl std::ops::Deref for ListConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0.as_ref().expect("finishing takes the cursor itself")
    }
}

impl std::ops::DerefMut for ListConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        self.0.as_mut().expect("finishing takes the cursor itself")
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

/// A connection on loan from the pool.
pub struct Pooled(Object<Connector>);

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

//! Pools of connections: one for requests, one for groups of additions, one for lists.
//!
//! The pool does not test each connection with a statement, which would double the statements of a
//! read of one row. Three rules keep it from using lost connections all the same:
//!
//! - A connection that was idle for more than a second is tested first.
//! - When a connection turns out to be lost, no connection that was opened earlier is used again:
//!   the server has most likely restarted.
//! - When a statement did not end before its deadline, its connection is closed, and each connection
//!   that was opened earlier is tested before it is used again: the network may have lost them all,
//!   or only this statement was slow.
//!
//! A connection is lent until a deadline (see `connection`), so that none stays in use forever. No
//! connection is opened while the database is away (see `availability`).
//!
//! Diesel-async has such a pool, but its fast recycling keeps connections that the driver knows to
//! be lost: after a restart of the server, each would fail forever. So this module uses the same
//! crate, deadpool, whose [`Metrics`] have each connection's age, with a [`Manager`] of its own.
//! Deadpool's hooks could not replace the manager, which does everything in one place.
//!
//! A server that refuses another connection because of a limit does not fail a request: see
//! `turns`.
//!
//! Imports `metrics`, `db::availability`, `db::connect`, `db::connection`, `db::errors` and
//! `db::session_settings`.

mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{
    self, Manager, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType,
};
use deadpool::{Runtime, Status};
use diesel_async::SimpleAsyncConnection;
use futures_util::FutureExt;
use mysql_async::{Opts, OptsBuilder};

use crate::deadlines::{self, Limits};
use crate::error::Error;
use crate::metrics;

use super::availability::Availability;
use super::connect::{ConnectError, connect};
use super::connection::{Connection, UntilLost};
use super::errors;
use super::session_settings::{Purpose, setup};

pub(super) use turns::Turns;

/// A connection that was idle for longer than this is tested before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How many list connections are kept open for the next lists.
const IDLE_LIST_CONNECTIONS: usize = 4;

/// A pool of connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    connections: managed::Pool<Connector>,
    limits: Limits,
    metrics: metrics::Pool,
}

impl Pool {
    /// A pool of at most `size` connections. Each is opened when it is first needed. All pools whose
    /// connections have the same user share `turns`.
    pub(super) fn new(
        options: &Opts,
        purpose: Purpose,
        size: usize,
        limits: Limits,
        availability: &Arc<Availability>,
        turns: &Arc<Turns>,
    ) -> Self {
        let options = OptsBuilder::from_opts(options.clone()).setup(setup(purpose, &limits));
        let connector = Connector {
            options: options.into(),
            connect_limit: deadlines::CONNECT.min(limits.queries / 2),
            availability: Arc::clone(availability),
            losses: Mutex::default(),
            turns: Arc::clone(turns),
        };
        let pool = managed::Pool::builder(connector)
            .max_size(size)
            .wait_timeout(Some(limits.pool))
            .create_timeout(Some(limits.queries))
            .runtime(Runtime::Tokio1)
            .build();
        let connections = pool.expect("a runtime is given for the timeouts");
        turns.add_pool(&connections);
        Self {
            connections,
            limits,
            metrics: metrics::Pool::default(),
        }
    }

    /// Shows the pool in `metrics` under this name.
    pub(super) fn shown_in(mut self, metrics: &metrics::Metrics, name: &'static str) -> Self {
        self.metrics = metrics.database.pool(name);
        let (shown, pool) = (self.metrics.clone(), self.connections.weak());
        metrics.before_each_reading(move || {
            if let Some(pool) = pool.upgrade() {
                let Status {
                    size,
                    available,
                    max_size,
                    waiting,
                } = pool.status();
                shown.show(size, available, max_size, waiting);
            }
        });
        self
    }

    /// The most connections of this pool.
    pub(super) fn max_size(&self) -> usize {
        self.connections.status().max_size
    }

    /// A connection for statements whose rows are all read at once, until [`Limits::queries`] from
    /// now.
    ///
    /// # Errors
    /// `Unavailable` when the database cannot be reached, `Busy` when every connection stays in use.
    pub(super) async fn get(&self) -> Result<Pooled, Error> {
        let deadline = tokio::time::Instant::now() + self.limits.queries;
        let mut object = self.object().await?;
        object.lend_until(Some(deadline));
        Ok(Pooled(Some(object)))
    }

    /// A connection to read one list with.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn get_for_list(&self) -> Result<ListConnection, Error> {
        Ok(ListConnection(Some(self.object().await?)))
    }

    /// The limits of requests.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether any connection is open.
    pub(super) fn has_connections(&self) -> bool {
        self.connections.status().size > 0
    }

    /// A connection. Observes how long it takes to get one.
    async fn object(&self) -> Result<Object<Connector>, Error> {
        let began = Instant::now();
        let object = self.find_object().await;
        self.metrics.waits.observe(began.elapsed().as_secs_f64());
        object
    }

    async fn find_object(&self) -> Result<Object<Connector>, Error> {
        let availability = &self.connections.manager().availability;
        let mut timeouts = self.connections.timeouts();
        if availability.check().is_err() {
            // Those that are in use may not be given back for long.
            timeouts.wait = Some(Duration::ZERO);
        }
        let getting = async {
            match self.connections.timeout_get(&timeouts).await {
                Err(PoolError::Backend(error)) if error.is_full() => {
                    let waiting = turns::wait_for_connection(&self.connections, self.limits, error);
                    waiting.await.map_err(PoolError::Backend)
                }
                got => got,
            }
        };
        // A connection that was idle is tested and replaced within the time of the request.
        let got = tokio::time::timeout(self.limits.queries, getting).await;
        let cause = match got {
            Ok(Ok(object)) => return Ok(object),
            Ok(Err(PoolError::Backend(error))) => error.into(),
            Ok(Err(PoolError::Timeout(TimeoutType::Wait))) => {
                availability.check().map_err(unavailable)?;
                return Err(Error::Busy("every connection to the database is in use"));
            }
            Ok(Err(error)) => error.to_string().into(),
            Err(_) => "a connection was not found before the request's deadline".into(),
        };
        Err(Error::Unavailable(cause))
    }
}

fn unavailable(error: ConnectError) -> Error {
    Error::Unavailable(error.into())
}

/// A connection that returns to its pool when it is dropped, unless it is unusable: then it is
/// closed.
pub(super) struct Pooled(Option<Object<Connector>>);

impl std::ops::Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0.as_ref().expect("only `drop` takes it")
    }
}

impl std::ops::DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        self.0.as_mut().expect("only `drop` takes it")
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            give_back(object);
        }
    }
}

/// Returns a connection to its pool, or closes it if it is unusable.
fn give_back(mut object: Object<Connector>) {
    if object.is_unusable() {
        note_loss(&object);
        close(object);
    } else {
        turns::give_back(object);
    }
}

/// Closes a connection.
fn close(object: Object<Connector>) {
    let pool = Object::pool(&object);
    drop(Object::take(object));
    if let Some(pool) = pool {
        pool.manager().turns.note_freed();
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
        if is_wanted && let Some(object) = self.0.take() {
            give_back(object);
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
            if object.is_unusable() {
                note_loss(&object);
            }
            // The database may still be sending rows.
            object.mark_as_unusable();
            close(object);
        }
    }
}

/// Informs the pool that this connection was lost, or that a statement on it did not end.
fn note_loss(object: &Object<Connector>) {
    if let Some(pool) = Object::pool(object) {
        let created = Object::metrics(object).created;
        pool.manager().note_loss(created, object.is_in_statement());
    }
}

/// Opens connections, and decides whether a connection is used again.
struct Connector {
    options: Opts,
    /// The limit for opening a connection: shorter than that of the request which opens it, whose end
    /// would hide that the attempt has failed.
    connect_limit: Duration,
    availability: Arc<Availability>,
    losses: Mutex<Losses>,
    turns: Arc<Turns>,
}

/// What was last noticed about lost connections.
#[derive(Default)]
struct Losses {
    /// When a connection was last found to be lost. Connections that were opened earlier are not
    /// used again.
    last: Option<Instant>,
    /// When a statement did not end. Connections that were opened earlier are tested once.
    last_silence: Option<Instant>,
}

impl Connector {
    fn losses(&self) -> MutexGuard<'_, Losses> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection that was opened at `created` is older than the last loss.
    fn is_outdated(&self, created: Instant) -> bool {
        self.losses().last.is_some_and(|loss| created <= loss)
    }

    /// Whether a connection has to be tested: it was not used for a while, or has not been tested
    /// since a statement on another connection did not end.
    fn is_doubtful(&self, metrics: &Metrics) -> bool {
        let known = metrics.recycled.unwrap_or(metrics.created);
        let last_silence = self.losses().last_silence;
        metrics.last_used() > TRUSTED_IDLE || last_silence.is_some_and(|silence| known <= silence)
    }

    /// Records that a connection that was opened at `created` is lost, or is silent. Nothing changes
    /// if it is older than the last loss: the connections that were opened since then are not
    /// affected.
    fn note_loss(&self, created: Instant, is_silent: bool) {
        let mut losses = self.losses();
        if losses.last.is_some_and(|loss| created <= loss) {
            return;
        }
        let now = Some(Instant::now());
        if is_silent {
            losses.last_silence = now;
        } else {
            losses.last = now;
        }
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        self.availability.check()?;
        let permit = self.availability.connecting.acquire().await;
        // The other attempts may have failed meanwhile.
        self.availability.check()?;
        let connected = connect(&self.options, self.connect_limit).await;
        drop(permit);
        let (driver, session) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                self.availability.failed(&error);
                return Err(error);
            }
        };
        self.availability.responded();
        let until_lost = session.map(|session| -> UntilLost {
            let (session, probe) = (Arc::new(session), Arc::clone(&self.availability.questions));
            Box::new(move || {
                let (session, probe) = (Arc::clone(&session), Arc::clone(&probe));
                async move { probe.until_lost(&session).await }.boxed()
            })
        });
        Ok(Connection::watched(driver, until_lost))
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<ConnectError> {
        let reject = |why: &'static str| Err(RecycleError::message(why));
        if connection.is_unusable() {
            return reject("the connection was lost, or has a transaction open");
        }
        if self.is_outdated(metrics.created) {
            return reject("a younger connection was lost");
        }
        if self.is_doubtful(metrics) {
            connection.lend_until(Some(tokio::time::Instant::now() + deadlines::ROUND_TRIP));
            let passed = connection.batch_execute("DO 1").await;
            connection.lend_until(None);
            if passed.is_err() {
                self.note_loss(metrics.created, false);
                return reject("the connection was lost while it was idle");
            }
        }
        Ok(())
    }
}

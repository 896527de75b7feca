//! A blocking connection for migrations, the check of the tables and seeding. Requests use the
//! asynchronous pool. Imports `deadlines`, `db::url` and `db::session_settings`.
//!
//! This module drives the asynchronous driver from blocking code. Diesel's own blocking connection,
//! `MysqlConnection`, uses the C client, which is MariaDB's on Debian and has two problems:
//!
//! - **Network:** diesel asks for encryption with an option that only MySQL's client knows. With
//!   MariaDB's, `ssl_mode=required` gives plain text, without an error.
//! - **Texts in results:** some releases of the client (3.3.19 is one, 3.3.20 is not) lose the
//!   length of a text that is longer than the buffer, and diesel reads it as empty
//!   (diesel-rs/diesel#5091). The applied migrations are such texts: a migration that reads as
//!   empty counts as pending and is run again (diesel-rs/diesel#5102). The program cannot know
//!   which release a machine has.
//!
//! So `MysqlConnection` is used where neither applies: in `embedded::administration`, over a local
//! socket, for statements that return no rows. Everything else uses one driver, with one set of
//! rules for encryption.
//!
//! These functions block: within an asynchronous runtime, call them through `spawn_blocking`.

use std::fmt;
use std::io;
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::deserialize::QueryableByName;
use diesel::migration::{Migration, MigrationVersion};
use diesel::mysql::Mysql;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use diesel_async::AsyncMysqlConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use diesel_migrations::MigrationHarness;
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

use crate::deadlines::Limits;

use super::session_settings::{Purpose, setup};
use super::url::{DatabaseUrl, Tls};

/// How long connecting may take before the server counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why connecting failed: the target, and the error of the driver or the server.
#[derive(Debug)]
pub struct ConnectError {
    /// Address and database, without credentials.
    target: String,
    cause: Cause,
}

/// The cause of a [`ConnectError`].
#[derive(Debug)]
struct Cause {
    text: String,
    is_temporary: bool,
}

impl Cause {
    /// A cause that stays until an operator removes it.
    fn lasting(error: impl fmt::Display) -> Self {
        Self {
            text: error.to_string(),
            is_temporary: false,
        }
    }
}

impl From<mysql_async::Error> for Cause {
    fn from(error: mysql_async::Error) -> Self {
        Self {
            text: describe(&error),
            is_temporary: is_temporary(&error),
        }
    }
}

/// The numbers of the errors with which a server refuses connections for the time being: too many
/// connections (of all users, of this user, for this user's quota), or it is shutting down.
const REFUSED_FOR_NOW: [u16; 4] = [1040, 1203, 1226, 1053];

/// Whether the same attempt may succeed later, without a change by an operator. Among the errors of
/// the network that is so for all except forbidden ones: while containers start, a name may be
/// unknown, a port closed, a socket absent, and a proxy may close the connection.
fn is_temporary(error: &mysql_async::Error) -> bool {
    use mysql_async::{DriverError, Error, IoError};
    match error {
        Error::Io(IoError::Io(error)) => error.kind() != io::ErrorKind::PermissionDenied,
        Error::Driver(DriverError::ConnectionClosed) => true,
        Error::Server(error) => REFUSED_FOR_NOW.contains(&error.code),
        _ => false,
    }
}

/// The number of the error with which a server refuses a user: an unknown user, a wrong password, or an
/// unencrypted connection of an account that may only use encrypted ones.
const ACCESS_DENIED: u16 = 1045;

/// What the driver or the server says, without the driver's words around it.
fn describe(error: &mysql_async::Error) -> String {
    use mysql_async::{Error, IoError};
    match error {
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Server(error) => error.message.clone(),
        error => error.to_string(),
    }
}

impl ConnectError {
    /// Whether the cause may go away by itself, as when the server is still starting.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.cause.is_temporary
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot connect to the database at {}: {}",
            self.target, self.cause.text
        )
    }
}

impl std::error::Error for ConnectError {}

/// A blocking connection to one database.
pub struct Session(Box<Wrapper>);

type Wrapper = AsyncConnectionWrapper<AsyncMysqlConnection, OwnRuntime>;

/// Connects to the database, in UTF-8 and encrypted as the URL asks.
///
/// # Errors
/// When the server does not respond within ten seconds, rejects the connection, cannot be trusted
/// as the URL asks, or has no such database.
pub fn connect(url: &DatabaseUrl) -> Result<Session, ConnectError> {
    connect_within(url, CONNECT_TIMEOUT)
}

/// Calls [`connect`], with another limit for the server's response.
///
/// # Errors
/// As [`connect`].
pub fn connect_within(url: &DatabaseUrl, limit: Duration) -> Result<Session, ConnectError> {
    let connection = OwnRuntime.block_on(async {
        let opening = tokio::time::timeout(limit, open(url)).await;
        opening.unwrap_or_else(|_| Err(timed_out(limit)))
    });
    match connection {
        Ok(connection) => Ok(Session(Box::new(connection.into()))),
        Err(cause) => Err(ConnectError {
            target: url.to_string(),
            cause,
        }),
    }
}

/// Opens a connection and chooses the database.
async fn open(url: &DatabaseUrl) -> Result<AsyncMysqlConnection, Cause> {
    let options = mysql_async::OptsBuilder::from_opts(url.async_opts())
        .db_name(None::<String>)
        .setup(setup(Purpose::Administration, &Limits::DEFAULT));
    let mut connection = match mysql_async::Conn::new(options).await {
        Ok(connection) => connection,
        Err(error) => return Err(rejected_connection(&error, url)),
    };
    if *url.tls() != Tls::Disabled {
        // Asks the server whether this connection is encrypted, instead of trusting the driver.
        let question = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";
        let cipher = connection.query_first::<(String, String), _>(question);
        let cipher = cipher.await.map_err(rejected)?;
        if cipher.is_none_or(|(_, cipher)| cipher.is_empty()) {
            return Err(Cause::lasting(
                "the connection is not encrypted, though ssl_mode asks for it",
            ));
        }
    }
    let name = url.database();
    let choosing = connection.query_drop(format!("USE `{name}`"));
    choosing.await.map_err(rejected)?;
    let connection = AsyncMysqlConnection::try_from(connection).await;
    connection.map_err(Cause::lasting)
}

/// The cause when the server rejects a connection. To an unencrypted connection of an account that
/// requires encryption, the server says the same as to a wrong password.
fn rejected_connection(error: &mysql_async::Error, url: &DatabaseUrl) -> Cause {
    let mut cause = Cause {
        text: describe(error),
        is_temporary: is_temporary(error),
    };
    let is_denied =
        matches!(error, mysql_async::Error::Server(error) if error.code == ACCESS_DENIED);
    if is_denied && *url.tls() == Tls::Disabled {
        cause
            .text
            .push_str(" (if the account requires encryption, add ?ssl_mode=required to the URL)");
    }
    cause
}

/// The cause when the server rejects a statement: its own text.
fn rejected(error: mysql_async::Error) -> Cause {
    match error {
        mysql_async::Error::Server(error) => Cause::lasting(error.message),
        error => error.into(),
    }
}

fn timed_out(limit: Duration) -> Cause {
    Cause {
        text: format!("no response within {} s", limit.as_secs()),
        is_temporary: true,
    }
}

impl Session {
    /// Sets the variables of the session for another purpose.
    ///
    /// # Errors
    /// When the server rejects one.
    pub(super) fn set_up(&mut self, purpose: Purpose) -> QueryResult<()> {
        let mut statements = setup(purpose, &Limits::DEFAULT).into_iter();
        statements.try_for_each(|statement| self.batch_execute(&statement))
    }

    /// Runs one or more statements without parameters or rows.
    ///
    /// # Errors
    /// That of the first statement that fails; the statements after it do not run.
    pub fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        self.0.batch_execute(sql)
    }

    /// Runs one statement that was built with diesel; returns the number of rows that it changed.
    ///
    /// # Errors
    /// That of the statement.
    pub fn execute<Q: QueryFragment<Mysql> + QueryId>(&mut self, query: &Q) -> QueryResult<usize> {
        self.0.execute_returning_count(query)
    }

    /// Loads all rows of one SQL query, matched to `T` by column names.
    ///
    /// # Errors
    /// That of the query, or when a row does not fit `T`.
    pub fn load<T: QueryableByName<Mysql> + 'static>(&mut self, sql: &str) -> QueryResult<Vec<T>> {
        sql_query(sql).load(&mut *self.0)
    }

    /// Runs `work` in a transaction: committed when it succeeds, rolled back when it does not.
    ///
    /// # Errors
    /// Those of `work`, or of the transaction itself.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> QueryResult<T>,
    ) -> QueryResult<T> {
        self.batch_execute("START TRANSACTION")?;
        let result = work(self);
        if result.is_ok() {
            self.batch_execute("COMMIT")?;
        } else if let Err(error) = self.batch_execute("ROLLBACK") {
            // The connection is lost: the server rolls back by itself.
            tracing::debug!(%error, "rollback failed");
        }
        result
    }
}

/// Diesel's migrations.
impl MigrationHarness<Mysql> for Session {
    fn run_migration(
        &mut self,
        migration: &dyn Migration<Mysql>,
    ) -> diesel::migration::Result<MigrationVersion<'static>> {
        self.0.run_migration(migration)
    }

    fn revert_migration(
        &mut self,
        migration: &dyn Migration<Mysql>,
    ) -> diesel::migration::Result<MigrationVersion<'static>> {
        self.0.revert_migration(migration)
    }

    fn applied_migrations(&mut self) -> diesel::migration::Result<Vec<MigrationVersion<'static>>> {
        self.0.applied_migrations()
    }
}

/// Runs the asynchronous driver of the blocking connections on one thread of its own.
struct OwnRuntime;

static RUNTIME: std::sync::LazyLock<Runtime> = std::sync::LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("blocking-sessions")
        .enable_all()
        .build()
        .expect("the system has a thread and an epoll descriptor left")
});

impl BlockOn for OwnRuntime {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        RUNTIME.block_on(future)
    }

    fn get_runtime() -> Self {
        Self
    }
}

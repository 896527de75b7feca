//! [`Probe`]: a connection of its own to the database, over which the database is asked whether it
//! responds, and whether it is still executing the statement of another connection.
//!
//! The questions of `/health` and about silent statements do not wait behind requests: this
//! connection is in no pool.
//!
//! Imports `deadlines`, `db::connect` and `db::connection`.

use std::sync::Arc;

use diesel::sql_types::{BigInt, Bool, Text, Unsigned};
use diesel::{QueryResult, QueryableByName, sql_query};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mysql_async::Opts;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::deadlines;

use super::connect::{ConnectError, SERVER, Session, connect};
use super::connection::Connection;

/// A connection of its own, which is opened when it is first needed.
pub(super) struct Probe {
    options: Opts,
    connection: Mutex<Option<(Connection, Option<Session>)>>,
}

/// A connection in the server's list.
#[derive(QueryableByName)]
struct Listed {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Bool)]
    is_idle: bool,
    #[diesel(sql_type = Text)]
    server: String,
}

impl Probe {
    pub(super) fn new(options: &Opts) -> Self {
        Self {
            options: options.clone(),
            connection: Mutex::new(None),
        }
    }

    /// Asks the database for a response. Goes on if the caller stops waiting, so that the next caller
    /// finds the connection that takes long to open.
    pub(super) async fn ping(self: &Arc<Self>) -> Result<(), ConnectError> {
        let probe = Arc::clone(self);
        let asking = tokio::spawn(async move {
            probe
                .ask(|conn, _| conn.batch_execute("DO 1").boxed())
                .await
        });
        let ended = asking.await;
        ended.unwrap_or_else(|error| Err(ConnectError::Unreachable(error.to_string())))
    }

    /// Ends when the database executes no statement of `session`, twice in a row: the response to
    /// its statement should have arrived long ago.
    pub(super) async fn until_lost(&self, session: &Session) {
        let mut was_doubtful = false;
        loop {
            let is_executing = self.is_executing(session).await;
            let is_doubtful = is_executing == Some(false);
            if is_doubtful && was_doubtful {
                return;
            }
            was_doubtful = is_doubtful;
            // A statement that is being executed is not asked about as often.
            let is_slow = is_executing == Some(true);
            sleep(if is_slow {
                deadlines::SILENCE
            } else {
                deadlines::PROBE_PAUSE
            })
            .await;
        }
    }

    /// Whether the database is executing a statement of `session`; `None` when that is not known.
    async fn is_executing(&self, session: &Session) -> Option<bool> {
        let id = session.id;
        let asked = self.ask(|conn, own| {
            // The connection of the question must be listed, too: a proxy may number the
            // connections of its own, or lead to another server.
            let own = own.unwrap_or(id);
            let listed = format!(
                "SELECT CAST(id AS UNSIGNED) AS id, command = 'Sleep' AS is_idle, {SERVER} AS server
                 FROM information_schema.processlist WHERE id IN ({id}, {own})"
            );
            async move {
                let listed: Vec<Listed> = sql_query(listed).load(conn).await?;
                Ok((own, listed))
            }
            .boxed()
        });
        let (own, listed) = asked.await.ok()?;
        let find = |id| listed.iter().find(|row| row.id == id);
        let is_known = find(own).is_some_and(|row| !row.is_idle && row.server == session.server);
        is_known.then(|| find(id).is_some_and(|row| !row.is_idle))
    }

    /// Asks a question over the connection that is kept, or over a new one.
    async fn ask<T>(
        &self,
        question: impl for<'c> Fn(&'c mut Connection, Option<u64>) -> BoxFuture<'c, QueryResult<T>>,
    ) -> Result<T, ConnectError> {
        let mut kept = self.connection.lock().await;
        // The server may have closed the connection that is kept, which says nothing.
        if let Some((mut conn, session)) = kept.take() {
            let id = session.as_ref().map(|session| session.id);
            if let Ok(Ok(response)) = timeout(deadlines::PROBE, question(&mut conn, id)).await {
                *kept = Some((conn, session));
                return Ok(response);
            }
        }
        let (driver, session) = connect(&self.options, deadlines::CONNECT).await?;
        let mut conn = Connection::from(driver);
        let id = session.as_ref().map(|session| session.id);
        match timeout(deadlines::PROBE, question(&mut conn, id)).await {
            Ok(Ok(response)) => {
                *kept = Some((conn, session));
                Ok(response)
            }
            Ok(Err(error)) => Err(ConnectError::Unreachable(error.to_string())),
            Err(_) => {
                let limit = deadlines::PROBE.as_secs();
                let cause = format!("no response within {limit} s");
                Err(ConnectError::Unreachable(cause))
            }
        }
    }
}

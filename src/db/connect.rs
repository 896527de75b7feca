//! Opens connections to the database, and says why one could not be opened.
//!
//! Imports `deadlines`.

use std::fmt;
use std::time::Duration;

use diesel_async::AsyncMysqlConnection;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error as DriverError, Opts};
use tokio::time::timeout;

use crate::deadlines;

/// Why a connection could not be opened.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The database did not respond, or the connection was lost.
    Unreachable(String),
    /// The database responded with this error.
    Refused(u16, String),
}

impl ConnectError {
    /// Whether the database refused the connection because it has too many: of all users, of this
    /// user, or for this user's quota.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Refused(1040 | 1203 | 1226, _))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(cause) => f.write_str(cause),
            Self::Refused(number, message) => write!(f, "MySQL error {number}: {message}"),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<DriverError> for ConnectError {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Server(error) => Self::Refused(error.code, error.message),
            error => Self::Unreachable(error.to_string()),
        }
    }
}

/// A connection as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The id of the connection among those of the server.
    pub id: u64,
    /// The server: a URL may lead to several of them.
    pub server: String,
}

/// The server of a connection, as a column.
pub(super) const SERVER: &str = "CONCAT_WS(' ', @@hostname, @@port, @@server_id)";

/// Opens a connection within `limit`. The session is `None` if the server does not know itself.
///
/// An attempt that takes long may have lost a packet, so another one begins beside it after each
/// [`deadlines::SILENCE`], and the first that ends counts.
pub(super) async fn connect(
    options: &Opts,
    limit: Duration,
) -> Result<(AsyncMysqlConnection, Option<Session>), ConnectError> {
    let connecting = async {
        let mut attempts = FuturesUnordered::new();
        loop {
            attempts.push(attempt(options));
            if let Ok(Some(result)) = timeout(deadlines::SILENCE, attempts.next()).await {
                return result;
            }
        }
    };
    timeout(limit, connecting).await.unwrap_or_else(|_| {
        let limit = limit.as_secs_f32();
        let cause = format!("connecting took more than {limit} s");
        Err(ConnectError::Unreachable(cause))
    })
}

/// Opens a connection.
async fn attempt(options: &Opts) -> Result<(AsyncMysqlConnection, Option<Session>), ConnectError> {
    let mut driver = Conn::new(options.clone()).await?;
    let session = format!("SELECT CONNECTION_ID(), {SERVER}");
    let session = match driver.query_first::<(u64, String), _>(session).await {
        Ok(row) => row.map(|(id, server)| Session { id, server }),
        Err(DriverError::Server(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let connection = AsyncMysqlConnection::try_from(driver).await;
    let connection = connection.map_err(|error| ConnectError::Unreachable(error.to_string()))?;
    Ok((connection, session))
}

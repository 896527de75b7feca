//! Reads that are run once more when the database has closed their connection.
//!
//! A server that restarts, or ends idle connections, closes connections that the pool still holds. Their
//! next statement fails, and nothing but a read may be repeated then. Lists do the same in
//! `api::lists::sending`.
//!
//! Imports `db::errors`.

use std::ops::DerefMut;

use scoped_futures::ScopedBoxFuture;

use crate::error::Error;

use super::Connection;
use super::errors::diagnose;

/// Runs `read` on a connection that `lease` returns. If the database had closed the connection, runs
/// `read` once more on another one. Returns the last connection and the result on it.
///
/// # Errors
/// Those of `lease`.
pub(super) async fn read_again_if_closed<'a, C, T, F>(
    lease: impl Fn() -> F,
    read: impl for<'c> Fn(&'c mut Connection) -> ScopedBoxFuture<'a, 'c, Result<T, Error>>,
) -> Result<(C, Result<T, Error>), Error>
where
    C: DerefMut<Target = Connection>,
    F: Future<Output = Result<C, Error>>,
{
    let mut conn = lease().await?;
    let result = read(&mut conn).await;
    let result = diagnose(&mut conn, result).await;
    if result.is_ok() || !conn.was_closed() {
        return Ok((conn, result));
    }
    // Closes it, so that the pool uses no older connection either.
    drop(conn);
    let mut conn = lease().await?;
    let result = read(&mut conn).await;
    let result = diagnose(&mut conn, result).await;
    Ok((conn, result))
}

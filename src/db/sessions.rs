//! The sessions of users who have logged in, and their refresh tokens.
//!
//! A session is a row that a login inserts. It ends when the row is deleted, and then `auth_ended_sessions`
//! has its id for as long as an access token of it may be valid (see `ended`).
//!
//! A refresh token is exchanged for its successor, once. All tokens of a session are a family: when a token
//! is used that was exchanged before, two clients have it, and one of them has stolen it, so the session
//! ends. There is one exception: a client whose response was lost sends its token again. So within
//! `GRACE` a used token is exchanged again, if its successor was not used meanwhile; that successor is
//! void then, which is the same as used.
//!
//! Every transaction locks the row of the user first, then that of the session. So two uses of one token are
//! decided one after the other, and no session begins or goes on with a password or a role that is
//! being changed.
//!
//! Tokens are known here only by their hashes. Imports `db::rows`, `db::texts`, `db::times` and
//! `db::transaction`.

mod ended;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;

use super::Connection;
use super::errors::QueryError;
use super::rows::User;
use super::schema::{auth_ended_sessions, auth_refresh_tokens, auth_sessions, users};
use super::texts::fits;
use super::times::{addtime, utc_timestamp};
use super::transaction::transaction;

pub(super) use ended::Ended;

/// How long a refresh token is valid, as a time of MySQL.
const LIFETIME: &str = "24:00:00";

/// How long a refresh token is valid, in seconds.
pub const LIFETIME_SECONDS: i32 = 24 * 60 * 60;

/// Since when a used token may have been used to be exchanged again, relative to the present.
const GRACE: &str = "-00:00:30";

/// Since when a session may have ended for one of its access tokens to be valid, relative to the present:
/// twice as long as these are, for replicas whose clocks differ.
const RETENTION: &str = "-00:30:00";

/// After how many new tokens a process deletes expired rows. Less than [`DELETION_BATCH`], so that the tables
/// do not grow beyond what is valid.
pub(super) const DELETION_INTERVAL: usize = 32;

/// How many expired rows of a table are deleted at a time.
const DELETION_BATCH: i64 = 100;

/// How many rows one statement inserts.
const INSERTION_BATCH: usize = 1000;

/// The hash of a refresh token.
pub type TokenHash = [u8; 32];

/// A user and what is stored to verify the user's password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user.
    pub user: User,
    /// The stored password, usually a hash.
    pub password: SecretString,
}

impl From<(User, String)> for Credentials {
    fn from((user, password): (User, String)) -> Self {
        let password = password.into();
        Self { user, password }
    }
}

/// A session, and the user as stored when the session began or was prolonged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: u64,
    /// The user.
    pub user: User,
}

/// The result of the use of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The token was exchanged for the new one.
    Renewed(Session),
    /// The token had been used before, so its session was ended.
    Reused {
        /// The session.
        session: u64,
        /// The session's user.
        user: i32,
    },
    /// There is no such token, or it is expired, or its session has ended.
    Unknown,
}

/// The user whom a login with `email` means.
///
/// # Errors
/// Only those of the database.
pub(super) async fn credentials(
    conn: &mut Connection,
    email: &str,
) -> Result<Option<Credentials>, Error> {
    // MariaDB rejects a comparison with a text that the column cannot hold.
    if !fits(conn, ("users", "email"), email).await? {
        return Ok(None);
    }
    let equal = users::table.filter(users::email.eq(email));
    let equal = equal.select((User::as_select(), users::password));
    let equal: Vec<(User, String)> = equal.load(conn).await?;
    Ok(named(equal, email))
}

/// The user among `equal` whom `email` names. The collation may also have found users whose emails differ in
/// accents or trailing spaces.
fn named(equal: Vec<(User, String)>, email: &str) -> Option<Credentials> {
    let mut found: Vec<_> = equal
        .into_iter()
        .filter(|(user, _)| user.email.eq_ignore_ascii_case(email))
        .collect();
    if let Some(exact) = found.iter().position(|(user, _)| user.email == email) {
        return Some(found.swap_remove(exact).into());
    }
    let only = found.pop()?;
    found.is_empty().then(|| only.into())
}

/// What is stored to verify the password of the user with this id.
///
/// # Errors
/// Only those of the database.
pub(super) async fn credentials_of(
    conn: &mut Connection,
    user: i32,
) -> Result<Option<Credentials>, Error> {
    let row = users::table
        .find(user)
        .select((User::as_select(), users::password));
    let row: Option<(User, String)> = row.first(conn).await.optional()?;
    Ok(row.map(Into::into))
}

/// Reads and locks a user with the stored password.
async fn lock_user(conn: &mut Connection, id: i32) -> QueryResult<Option<Credentials>> {
    let row = users::table
        .find(id)
        .select((User::as_select(), users::password));
    let row: Option<(User, String)> = row.for_update().first(conn).await.optional()?;
    Ok(row.map(Into::into))
}

/// Begins a session of the user whose password was verified, with a first refresh token. `None` when the
/// user was deleted, or the password changed, after it had been read.
///
/// # Errors
/// Only those of the database.
pub(super) async fn begin(
    conn: &mut Connection,
    verified: &Credentials,
    token: &TokenHash,
    new_hash: Option<&SecretString>,
) -> Result<Option<Session>, Error> {
    let begun = transaction(conn, |conn| {
        async move {
            let Some(stored) = lock_user(conn, verified.user.id).await? else {
                return Ok(None);
            };
            if stored.password.expose_secret() != verified.password.expose_secret() {
                return Ok(None);
            }
            if let Some(hash) = new_hash {
                diesel::update(users::table.find(stored.user.id))
                    .set(users::password.eq(hash.expose_secret()))
                    .execute(conn)
                    .await?;
            }
            let session = Session {
                id: rand::random(),
                user: stored.user,
            };
            let row = diesel::insert_into(auth_sessions::table).values((
                auth_sessions::id.eq(session.id),
                auth_sessions::user_id.eq(session.user.id),
                auth_sessions::expires_at.eq(addtime(utc_timestamp(), LIFETIME)),
            ));
            row.execute(conn).await?;
            insert_token(conn, token, session.id).await?;
            Ok(Some(session))
        }
        .scope_boxed()
    });
    Ok(begun.await?)
}

async fn insert_token(conn: &mut Connection, token: &TokenHash, session: u64) -> QueryResult<()> {
    let row = diesel::insert_into(auth_refresh_tokens::table).values((
        auth_refresh_tokens::hash.eq(&token[..]),
        auth_refresh_tokens::session_id.eq(session),
        auth_refresh_tokens::expires_at.eq(addtime(utc_timestamp(), LIFETIME)),
    ));
    row.execute(conn).await.map(|_| ())
}

/// The session and the user of a refresh token; `None` when there is no such token, or its session has ended.
///
/// # Errors
/// Only those of the database.
pub(super) async fn session_of(
    conn: &mut Connection,
    token: &TokenHash,
) -> Result<Option<(u64, i32)>, Error> {
    let of_token = auth_sessions::id.eq(auth_refresh_tokens::session_id);
    let session = auth_refresh_tokens::table
        .inner_join(auth_sessions::table.on(of_token))
        .filter(auth_refresh_tokens::hash.eq(&token[..]))
        .select((auth_sessions::id, auth_sessions::user_id));
    Ok(session.first(conn).await.optional()?)
}

/// What may be done with a refresh token.
enum Use {
    /// It has not been used: it is exchanged.
    First,
    /// It was used just now, and its successor has not been used: it is exchanged again, and the successor
    /// is void.
    Again {
        successor: Vec<u8>,
    },
    Reuse,
    Expired,
}

/// Reads and locks a token of a session that is locked, and decides what may be done with it.
async fn judge(conn: &mut Connection, token: &TokenHash) -> QueryResult<Use> {
    type Row = (Option<bool>, bool, Option<Vec<u8>>, bool);
    let since = addtime(utc_timestamp(), GRACE).nullable();
    let row = auth_refresh_tokens::table.find(&token[..]).select((
        auth_refresh_tokens::used_at.ge(since),
        auth_refresh_tokens::used_at.is_null(),
        auth_refresh_tokens::successor,
        auth_refresh_tokens::expires_at.le(utc_timestamp()),
    ));
    let row: Option<Row> = row.for_update().first(conn).await.optional()?;
    Ok(match row {
        None | Some((.., true)) => Use::Expired,
        Some((_, true, ..)) => Use::First,
        Some((Some(true), _, Some(successor), _)) => {
            let unused = auth_refresh_tokens::table
                .find(successor.as_slice())
                .filter(auth_refresh_tokens::used_at.is_null())
                .select(auth_refresh_tokens::session_id);
            let unused: Option<u64> = unused.for_update().first(conn).await.optional()?;
            match unused {
                Some(_) => Use::Again { successor },
                None => Use::Reuse,
            }
        }
        Some(_) => Use::Reuse,
    })
}

/// Exchanges a refresh token, which [`session_of`] has found, for `new`.
///
/// # Errors
/// Only those of the database.
pub(super) async fn refresh(
    conn: &mut Connection,
    (session, user): (u64, i32),
    token: &TokenHash,
    new: &TokenHash,
) -> Result<Refreshed, Error> {
    let refreshed = transaction(conn, |conn| {
        async move {
            let stored = lock_user(conn, user).await?;
            let row = auth_sessions::table.find(session).select(auth_sessions::id);
            let row: Option<u64> = row.for_update().first(conn).await.optional()?;
            if row.is_none() {
                return Ok(Refreshed::Unknown);
            }
            let Some(Credentials { user: stored, .. }) = stored else {
                // Another program has deleted the user.
                end(conn, &[session]).await?;
                return Ok(Refreshed::Unknown);
            };
            match judge(conn, token).await? {
                Use::First => mark_used(conn, token, Some(new)).await?,
                Use::Again { successor } => {
                    mark_used(conn, &successor, None).await?;
                    diesel::update(auth_refresh_tokens::table.find(&token[..]))
                        .set(auth_refresh_tokens::successor.eq(&new[..]))
                        .execute(conn)
                        .await?;
                }
                Use::Reuse => {
                    end(conn, &[session]).await?;
                    return Ok(Refreshed::Reused { session, user });
                }
                Use::Expired => return Ok(Refreshed::Unknown),
            }
            insert_token(conn, new, session).await?;
            let expiry = auth_sessions::expires_at.eq(addtime(utc_timestamp(), LIFETIME));
            diesel::update(auth_sessions::table.find(session))
                .set(expiry)
                .execute(conn)
                .await?;
            Ok(Refreshed::Renewed(Session {
                id: session,
                user: stored,
            }))
        }
        .scope_boxed()
    });
    Ok(refreshed.await?)
}

/// Marks a token as used, or as void if it has no successor.
async fn mark_used(
    conn: &mut Connection,
    token: &[u8],
    successor: Option<&TokenHash>,
) -> QueryResult<()> {
    let row = diesel::update(auth_refresh_tokens::table.find(token)).set((
        auth_refresh_tokens::used_at.eq(utc_timestamp().nullable()),
        auth_refresh_tokens::successor.eq(successor.map(|hash| &hash[..])),
    ));
    row.execute(conn).await.map(|_| ())
}

/// Ends a session, unless it has ended already; returns whether it had not.
///
/// # Errors
/// Only those of the database.
pub(super) async fn end_one(conn: &mut Connection, session: u64) -> Result<bool, Error> {
    let ended = transaction(conn, |conn| {
        async move {
            let row = auth_sessions::table.find(session).select(auth_sessions::id);
            let row: Option<u64> = row.for_update().first(conn).await.optional()?;
            if row.is_some() {
                end(conn, &[session]).await?;
            }
            Ok(row.is_some())
        }
        .scope_boxed()
    });
    Ok(ended.await?)
}

/// Ends every session of a user; returns their ids.
///
/// # Errors
/// Only those of the database.
pub(super) async fn end_all(conn: &mut Connection, user: i32) -> Result<Vec<u64>, Error> {
    let ended = transaction(conn, |conn| {
        async move {
            lock_user(conn, user).await?;
            end_all_of(conn, user).await
        }
        .scope_boxed()
    });
    Ok(ended.await?)
}

/// Ends every session of a user whose row this transaction has locked; returns their ids. Without the tables
/// there are no sessions.
pub(super) async fn end_all_of(conn: &mut Connection, user: i32) -> QueryResult<Vec<u64>> {
    if !tables_exist(conn).await? {
        return Ok(Vec::new());
    }
    let sessions = auth_sessions::table.filter(auth_sessions::user_id.eq(user));
    let sessions = sessions.select(auth_sessions::id).for_update();
    let sessions: Vec<u64> = sessions.load(conn).await?;
    end(conn, &sessions).await?;
    Ok(sessions)
}

/// Ends sessions that this transaction has locked.
async fn end(conn: &mut Connection, sessions: &[u64]) -> QueryResult<()> {
    for batch in sessions.chunks(INSERTION_BATCH) {
        let rows: Vec<_> = batch
            .iter()
            .map(|session| {
                (
                    auth_ended_sessions::session_id.eq(*session),
                    auth_ended_sessions::ended_at.eq(utc_timestamp()),
                )
            })
            .collect();
        diesel::insert_into(auth_ended_sessions::table)
            .values(rows)
            .execute(conn)
            .await?;
        let ended = auth_sessions::table.filter(auth_sessions::id.eq_any(batch));
        diesel::delete(ended).execute(conn).await?;
    }
    Ok(())
}

/// Changes the password of the user whose present one was verified, and ends every session of the user.
/// Returns the ids of the sessions, or `None` when the user was deleted, or the password changed, after it
/// had been read.
///
/// # Errors
/// Only those of the database.
pub(super) async fn change_password(
    conn: &mut Connection,
    verified: &Credentials,
    hash: &SecretString,
) -> Result<Option<Vec<u64>>, Error> {
    let id = verified.user.id;
    let changed = transaction(conn, |conn| {
        async move {
            let stored = lock_user(conn, id).await?;
            let is_same = stored.is_some_and(|stored| {
                stored.password.expose_secret() == verified.password.expose_secret()
            });
            if !is_same {
                return Ok(None);
            }
            diesel::update(users::table.find(id))
                .set(users::password.eq(hash.expose_secret()))
                .execute(conn)
                .await?;
            end_all_of(conn, id).await.map(Some)
        }
        .scope_boxed()
    });
    changed.await.map_err(QueryError::into)
}

/// Deletes some expired rows of each table. The rows are found without locks and deleted by their ids, so that
/// no request waits.
///
/// # Errors
/// Only those of the database.
pub(super) async fn delete_expired(conn: &mut Connection) -> Result<usize, Error> {
    let mut deleted = 0;

    let is_expired = || auth_refresh_tokens::expires_at.le(utc_timestamp());
    let expired = auth_refresh_tokens::table.filter(is_expired());
    let expired = expired.select(auth_refresh_tokens::hash);
    let hashes: Vec<Vec<u8>> = expired.limit(DELETION_BATCH).load(conn).await?;
    let expired = auth_refresh_tokens::table
        .filter(auth_refresh_tokens::hash.eq_any(hashes))
        .filter(is_expired());
    deleted += diesel::delete(expired).execute(conn).await?;

    // A session that is prolonged meanwhile is not expired any more.
    let is_expired = || auth_sessions::expires_at.le(utc_timestamp());
    let expired = auth_sessions::table.filter(is_expired());
    let expired = expired.select(auth_sessions::id);
    let ids: Vec<u64> = expired.limit(DELETION_BATCH).load(conn).await?;
    let expired = auth_sessions::table
        .filter(auth_sessions::id.eq_any(ids))
        .filter(is_expired());
    deleted += diesel::delete(expired).execute(conn).await?;

    let is_old = || auth_ended_sessions::ended_at.le(addtime(utc_timestamp(), RETENTION));
    let old = auth_ended_sessions::table.filter(is_old());
    let old = old.select(auth_ended_sessions::session_id);
    let ids: Vec<u64> = old.limit(DELETION_BATCH).load(conn).await?;
    let old = auth_ended_sessions::table
        .filter(auth_ended_sessions::session_id.eq_any(ids))
        .filter(is_old());
    deleted += diesel::delete(old).execute(conn).await?;
    Ok(deleted)
}

/// Whether the database has the tables.
pub(super) async fn tables_exist(conn: &mut Connection) -> QueryResult<bool> {
    let exist = diesel::dsl::sql::<Bool>(TABLES_EXIST);
    diesel::select(exist).get_result(conn).await
}

/// The SQL expression that is true if the database has the tables.
pub(super) const TABLES_EXIST: &str = "(SELECT COUNT(*) = 4 FROM information_schema.tables \
     WHERE table_schema = DATABASE() \
     AND table_name IN ('auth_sessions', 'auth_refresh_tokens', 'auth_ended_sessions', \
     'auth_login_attempts'))";

#[cfg(test)]
mod tests {
    use crate::db::rows::Role;

    use super::*;

    #[test]
    fn a_login_names_a_user_by_the_email_in_any_letter_case_but_prefers_the_same_one() {
        let rows = |emails: &[&str]| {
            let users = (1..).zip(emails).map(|(id, email)| {
                let email = (*email).to_owned();
                let role = Role::User;
                (User { id, email, role }, String::new())
            });
            users.collect::<Vec<_>>()
        };
        for (stored, email, found) in [
            (&["ada@example.com"][..], "ada@example.com", Some(1)),
            (&["Ada@Example.com"], "ada@example.com", Some(1)),
            (
                &["ADA@example.com", "ada@example.com"],
                "ada@example.com",
                Some(2),
            ),
            (
                &["ADA@example.com", "Ada@example.com"],
                "ada@example.com",
                None,
            ),
            // What a collation considers equal.
            (&["\u{e1}da@example.com"], "ada@example.com", None),
            (&["ada@example.com "], "ada@example.com", None),
            (&["\u{c1}da@example.com"], "\u{e1}da@example.com", None),
            (&[], "ada@example.com", None),
        ] {
            let user = named(rows(stored), email).map(|found| found.user.id);
            assert_eq!(user, found, "{email} among {stored:?}");
        }
    }
}

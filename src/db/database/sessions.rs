//! The methods of [`Database`] for sessions and what they are begun with.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use scoped_futures::ScopedFutureExt;
use secrecy::SecretString;
use tracing::Instrument;

use crate::db::sessions::{self, Credentials, Refreshed, Session, TokenHash};
use crate::db::shares::Row;
use crate::error::Error;

use super::Database;

impl Database {
    /// The user whom a login with `email` means: the one with this email, and if there is none the only one
    /// whose email differs only in the letter case of ASCII letters.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn credentials(&self, email: String) -> Result<Option<Credentials>, Error> {
        self.read(move |conn| {
            let email = email.clone();
            async move { sessions::credentials(conn, &email).await }.scope_boxed()
        })
        .await
    }

    /// What is stored to verify the password of the user with this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn credentials_of(&self, user: i32) -> Result<Option<Credentials>, Error> {
        self.read(move |conn| sessions::credentials_of(conn, user).scope_boxed())
            .await
    }

    /// Begins a session of the user whose password was verified, with a first refresh token. With a new hash of
    /// the password, it replaces what was stored. `None` when the
    /// user was deleted, or the password changed, after it had been read.
    ///
    /// # Errors
    /// `TablesMissing`.
    pub async fn begin_session(
        &self,
        verified: Credentials,
        token: TokenHash,
        new_hash: Option<SecretString>,
    ) -> Result<Option<Session>, Error> {
        let rows = [Row::User(verified.user.id)];
        let begun = self.change(&rows, move |conn| {
            async move { sessions::begin(conn, &verified, &token, new_hash.as_ref()).await }.boxed()
        });
        let begun = self.or_tables_missing(begun.await).await;
        if matches!(begun, Ok(Some(_))) {
            self.count_token();
        }
        begun
    }

    /// Exchanges a refresh token for a new one, or ends its session when it was exchanged before.
    ///
    /// # Errors
    /// `TablesMissing`.
    pub async fn refresh_session(
        &self,
        token: TokenHash,
        new: TokenHash,
    ) -> Result<Refreshed, Error> {
        let Some((session, user)) = self.session_of(token).await? else {
            return Ok(Refreshed::Unknown);
        };
        let ended = Arc::clone(&self.ended_sessions);
        let rows = [Row::User(user)];
        let refreshed = self.change(&rows, move |conn| {
            async move {
                let refreshed = sessions::refresh(conn, (session, user), &token, &new).await?;
                if let Refreshed::Reused { session, .. } = refreshed {
                    ended.add(&[session]);
                }
                Ok(refreshed)
            }
            .boxed()
        });
        let refreshed = self.or_tables_missing(refreshed.await).await;
        if matches!(refreshed, Ok(Refreshed::Renewed(_))) {
            self.count_token();
        }
        refreshed
    }

    /// The session and the user of a refresh token, used or not.
    async fn session_of(&self, token: TokenHash) -> Result<Option<(u64, i32)>, Error> {
        let session = self.read(move |conn| {
            async move { sessions::session_of(conn, &token).await }.scope_boxed()
        });
        self.or_tables_missing(session.await).await
    }

    /// Ends the session of a refresh token, used or not; returns the id of its user, or `None` when there is
    /// no such session.
    ///
    /// # Errors
    /// `TablesMissing`.
    pub async fn end_session_of(&self, token: TokenHash) -> Result<Option<i32>, Error> {
        let Some((session, user)) = self.session_of(token).await? else {
            return Ok(None);
        };
        let ended = Arc::clone(&self.ended_sessions);
        let rows = [Row::User(user)];
        let was_ended = self.change(&rows, move |conn| {
            async move {
                let was_ended = sessions::end_one(conn, session).await?;
                ended.add(&[session]);
                Ok(was_ended)
            }
            .boxed()
        });
        let was_ended = self.or_tables_missing(was_ended.await).await?;
        Ok(was_ended.then_some(user))
    }

    /// Ends every session of a user; returns their number.
    ///
    /// # Errors
    /// `TablesMissing`.
    pub async fn end_sessions_of(&self, user: i32) -> Result<usize, Error> {
        if !self.has_session_tables().await? {
            return Err(Error::TablesMissing);
        }
        let ended = Arc::clone(&self.ended_sessions);
        self.change(&[Row::User(user)], move |conn| {
            async move {
                let sessions = sessions::end_all(conn, user).await?;
                ended.add(&sessions);
                Ok(sessions.len())
            }
            .boxed()
        })
        .await
    }

    /// Changes the password of the user whose present one was verified, and ends every session of the user.
    /// Returns the number of sessions, or `None` when the user was deleted, or the password changed,
    /// after it had been read. `hash` is that of the new password.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn change_password(
        &self,
        verified: Credentials,
        hash: SecretString,
    ) -> Result<Option<usize>, Error> {
        let ended = Arc::clone(&self.ended_sessions);
        self.change(&[Row::User(verified.user.id)], move |conn| {
            async move {
                let sessions = sessions::change_password(conn, &verified, &hash).await?;
                Ok(sessions.map(|sessions| {
                    ended.add(&sessions);
                    sessions.len()
                }))
            }
            .boxed()
        })
        .await
    }

    /// Whether a session has ended: logged out, ended by an administrator, or by a change of its user. Needs
    /// no query, except for the first call of all.
    ///
    /// # Errors
    /// `TablesMissing`, or `Unavailable` when the database could not be asked for ten seconds.
    pub async fn is_session_ended(&self, session: u64) -> Result<bool, Error> {
        self.ended_sessions.is_ended(session).await
    }

    /// Begins to follow which sessions end, also in other processes. Returns when those are known that have
    /// ended, or cannot be read.
    pub async fn watch_sessions(&self) {
        self.ended_sessions.watch().await;
    }

    /// Whether the database has the tables for sessions.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn has_session_tables(&self) -> Result<bool, Error> {
        self.read_catalogue(|conn| {
            async move { Ok(sessions::tables_exist(conn).await?) }.scope_boxed()
        })
        .await
    }

    /// Returns `result`, with `TablesMissing` in the place of an error that this causes.
    pub(super) async fn or_tables_missing<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        match result {
            Err(error @ Error::Internal(_)) => Err(if self.has_session_tables().await? {
                error
            } else {
                Error::TablesMissing
            }),
            result => result,
        }
    }

    /// Deletes some expired rows in a task of its own, after every so many new tokens.
    fn count_token(&self) {
        let count = self.issued_tokens.fetch_add(1, Ordering::Relaxed);
        if !count.is_multiple_of(sessions::DELETION_INTERVAL) {
            return;
        }
        let db = self.clone();
        let deleting = async move {
            let deleted = db.change(&[], |conn| sessions::delete_expired(conn).boxed());
            if let Err(cause) = deleted.await {
                tracing::warn!(%cause, "expired sessions were not deleted");
            }
        };
        tokio::spawn(deleting.in_current_span());
    }
}

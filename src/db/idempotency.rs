//! Kept responses: with a key, a request to create something can be repeated, and gets the response to the
//! first request instead of creating a second row.
//!
//! The table `idempotency_keys` has a row for each key. `claim` inserts the row first in the
//! transaction that creates something, and `keep` adds the response at its end, so that key, response
//! and new row are committed together or not at all. Meanwhile the row is locked: another transaction
//! with the same key waits in `claim`, in any process. When the first one commits, it finds the
//! response; when the first one rolls back, it does the work itself. The times are those of the
//! database server.
//!
//! Requests with one key within this process wait for each other in `KeyTurns`, without a connection:
//! otherwise a client that repeats a slow request could occupy the whole pool, and locks of InnoDB on
//! the gaps between keys would delay other clients.
//!
//! Expired rows are deleted on use: after every `DELETION_INTERVAL`th kept response of this process,
//! in a task of its own, `DELETION_BATCH` rows at most. Several processes may do so at the same time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U32;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error as DieselError;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedMutexGuard;

use crate::error::Error;

use super::Connection;
use super::schema::idempotency_keys as keys;
use super::times::{addtime, utc_timestamp};

/// How long a response is kept, as a time of MySQL.
const LIFETIME: &str = "24:00:00";

/// After how many kept responses a process deletes expired ones. Less than [`DELETION_BATCH`], so that
/// the table does not grow beyond the keys of a day.
const DELETION_INTERVAL: usize = 32;

/// How many expired rows are deleted at a time.
const DELETION_BATCH: i64 = 100;

/// A 256-bit hash: BLAKE2b.
type Hash = [u8; 32];

/// The key of a request, and the fingerprint of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    id: Hash,
    fingerprint: Hash,
}

impl Key {
    /// The key `text` of a caller for an operation, in a request with this body. Users have keys of their
    /// own; all callers who are not known (`None`) have theirs together. Equal bodies must have equal bytes;
    /// passwords must not be in them, since the hash is a fast one.
    #[must_use]
    pub fn new(user: Option<i32>, operation: &str, text: &str, body: &[u8]) -> Self {
        let caller = user.map_or_else(|| "everyone".to_owned(), |user| format!("user {user}"));
        let id = [caller.as_str(), operation, text].join("\0");
        Self {
            id: Blake2b::<U32>::digest(id).into(),
            fingerprint: Blake2b::<U32>::digest(body).into(),
        }
    }
}

impl Key {
    /// The hash that identifies the row of the key.
    pub(super) fn id(&self) -> [u8; 32] {
        self.id
    }
}

/// The response to a request that created something: all that depends on the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The path of the new resource.
    pub location: String,
    /// The entity tag of the new resource.
    pub etag: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A kept response, and what identifies the request that it belongs to.
#[derive(Debug)]
pub struct Kept {
    fingerprint: Vec<u8>,
    /// The Argon2id hash of the password in the request.
    pub password: Option<SecretString>,
    /// The response.
    pub response: Response,
}

impl Kept {
    /// Whether the request of this response had the same body as the request of `key`, apart from the
    /// password.
    #[must_use]
    pub fn is_for(&self, key: &Key) -> bool {
        self.fingerprint == key.fingerprint
    }
}

/// The result of a request with a key.
pub enum Outcome {
    /// The request created something; its response is kept.
    Created(Response),
    /// An earlier request with the key has a response.
    Kept(Kept),
}

/// A row of the table, and whether it has expired.
type Row = (Vec<u8>, Option<String>, String, String, Vec<u8>, bool);

/// The row of a key.
async fn find(conn: &mut Connection, key: &Key) -> QueryResult<Option<(Kept, bool)>> {
    let row = keys::table.find(&key.id[..]).select((
        keys::fingerprint,
        keys::password,
        keys::location,
        keys::etag,
        keys::body,
        keys::expires_at.le(utc_timestamp()),
    ));
    let row: Option<Row> = row.first(conn).await.optional()?;
    Ok(row.map(
        |(fingerprint, password, location, etag, body, is_expired)| {
            let kept = Kept {
                fingerprint,
                password: password.map(Into::into),
                response: Response {
                    location,
                    etag,
                    body,
                },
            };
            (kept, is_expired)
        },
    ))
}

/// The response that is kept for a key.
///
/// # Errors
/// Only those of the database.
pub(super) async fn kept(conn: &mut Connection, key: &Key) -> Result<Option<Kept>, Error> {
    let found = find(conn, key).await?;
    Ok(found.and_then(|(kept, is_expired)| (!is_expired).then_some(kept)))
}

/// Claims a key for this transaction, before anything else in it; returns the response that is kept
/// for the key, if there is one. Waits while another transaction has claimed the key.
pub(super) async fn claim(
    conn: &mut Connection,
    key: &Key,
    password: Option<&SecretString>,
) -> QueryResult<Option<Kept>> {
    match insert(conn, key, password).await {
        Err(DieselError::DatabaseError(UniqueViolation, _)) => {}
        result => return result.map(|()| None),
    }
    // The failed insert keeps the row locked, so that no other transaction deletes it.
    match find(conn, key).await? {
        Some((kept, false)) => Ok(Some(kept)),
        Some((_, true)) => {
            diesel::delete(keys::table.find(&key.id[..]))
                .execute(conn)
                .await?;
            insert(conn, key, password).await.map(|()| None)
        }
        None => Err(DieselError::NotFound),
    }
}

/// Inserts the row of a key, with an empty response.
async fn insert(
    conn: &mut Connection,
    key: &Key,
    password: Option<&SecretString>,
) -> QueryResult<()> {
    let password = password.map(ExposeSecret::expose_secret);
    let row = diesel::insert_into(keys::table).values((
        keys::id.eq(&key.id[..]),
        keys::fingerprint.eq(&key.fingerprint[..]),
        keys::password.eq(password),
        keys::location.eq(""),
        keys::etag.eq(""),
        keys::body.eq(&[][..]),
        keys::expires_at.eq(addtime(utc_timestamp(), LIFETIME)),
    ));
    row.execute(conn).await.map(|_| ())
}

/// Keeps the response of this transaction, which has claimed the key.
pub(super) async fn keep(conn: &mut Connection, key: &Key, response: &Response) -> QueryResult<()> {
    let row = diesel::update(keys::table.find(&key.id[..])).set((
        keys::location.eq(&response.location),
        keys::etag.eq(&response.etag),
        keys::body.eq(&response.body),
    ));
    row.execute(conn).await.map(|_| ())
}

/// Deletes some expired rows. The rows are found without locks and deleted by their ids, so that no
/// request waits.
///
/// # Errors
/// Only those of the database.
pub(super) async fn delete_expired(conn: &mut Connection) -> Result<usize, Error> {
    let is_expired = || keys::expires_at.le(utc_timestamp());
    let expired = keys::table.filter(is_expired()).select(keys::id);
    let ids: Vec<Vec<u8>> = expired.limit(DELETION_BATCH).load(conn).await?;
    let expired = keys::table
        .filter(keys::id.eq_any(ids))
        .filter(is_expired());
    Ok(diesel::delete(expired).execute(conn).await?)
}

/// Whether the database has the table.
///
/// # Errors
/// Only those of the database.
pub(super) async fn table_exists(conn: &mut Connection) -> Result<bool, Error> {
    let exists = diesel::dsl::sql::<Bool>(TABLE_EXISTS);
    Ok(diesel::select(exists).get_result(conn).await?)
}

/// The SQL expression that is true if the database has the table.
pub(super) const TABLE_EXISTS: &str = "EXISTS (SELECT 1 FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_name = 'idempotency_keys')";

/// The keys whose requests are in progress in this process, and the count of kept responses.
#[derive(Default)]
pub(super) struct KeyTurns {
    locks: Mutex<HashMap<Hash, Weak<tokio::sync::Mutex<()>>>>,
    kept: AtomicUsize,
}

/// While this exists, no other request of this process with the same key is in progress.
pub struct KeyTurn(
    #[expect(dead_code, reason = "its drop lets the next request go on")] OwnedMutexGuard<()>,
);

impl KeyTurns {
    /// Waits until no other request of this process with this key is in progress.
    pub(super) async fn take(&self, key: &Key) -> KeyTurn {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let known = locks.get(&key.id).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lock = Arc::default();
                locks.insert(key.id, Arc::downgrade(&lock));
                lock
            })
        };
        KeyTurn(lock.lock_owned().await)
    }

    /// Counts a kept response; returns whether expired ones should be deleted now.
    pub(super) fn count_kept(&self) -> bool {
        let count = self.kept.fetch_add(1, Ordering::Relaxed);
        count.is_multiple_of(DELETION_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn key(operation: &str, text: &str, body: &[u8]) -> Key {
        Key::new(None, operation, text, body)
    }

    #[test]
    fn every_user_has_keys_of_their_own() {
        let keys = [None, Some(1), Some(2), Some(12)];
        let keys = keys.map(|user| Key::new(user, "addCartItem", "k", b"{}"));
        for (index, key) in keys.iter().enumerate() {
            assert!(keys[..index].iter().all(|other| other.id != key.id));
        }
    }

    #[test]
    fn a_key_is_identified_by_its_operation_and_text() {
        let one = key("addCartItem", "k", b"{}");
        assert_eq!(one, key("addCartItem", "k", b"{}"));
        for (other, is_same_id) in [
            (key("addCartItem", "k", b"{ }"), true),
            (key("createUser", "k", b"{}"), false),
            (key("addCartItem", "K", b"{}"), false),
            (key("addCartIte", "mk", b"{}"), false),
        ] {
            assert_eq!(other.id == one.id, is_same_id);
            assert_eq!(other.fingerprint == one.fingerprint, !is_same_id);
        }
    }

    #[test]
    fn a_turn_ends_before_the_next_one_with_its_key_begins() {
        let turns = KeyTurns::default();
        let (one, other) = (key("addCartItem", "1", b""), key("addCartItem", "2", b""));
        let take = |key: &Key| turns.take(key).now_or_never();
        let first = take(&one);
        assert!(first.is_some() && take(&one).is_none());
        assert!(take(&other).is_some());
        drop(first);
        assert!(take(&one).is_some());
        assert_eq!(
            turns.locks.lock().map_or(0, |locks| locks.len()),
            1,
            "keys whose requests have ended are forgotten"
        );
    }
}

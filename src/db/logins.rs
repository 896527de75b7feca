//! Attempts to log in, counted in the database, so that all replicas of the service share the counts.
//!
//! Imports `db::times`. An attempt has a row before its password is verified, so that attempts at the same
//! time count for each other. Its row is a failure until it has succeeded.
//!
//! | limit                        | within 15 minutes | beyond it                                        |
//! |------------------------------|-------------------|--------------------------------------------------|
//! | of an account from a network | 10 failures       | refused until the first of them expires          |
//! | of a network                 | 100 failures      | refused until the first of them expires          |
//! | of an account                | 50 failures       | refused for 30 seconds after each failure        |
//!
//! An attacker who guesses passwords of one account from one network gets 10 attempts, and locks only that
//! network out. An attacker with many networks gets 50, and then one in 30 seconds. That is a limit for strangers
//! only: a network from which the account was logged in to within 30 days is exempt from it, so that
//! nobody can lock out a user who is where the user usually is.
//!
//! A success deletes the earlier rows of its account and network. Expired rows are deleted on use: after
//! every `DELETION_INTERVAL`th attempt of this process, `DELETION_BATCH` rows at most. The times are those of
//! the database server.

use std::sync::atomic::{AtomicUsize, Ordering};

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U32;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::error::Error;

use super::Connection;
use super::schema::auth_login_attempts as attempts;
use super::times::{addtime, utc_timestamp};

/// The seconds for which a failure counts, and the same as a time of MySQL.
const WINDOW: i64 = 15 * 60;
const WINDOW_TIME: &str = "00:15:00";

/// How long a network is known after a success, as a time of MySQL: 30 days.
const KNOWN_TIME: &str = "720:00:00";

/// How many failures an account may have from one network.
const OF_PAIR: usize = 10;
/// How many failures a network may have.
const OF_NETWORK: i64 = 100;
/// How many failures an account may have.
const OF_ACCOUNT: usize = 50;
/// The seconds between two attempts of an account that has more.
const PAUSE: i64 = 30;

/// How many rows of an account are looked at: far more than there can be without many networks.
const MAX_ROWS: i64 = 200;

/// After how many attempts a process deletes expired rows. Less than [`DELETION_BATCH`], so that the table
/// does not grow beyond the rows that count.
const DELETION_INTERVAL: usize = 32;
/// How many expired rows are deleted at a time.
const DELETION_BATCH: i64 = 100;

diesel::define_sql_function! {
    /// The seconds from the year 0 to `at`.
    fn to_seconds(at: diesel::sql_types::Datetime) -> diesel::sql_types::BigInt;
}

diesel::define_sql_function! {
    /// The id of the row that this connection inserted last.
    fn last_insert_id() -> diesel::sql_types::Unsigned<diesel::sql_types::BigInt>;
}

type Hash = [u8; 32];

/// Who tries to log in, and from where. Only hashes are stored, of emails in lower case: somebody may type a
/// password in the place of the email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    account: Hash,
    network: Option<Hash>,
}

impl Origin {
    /// The account with this email, whether it exists or not, and the client's network; `None` for a client
    /// without limits, whose failures count only for the account.
    #[must_use]
    pub fn new(email: &str, network: Option<&str>) -> Self {
        let hash = |text: &str| Blake2b::<U32>::digest(text).into();
        Self {
            account: hash(&email.to_lowercase()),
            network: network.map(hash),
        }
    }
}

/// An attempt that is counted as a failure until it has succeeded.
#[derive(Debug)]
#[must_use = "an attempt that succeeds is to be recorded"]
pub struct Attempt {
    id: u64,
    origin: Origin,
}

/// A row of an account that has not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    network: Option<Vec<u8>>,
    has_succeeded: bool,
    /// The seconds until it expires.
    left: i64,
}

/// The seconds for which an attempt from `network` has to wait because of the rows of its account.
fn pause(rows: &[Row], network: Option<&Hash>) -> Option<i64> {
    let is_here =
        |row: &&Row| network.is_some_and(|here| row.network.as_deref() == Some(&here[..]));
    let mut failures: Vec<i64> = rows
        .iter()
        .filter(|row| !row.has_succeeded)
        .map(|row| row.left)
        .collect();
    let mut failures_here: Vec<i64> = rows
        .iter()
        .filter(|row| !row.has_succeeded)
        .filter(is_here)
        .map(|row| row.left)
        .collect();
    // The newest first.
    failures.sort_unstable_by(|one, other| other.cmp(one));
    failures_here.sort_unstable_by(|one, other| other.cmp(one));
    if let Some(left) = failures_here.get(OF_PAIR - 1) {
        return Some(*left);
    }
    let is_known = rows.iter().filter(is_here).any(|row| row.has_succeeded);
    if is_known || failures.len() < OF_ACCOUNT {
        return None;
    }
    let since_newest = WINDOW - failures[0];
    (since_newest < PAUSE).then(|| PAUSE - since_newest)
}

/// Counts an attempt to log in.
///
/// # Errors
/// `RateLimited` when a limit is reached; the attempt does not count then.
pub(super) async fn begin(conn: &mut Connection, origin: Origin) -> Result<Attempt, Error> {
    let row = diesel::insert_into(attempts::table).values((
        attempts::account.eq(&origin.account[..]),
        attempts::network.eq(origin.network.as_ref().map(|network| &network[..])),
        attempts::has_succeeded.eq(false),
        attempts::expires_at.eq(addtime(utc_timestamp(), WINDOW_TIME)),
    ));
    row.execute(conn).await?;
    let id: u64 = diesel::select(last_insert_id()).get_result(conn).await?;
    let wait = [
        pause(
            &rows_of_account(conn, id, &origin).await?,
            origin.network.as_ref(),
        ),
        pause_of_network(conn, id, &origin).await?,
    ];
    let Some(seconds) = wait.into_iter().flatten().max() else {
        return Ok(Attempt { id, origin });
    };
    diesel::delete(attempts::table.find(id))
        .execute(conn)
        .await?;
    Err(Error::RateLimited {
        seconds: u16::try_from(seconds.max(1)).unwrap_or(u16::MAX),
    })
}

async fn rows_of_account(conn: &mut Connection, id: u64, origin: &Origin) -> QueryResult<Vec<Row>> {
    let rows: Vec<(Option<Vec<u8>>, bool, i64, i64)> = attempts::table
        .filter(attempts::account.eq(&origin.account[..]))
        .filter(attempts::expires_at.gt(utc_timestamp()))
        .filter(attempts::id.ne(id))
        .order(attempts::id.desc())
        .limit(MAX_ROWS)
        .select((
            attempts::network,
            attempts::has_succeeded,
            to_seconds(attempts::expires_at),
            to_seconds(utc_timestamp()),
        ))
        .load(conn)
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(network, has_succeeded, end, now)| Row {
            network,
            has_succeeded,
            left: end - now,
        })
        .collect())
}

/// The seconds for which an attempt has to wait because of the failures of its network.
async fn pause_of_network(
    conn: &mut Connection,
    id: u64,
    origin: &Origin,
) -> QueryResult<Option<i64>> {
    let Some(network) = &origin.network else {
        return Ok(None);
    };
    let first: Option<(i64, i64)> = attempts::table
        .filter(attempts::network.eq(&network[..]))
        .filter(attempts::has_succeeded.eq(false))
        .filter(attempts::expires_at.gt(utc_timestamp()))
        .filter(attempts::id.ne(id))
        .order(attempts::id.desc())
        .limit(1)
        .offset(OF_NETWORK - 1)
        .select((
            to_seconds(attempts::expires_at),
            to_seconds(utc_timestamp()),
        ))
        .first(conn)
        .await
        .optional()?;
    Ok(first.map(|(end, now)| end - now))
}

/// Records that an attempt has succeeded: its network is known from now on, and the earlier attempts of the
/// account from there do not count any more. The rows are found without locks and deleted by their ids, so
/// that no other attempt waits.
///
/// # Errors
/// Only those of the database.
pub(super) async fn succeed(conn: &mut Connection, attempt: &Attempt) -> Result<(), Error> {
    let Attempt { id, origin } = attempt;
    let row = diesel::update(attempts::table.find(id)).set((
        attempts::has_succeeded.eq(true),
        attempts::expires_at.eq(addtime(utc_timestamp(), KNOWN_TIME)),
    ));
    row.execute(conn).await?;
    let earlier: Vec<(u64, Option<Vec<u8>>)> = attempts::table
        .filter(attempts::account.eq(&origin.account[..]))
        .filter(attempts::id.lt(id))
        .order(attempts::id.desc())
        .limit(MAX_ROWS)
        .select((attempts::id, attempts::network))
        .load(conn)
        .await?;
    let here = origin.network.as_ref().map(|network| &network[..]);
    let from_here = earlier
        .into_iter()
        .filter(|(_, from)| from.as_deref() == here);
    let earlier: Vec<u64> = from_here.map(|(id, _)| id).collect();
    let earlier = attempts::table.filter(attempts::id.eq_any(earlier));
    diesel::delete(earlier).execute(conn).await?;
    Ok(())
}

/// Deletes some expired rows, in the same way.
///
/// # Errors
/// Only those of the database.
pub(super) async fn delete_expired(conn: &mut Connection) -> Result<usize, Error> {
    let expired: Vec<u64> = attempts::table
        .filter(attempts::expires_at.le(utc_timestamp()))
        .limit(DELETION_BATCH)
        .select(attempts::id)
        .load(conn)
        .await?;
    let expired = attempts::table.filter(attempts::id.eq_any(expired));
    Ok(diesel::delete(expired).execute(conn).await?)
}

/// The count of attempts of this process.
#[derive(Default)]
pub(super) struct Attempts(AtomicUsize);

impl Attempts {
    /// Counts an attempt; returns whether expired rows should be deleted now.
    pub(super) fn count(&self) -> bool {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        count.is_multiple_of(DELETION_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Hash = [1; 32];

    fn row(network: u8, has_succeeded: bool, age: i64) -> Row {
        Row {
            network: (network > 0).then(|| vec![network; 32]),
            has_succeeded,
            left: WINDOW - age,
        }
    }

    fn failures(count: i64, network: u8) -> impl Iterator<Item = Row> {
        (1..=count).map(move |age| row(network, false, age))
    }

    fn pause_here(rows: impl Iterator<Item = Row>) -> Option<i64> {
        pause(&rows.collect::<Vec<_>>(), Some(&HERE))
    }

    #[test]
    fn ten_failures_from_one_network_keep_out_that_network_until_the_first_expires() {
        assert_eq!(pause_here(failures(9, 1)), None);
        assert_eq!(pause_here(failures(10, 1)), Some(WINDOW - 10));
        assert_eq!(pause_here(failures(12, 1)), Some(WINDOW - 10));
        assert_eq!(pause_here(failures(10, 2)), None);
        // The order of the rows is that of their ids, which is not always that of their times.
        let reversed: Vec<Row> = failures(10, 1).collect();
        assert_eq!(pause_here(reversed.into_iter().rev()), Some(WINDOW - 10));
    }

    #[test]
    fn fifty_failures_from_anywhere_delay_strangers_for_thirty_seconds() {
        let many = |count| (2..).flat_map(|network| failures(5, network)).take(count);
        assert_eq!(pause_here(many(49)), None);
        assert_eq!(pause_here(many(50)), Some(PAUSE - 1));
        let later = many(50).map(|row| Row {
            left: row.left - PAUSE,
            ..row
        });
        assert_eq!(pause_here(later), None);
        // Clients without limits are delayed, too.
        assert_eq!(pause(&many(50).collect::<Vec<_>>(), None), Some(PAUSE - 1));
    }

    #[test]
    fn a_known_network_is_not_delayed_by_strangers() {
        let attacked = || failures(60, 0);
        let known = |network| std::iter::once(row(network, true, -1_000_000));
        assert_eq!(pause_here(attacked().chain(known(1))), None);
        assert_eq!(pause_here(attacked().chain(known(2))), Some(PAUSE - 1));
        let own = attacked().chain(known(1)).chain(failures(10, 1));
        assert_eq!(pause_here(own), Some(WINDOW - 10));
    }

    #[test]
    fn an_account_is_an_email_in_any_letter_case() {
        let origin = Origin::new("Ada@example.com", Some("192.0.2.1"));
        assert_eq!(origin, Origin::new("ada@EXAMPLE.com", Some("192.0.2.1")));
        assert_ne!(origin, Origin::new("ada@example.com", Some("192.0.2.2")));
        assert_ne!(origin, Origin::new("ada@example.com", None));
        assert_ne!(origin, Origin::new("bob@example.com", Some("192.0.2.1")));
    }
}

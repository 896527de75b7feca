//! Pages of lists: the snapshot in which a page and the list's total are read, and how the page's
//! rows are reached with the fewest reads.
//!
//! A page's rows are read by their ids, and the ids from an index alone. The database skips the
//! rows before a page one by one, which takes about 70 ns for each, as counting does. So the pages
//! of one snapshot share one count, and a page that follows another one skips only the rows between
//! the two (see [`Known`]).
//!
//! Imports `db::errors`, `db::pool` and `deadlines`.

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::sql_types::Bool;
use diesel_async::methods::LoadQuery;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::deadlines;
use crate::error::Error;

use super::pool::ListConnection;
use super::{Connection, errors};

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Which page, from 1.
    pub number: i32,
    /// How many rows the page has, from 1.
    pub size: i32,
}

impl Page {
    /// How many rows of the list come before the page.
    #[must_use]
    pub fn offset(self) -> i64 {
        (i64::from(self.number) - 1) * i64::from(self.size)
    }
}

/// What is known about a list from earlier pages of the same [`Snapshot`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// How many rows the list has.
    pub total: Option<i64>,
    /// A row whose position in the list is known.
    pub landmark: Option<Landmark>,
}

/// A row whose position in a list is known.
#[derive(Debug, Clone, Copy)]
pub struct Landmark {
    /// The row's id.
    pub id: i32,
    /// The row's position: the number of rows up to and including this one.
    pub rows: i64,
}

/// How much slower the database skips rows from the end of an index than from its beginning
/// (measured: 1.6 to 2.4 times).
const BACKWARDS: i64 = 3;

/// The number of skipped rows from which on a statement is prepared anew (see [`prepared_anew`]). Fewer
/// rows are skipped in less time than it takes to prepare a statement.
const DEEP: i64 = 100;

/// The rows of a page, and from where the database reaches them with the fewest skipped rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Whether the database reads from the end of the list.
    pub is_backwards: bool,
    /// The id after which the database begins. Only in lists in id order.
    pub after: Option<i32>,
    /// How many rows to skip.
    pub skipped: i64,
    /// How many rows the page has.
    pub rows: i64,
}

impl Known {
    /// Removes the landmark unless `is_usable`.
    pub(super) fn landmark_if(self, is_usable: bool) -> Self {
        Self {
            landmark: self.landmark.filter(|_| is_usable),
            ..self
        }
    }
}

impl Window {
    /// The rows of `page` in a list of `total` rows; `None` past its end.
    pub(super) fn of(page: Page, total: i64, landmark: Option<Landmark>) -> Option<Self> {
        let offset = page.offset();
        let rows = i64::from(page.size).min(total - offset);
        if rows <= 0 {
            return None;
        }
        let landmark = landmark.filter(|landmark| landmark.rows <= offset);
        let forwards = offset - landmark.map_or(0, |landmark| landmark.rows);
        let backwards = total - offset - rows;
        let is_backwards = backwards.saturating_mul(BACKWARDS) < forwards;
        Some(Self {
            is_backwards,
            after: landmark
                .filter(|_| !is_backwards)
                .map(|landmark| landmark.id),
            skipped: if is_backwards { backwards } else { forwards },
            rows,
        })
    }

    /// Whether many rows are skipped, so that the query of the window needs [`prepared_anew`].
    pub(super) fn is_deep(&self) -> bool {
        self.skipped >= DEEP
    }
}

/// A condition that every row meets. Diesel does not cache statements with raw SQL in them, and prepares
/// them anew for each use.
///
/// MariaDB 10.11 plans a prepared statement correctly only when it runs for the first time. From the
/// second time on, the indexes that it takes for complete (those with every column of the query) are
/// those of the previous statement on the same open table, which any connection may have run. After one
/// that read whole rows there are none, and a page far into the order of an index sorts the whole table.
/// No hint prevents this: with FORCE INDEX each skipped row is looked up in the table. Counting
/// is left as it is: the rows of a table in memory are counted as fast as the entries of an index.
pub(super) fn prepared_anew() -> SqlLiteral<Bool> {
    sql("TRUE")
}

/// The total of a list, and the ids of a page's rows in any order; no ids past the end. The query
/// `count` runs only if the total is not known. `ids` makes the query for the ids in a window.
pub(super) fn total_and_ids<'a, C, I>(
    conn: &'a mut Connection,
    (page, known): (Page, Known),
    count: C,
    ids: impl FnOnce(&Window) -> I + Send + 'a,
) -> BoxFuture<'a, QueryResult<(i64, Vec<i32>)>>
where
    C: LoadQuery<'a, Connection, i64> + Send + 'a,
    I: LoadQuery<'a, Connection, i32> + Send + 'a,
{
    // Boxed, since the compiler cannot prove that the future of a generic query is `Send`.
    async move {
        let total = match known.total {
            Some(total) => total,
            None => count.get_result(conn).await?,
        };
        let ids = match Window::of(page, total, known.landmark) {
            Some(window) => ids(&window).load(conn).await?,
            None => Vec::new(),
        };
        Ok((total, ids))
    }
    .boxed()
}

/// A connection in a transaction in which every read shows the state at the first read.
pub struct Snapshot(ListConnection);

impl Snapshot {
    /// Begins a snapshot on a connection. Then [`Self::on`] takes it.
    pub(super) async fn begin(connection: &mut Connection) -> Result<(), Error> {
        // Not WITH CONSISTENT SNAPSHOT: the first read opens its tables before it takes the
        // snapshot, so that no ALTER TABLE can run in between.
        execute(connection, "START TRANSACTION READ ONLY").await
    }

    /// The snapshot that was begun on `connection`.
    pub(super) fn on(connection: ListConnection) -> Self {
        Self(connection)
    }

    /// Ends the snapshot and keeps the connection for the next list. All rows must have been read.
    pub async fn finish(mut self) {
        if execute(&mut self.0, "COMMIT").await.is_ok() {
            self.0.finish();
        }
    }
}

/// Executes a statement that does no work. A connection that does not respond in time is lost, and
/// must be dropped.
async fn execute(connection: &mut Connection, statement: &str) -> Result<(), Error> {
    let executing = timeout(deadlines::ROUND_TRIP, connection.batch_execute(statement));
    let Ok(result) = executing.await else {
        errors::mark_as_broken(connection);
        let cause = format!("no response to {statement}");
        return Err(Error::Unavailable(cause.into()));
    };
    errors::diagnose(connection, result.map_err(Error::from)).await
}

impl std::ops::Deref for Snapshot {
    type Target = ListConnection;

    fn deref(&self) -> &ListConnection {
        &self.0
    }
}

impl std::ops::DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut ListConnection {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page = Page {
        number: 4,
        size: 10,
    };

    fn window(total: i64, landmark: Option<Landmark>) -> Option<(bool, Option<i32>, i64, i64)> {
        let window = Window::of(PAGE, total, landmark)?;
        let Window {
            is_backwards,
            after,
            skipped,
            rows,
        } = window;
        Some((is_backwards, after, skipped, rows))
    }

    #[test]
    fn a_page_is_reached_with_the_fewest_skipped_rows() {
        assert_eq!(window(1000, None), Some((false, None, 30, 10)));
        let landmark = |rows| Some(Landmark { id: 7, rows });
        assert_eq!(window(1000, landmark(20)), Some((false, Some(7), 10, 10)));
        assert_eq!(window(1000, landmark(30)), Some((false, Some(7), 0, 10)));
        assert_eq!(
            window(1000, landmark(31)),
            Some((false, None, 30, 10)),
            "the landmark is in the page"
        );
        assert_eq!(window(49, None), Some((true, None, 9, 10)));
        assert_eq!(window(50, None), Some((false, None, 30, 10)));
        assert_eq!(window(49, landmark(20)), Some((false, Some(7), 10, 10)));
        assert_eq!(window(33, None), Some((true, None, 0, 3)), "the last page");
        assert_eq!(window(30, landmark(20)), None, "past the end");
        assert_eq!(window(0, None), None);
    }
}

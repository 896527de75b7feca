//! Pages of lists: the snapshot that gives a page's rows and the number of all rows, and the
//! shortest way to the rows.
//!
//! A page's rows are read by their ids, and the ids from an index alone. The rows before a page can
//! only be passed over, one by one: about 70 ns each, as for counting. So pages of one snapshot count
//! once, and pass over the rows between two pages instead of all rows before the second one (see
//! [`Known`]).
//!
//! Imports `db` for its connections.

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::sql_types::Bool;
use diesel_async::methods::LoadQuery;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::Error;

use super::Connection;
use super::pool::ListConnection;

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Which page, from 1.
    pub number: i32,
    /// How many rows it holds, from 1.
    pub size: i32,
}

impl Page {
    /// How many rows of the list come before it.
    #[must_use]
    pub fn offset(self) -> i64 {
        (i64::from(self.number) - 1) * i64::from(self.size)
    }
}

/// What earlier pages of the same list told, when they were read from the same [`Snapshot`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// How many rows the list has.
    pub total: Option<i64>,
    /// A row whose place in the list is known.
    pub landmark: Option<Landmark>,
}

/// A row whose place in a list is known.
#[derive(Debug, Clone, Copy)]
pub struct Landmark {
    /// The row's id.
    pub id: i32,
    /// How many rows of the list there are up to it, itself included.
    pub rows: i64,
}

/// How much slower the database passes over rows from the end of an index than from its beginning
/// (measured: 1.6 to 2.4 times).
const BACKWARDS: i64 = 3;

/// From how many rows on that are passed over a statement is prepared anew (see [`prepared_anew`]). A
/// database passes over fewer rows in less time than it takes to prepare a statement.
const DEEP: i64 = 100;

/// The rows of a page, and from where the database reaches them with the fewest rows to pass over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Against the order of the list, from its last row.
    pub is_backwards: bool,
    /// From the row after the one with this id. Only in lists that are ordered by id.
    pub after: Option<i32>,
    /// How many rows to pass over.
    pub skipped: i64,
    /// How many rows the page has.
    pub rows: i64,
}

impl Known {
    /// Without the landmark, unless `is_usable`.
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

    /// Whether many rows are passed over, so that the query of the window needs [`prepared_anew`].
    pub(super) fn is_deep(&self) -> bool {
        self.skipped >= DEEP
    }
}

/// A condition that every row meets. Diesel caches no statement with a piece of SQL, and prepares it anew
/// for each use.
///
/// MariaDB 10.11 plans a prepared statement correctly only when it runs for the first time. From the
/// second time on, the indexes that it takes for complete (those with every column of the query) are
/// those of the previous statement on the same open table, which any connection may have run. After one
/// that read whole rows there are none, and a page far into the order of an index sorts the whole table.
/// No hint prevents this: with FORCE INDEX each row that is passed over is looked up in the table. Counting
/// is left as it is: the rows of a table in memory are counted as fast as the entries of an index.
pub(super) fn prepared_anew() -> SqlLiteral<Bool> {
    sql("TRUE")
}

/// The number of rows that `count` counts, unless it is known, and the ids of a page's rows, in any
/// order: none past the end. `ids` gives the query that reads those of a window.
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
    // Boxed: the compiler does not see that the future of a generic query may move between threads.
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

/// A connection on which all that is read is of one moment: that of the first read.
pub struct Snapshot(ListConnection);

impl Snapshot {
    /// Begins a snapshot on `connection`.
    pub(super) async fn begin(mut connection: ListConnection) -> Result<Self, Error> {
        // Not WITH CONSISTENT SNAPSHOT: the first read opens the tables before it takes the snapshot,
        // so that no ALTER TABLE comes in between.
        if let Err(error) = connection
            .batch_execute("START TRANSACTION READ ONLY")
            .await
        {
            return Err(connection.diagnose(error.into()).await);
        }
        Ok(Self(connection))
    }

    /// Nothing is being read any more: the connection serves the next list.
    pub async fn finish(mut self) {
        if self.0.batch_execute("COMMIT").await.is_ok() {
            self.0.finish();
        }
    }
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
    fn a_page_is_reached_from_where_the_fewest_rows_are_passed_over() {
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

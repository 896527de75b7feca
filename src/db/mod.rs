//! The database: pools of connections, the queries of each resource, migrations.
//!
//! Imports `error`, `violation` and `deadlines`; knows nothing of HTTP. Only this module translates errors of
//! diesel into [`Error`]. A handler calls a method of [`Database`], which reaches the database in
//! one of three ways:
//!
//! | way                | for                                     | why                               |
//! |--------------------|-----------------------------------------|-----------------------------------|
//! | batch (`batches`)  | one row by its id, a small cart, an addition to a cart | the most frequent requests: concurrent ones share one statement, which takes a quarter to a half of the database's time |
//! | list connection ([`Database::list_connection`]) | every list except a small cart | a slow client occupies its connection for as long as it reads, so lists must not use the connections of other requests |
//! | `run` and `change` (`database`) | everything else            | one connection of the pool for one query function; changes of one row, and all changes together, have a share of the pool (`shares`) |
//!
//! A query that has begun is not cancelled, since that costs its connection: the next query on it
//! would read the response. Batches and `run` work in tasks of their own, which continue when a
//! client disconnects. They end at a deadline all the same: a connection is lent until then, and is
//! closed if a query has not ended. A list connection may be dropped in the middle of a list: it is
//! closed then and not used again.

mod availability;
mod batches;
pub mod cart;
pub mod check;
mod coalesce;
mod connect;
mod connection;
mod database;
mod dialect;
mod errors;
pub mod idempotency;
mod ids;
mod indexes;
pub mod limits;
pub mod logins;
pub mod migrations;
mod pages;
mod pool;
mod probe;
pub mod products;
mod reads;
mod rows;
#[expect(missing_docs, reason = "printed by diesel, untouched")]
#[allow(
    clippy::wildcard_imports,
    reason = "as above; test builds do not report it"
)]
pub mod schema;
mod scope;
pub mod seed;
pub mod session;
mod session_settings;
pub mod sessions;
mod shares;
mod texts;
mod times;
mod transaction;
pub mod url;
pub mod users;

use diesel::result::QueryResult;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use crate::error::Error;

pub use connection::Connection;
pub use database::Database;
pub use indexes::ListIndex;
pub use pages::{Known, Landmark, Page, Snapshot};
pub use pool::ListConnection;
pub use scope::Scope;
pub use transaction::Condition;

diesel::define_sql_function! {
    /// The id of the row that this connection inserted last, for MySQL, which has no RETURNING.
    fn last_insert_id() -> diesel::sql_types::Integer;
}

/// A pattern for `LIKE … ESCAPE '!'` that matches every text that begins with `text`. The query has
/// to name the escape character, since the meaning of a backslash depends on the `sql_mode`.
fn beginning_with(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// How a list is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order<C> {
    /// The column. Rows with equal values are ordered by id.
    pub by: C,
    /// Whether the order is descending.
    pub is_reversed: bool,
}

impl<C> Order<C> {
    /// Reverses the order if `is_reversed`.
    fn reversed_if(self, is_reversed: bool) -> Self {
        Self {
            is_reversed: self.is_reversed != is_reversed,
            ..self
        }
    }
}

/// The rows of a list that a request asks for.
#[derive(Debug, Clone, Copy)]
pub enum ListRange {
    /// Every row with a larger id than this; with 0, every row. Only for lists in id order.
    After(i32),
    /// One page, and what is known about the list from other pages of the same snapshot.
    Page(Page, Known),
}

/// A stream of rows, as the database sends them.
pub type Rows<'c, T> = BoxStream<'c, Result<T, Error>>;

/// The rows of a whole list or of one page.
pub struct List<'c, T> {
    /// The rows.
    pub rows: Rows<'c, T>,
    /// The page and the total number of rows; `None` for a whole list.
    pub page: Option<(Page, i64)>,
}

impl<'c, T> List<'c, T> {
    fn whole(rows: impl Stream<Item = QueryResult<T>> + Send + 'c) -> Self {
        Self {
            rows: rows.map_err(Error::from).boxed(),
            page: None,
        }
    }

    fn page(rows: impl Stream<Item = QueryResult<T>> + Send + 'c, page: Page, total: i64) -> Self {
        Self {
            page: Some((page, total)),
            ..Self::whole(rows)
        }
    }

    /// The list without any rows, or its page.
    fn empty(range: ListRange) -> Self
    where
        T: Send + 'c,
    {
        match range {
            ListRange::After(_) => Self::whole(stream::empty()),
            ListRange::Page(page, _) => Self::past_the_end(page, 0),
        }
    }

    /// The empty page past the end of a list of `total` rows.
    fn past_the_end(page: Page, total: i64) -> Self
    where
        T: Send + 'c,
    {
        Self::page(stream::empty(), page, total)
    }
}

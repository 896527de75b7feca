//! SQL that MariaDB and MySQL spell differently and diesel cannot express: `INSERT … RETURNING`, and
//! reads that skip locked rows. Each server executes only the comments with its version prefix.
//!
//! Imports `db::ids`.

use diesel::expression::Expression;
use diesel::mysql::Mysql;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{Error, QueryResult, UnexpectedEndOfRow};
use diesel::sql_types::{BigInt, Integer};
use diesel_async::RunQueryDsl;

use super::Connection;
use super::ids::Ids;

/// The rows that [`Returning`] returned. `None` on MySQL, which inserts the rows too but cannot
/// return them.
///
/// # Errors
/// That of `result`.
pub(super) fn returned<T>(result: QueryResult<T>) -> QueryResult<Option<T>> {
    match result {
        Ok(rows) => Ok(Some(rows)),
        // Diesel-async's error for a statement without a result set.
        Err(Error::DeserializationError(error)) if error.is::<UnexpectedEndOfRow>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the server has `INSERT … RETURNING`.
pub(super) async fn has_returning(conn: &mut Connection) -> QueryResult<bool> {
    let answer = diesel::dsl::sql::<BigInt>("0 /*M!100600 + 1 */");
    Ok(diesel::select(answer).get_result::<i64>(conn).await? == 1)
}

/// An insert that returns columns of the rows that it stored, in any order. [`returned`] takes the
/// result.
///
/// The id is that of the row itself. `LAST_INSERT_ID()` is another one if a trigger sets the id.
pub(super) struct Returning<I, C> {
    pub(super) insert: I,
    pub(super) columns: C,
}

impl<I: QueryFragment<Mysql>, C: QueryFragment<Mysql>> QueryFragment<Mysql> for Returning<I, C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        self.insert.walk_ast(out.reborrow())?;
        out.push_sql(" /*M!100600 RETURNING ");
        self.columns.walk_ast(out.reborrow())?;
        out.push_sql(" */");
        Ok(())
    }
}

/// Without a static id, diesel compares the text.
impl<I, C> QueryId for Returning<I, C> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<I, C: Expression> Query for Returning<I, C> {
    type SqlType = C::SqlType;
}

/// Reads the ids of the rows that exist among `ids` and are not locked by another transaction. Locks
/// these rows against changes until the transaction ends. Does not wait.
///
/// It reads the primary key: within another index that contains the id, the database would lock and
/// examine only the entries of that index, and not find the lock of a row.
///
/// MariaDB does not skip the locked rows if `innodb_lock_wait_timeout` is 0: the read ends at the
/// first one without an error, and COMMIT fails (error 1180). So the variable has another value for
/// this statement.
pub(super) struct UnlockedRows {
    pub(super) table: &'static str,
    pub(super) ids: Ids,
}

impl QueryFragment<Mysql> for UnlockedRows {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_sql(
            "/*M!100600 SET STATEMENT innodb_lock_wait_timeout = 1 FOR */ SELECT id FROM ",
        );
        out.push_identifier(self.table)?;
        out.push_sql(" FORCE INDEX (PRIMARY) WHERE id IN (");
        self.ids.walk_ast(out.reborrow())?;
        out.push_sql(
            ") /*M!100600 LOCK IN SHARE MODE SKIP LOCKED */ /*!80000 FOR SHARE SKIP LOCKED */",
        );
        Ok(())
    }
}

/// As for [`Returning`].
impl QueryId for UnlockedRows {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for UnlockedRows {
    type SqlType = Integer;
}

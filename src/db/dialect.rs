//! SQL that MariaDB and MySQL spell differently and diesel cannot express: `INSERT … RETURNING`, and
//! reads that skip locked rows. Each server executes only the comments with its version prefix.
//! Statements that only one of them has are marked so.
//!
//! Imports `db::ids`.

use diesel::expression::Expression;
use diesel::mysql::Mysql;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Integer};
use diesel_async::RunQueryDsl;

use super::Connection;
use super::ids::Ids;

/// Whether the server has `INSERT … RETURNING`.
pub(super) async fn has_returning(conn: &mut Connection) -> QueryResult<bool> {
    let answer = diesel::dsl::sql::<BigInt>("0 /*M!100600 + 1 */");
    Ok(diesel::select(answer).get_result::<i64>(conn).await? == 1)
}

/// An insert that returns columns of the rows that it stored, in any order. MySQL stores the rows, too,
/// but returns none.
///
/// All rows have to be read, even if there is only one: an error may follow it, and then nothing is stored.
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

/// An insert of cart items, each a user's and a product's id, that returns the stored rows in any order
/// and stores nothing if a trigger changes the user or the product of an item. Only for MariaDB.
///
/// MariaDB assigns the variables, executes the triggers and returns the row for one item after the
/// other. If a row differs from the variables, the second column is out of range (error 1690), which
/// undoes the statement. Of an unsigned id the same sum would be in range.
pub(super) struct InsertUnchanged<'a> {
    pub(super) items: &'a [(i32, i32)],
}

impl QueryFragment<Mysql> for InsertUnchanged<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        if self.items.len() != 1 {
            // Otherwise the server would keep a prepared statement for each number of items.
            out.unsafe_to_cache_prepared();
        }
        out.push_sql("INSERT INTO cart (user_id, product_id) VALUES ");
        for (index, (user, product)) in self.items.iter().enumerate() {
            out.push_sql(if index == 0 { "" } else { ", " });
            out.push_sql("(@shop_user := ");
            out.push_bind_param::<Integer, _>(user)?;
            out.push_sql(", @shop_product := ");
            out.push_bind_param::<Integer, _>(product)?;
            out.push_sql(")");
        }
        out.push_sql(
            " RETURNING id, user_id, product_id, \
             IF(user_id = @shop_user AND product_id = @shop_product, 0, \
             ABS(CAST(id AS SIGNED)) + 9223372036854775807 + 1)",
        );
        Ok(())
    }
}

/// As for [`Returning`].
impl QueryId for InsertUnchanged<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for InsertUnchanged<'_> {
    type SqlType = ((Integer, Integer, Integer), BigInt);
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

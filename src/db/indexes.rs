//! The indexes that searching and sorting lists needs.

use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

use crate::error::Error;

use super::Connection;

/// An index on one column, with which the database reads pages in the column's order and finds
/// texts by their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListIndex {
    /// On the emails of users.
    UserEmail,
    /// On the titles of products.
    ProductTitle,
}

impl ListIndex {
    /// Every index.
    pub const ALL: [Self; 2] = [Self::UserEmail, Self::ProductTitle];

    /// The table and the column.
    pub(super) fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::UserEmail => ("users", "email"),
            Self::ProductTitle => ("products", "title"),
        }
    }

    /// The SQL expression that is true if the database has this index: one that begins with the
    /// whole column, and has no further column or the id as the second one. The hash index that
    /// MariaDB makes for a unique TEXT does not count, since it has no order.
    ///
    /// Both conditions name the schema and the table as constants. Otherwise MariaDB opens every table
    /// of every database, and waits for those that are locked.
    pub(super) fn exists_sql(self) -> String {
        let (table, column) = self.column();
        format!(
            "EXISTS (SELECT 1 FROM information_schema.statistics s \
             WHERE s.table_schema = DATABASE() AND s.table_name = '{table}' \
               AND s.column_name = '{column}' AND s.seq_in_index = 1 AND s.sub_part IS NULL \
               AND s.index_type = 'BTREE' \
               AND NOT EXISTS (SELECT 1 FROM information_schema.statistics n \
                   WHERE n.table_schema = DATABASE() AND n.table_name = '{table}' \
                     AND n.index_name = s.index_name AND n.seq_in_index = 2 \
                     AND n.column_name <> 'id'))"
        )
    }
}

/// Whether the database has this index.
///
/// # Errors
/// Only those of the database.
pub(super) async fn exists(conn: &mut Connection, index: ListIndex) -> Result<bool, Error> {
    let exists = sql::<Bool>(&index.exists_sql());
    Ok(diesel::select(exists).get_result(conn).await?)
}

//! Whether the database has the indexes that lists are searched and sorted by.

use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

use crate::error::Error;

use super::Connection;

/// An index on one column, from which the database reads pages in the column's order, and texts with
/// one beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListIndex {
    /// Of users, on their email.
    UserEmail,
    /// Of products, on their title.
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

    /// The SQL for whether the database has this index: one of the whole column, followed by no other
    /// column or by the id. A hash, which MariaDB makes of a unique TEXT, has no order.
    pub(super) fn exists(self) -> String {
        let (table, column) = self.column();
        format!(
            "EXISTS (SELECT 1 FROM information_schema.statistics s \
             WHERE s.table_schema = DATABASE() AND s.table_name = '{table}' \
               AND s.column_name = '{column}' AND s.seq_in_index = 1 AND s.sub_part IS NULL \
               AND s.index_type = 'BTREE' \
               AND NOT EXISTS (SELECT 1 FROM information_schema.statistics n \
                   WHERE n.table_schema = s.table_schema AND n.table_name = s.table_name \
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
    let exists = sql::<Bool>(&index.exists());
    Ok(diesel::select(exists).get_result(conn).await?)
}

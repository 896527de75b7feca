//! `column IN (?, …)` as a statement that is prepared once, for concurrent reads of single rows.
//!
//! Diesel's own list has a different SQL text for every length and is not cached, so that each use
//! is prepared again. [`Ids`] repeats the last id up to the next power of two, which does not
//! change the result: eight prepared statements serve up to 128 ids.

use diesel::expression::array_comparison::{AsInExpression, InExpression};
use diesel::expression::{
    AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate,
};
use diesel::mysql::Mysql;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::Integer;

/// Ids for `eq_any`: at least one.
#[derive(Debug, Clone)]
pub(super) struct Ids(Vec<i32>);

impl Ids {
    /// The list of these ids, without duplicates and filled up to a power of two.
    pub(super) fn new(ids: &[i32]) -> Self {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let last = ids.last().copied().unwrap_or_default();
        ids.resize(ids.len().next_power_of_two(), last);
        Self(ids)
    }
}

impl QueryFragment<Mysql> for Ids {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        for (index, id) in self.0.iter().enumerate() {
            if index > 0 {
                out.push_sql(", ");
            }
            out.push_bind_param::<Integer, _>(id)?;
        }
        Ok(())
    }
}

/// The SQL depends on the number of ids, so that diesel has to compare the text.
impl QueryId for Ids {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Expression for Ids {
    type SqlType = Integer;
}

impl<Table> AppearsOnTable<Table> for Ids {}

impl<Table> SelectableExpression<Table> for Ids {}

impl<Grouping> ValidGrouping<Grouping> for Ids {
    type IsAggregate = is_aggregate::Never;
}

impl InExpression for Ids {
    type SqlType = Integer;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_array(&self) -> bool {
        false
    }
}

impl AsInExpression<Integer> for Ids {
    type InExpression = Self;

    fn as_in_expression(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_filled_up_to_a_power_of_two_with_its_last_id() {
        let filled = |ids: &[i32]| Ids::new(ids).0;
        assert_eq!(filled(&[7]), [7]);
        assert_eq!(filled(&[3, 1, 2]), [1, 2, 3, 3]);
        assert_eq!(filled(&[5, 5, 5, 4]), [4, 5]);
        assert_eq!(filled(&(1..=128).collect::<Vec<_>>()).len(), 128);
    }
}

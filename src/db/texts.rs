//! Texts with characters that a column cannot hold: an existing shop may have columns in latin1 or
//! utf8mb3. Imports `db::errors`.
//!
//! Which column rejected a text cannot be learnt from the error: MariaDB names none but in the
//! message, which is in the server's language. So the server converts each text to the character set
//! of its column and back, and a text that is not the same afterwards does not fit.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::mysql::Mysql;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;

use crate::error::Error;
use crate::violation::Violation;

use super::Connection;
use super::errors::QueryError;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

/// Whether the column can hold every character of `text`.
///
/// # Errors
/// Only those of the database.
pub(super) async fn fits(
    conn: &mut Connection,
    (table, column): (&str, &str),
    text: &str,
) -> QueryResult<bool> {
    if text.is_ascii() {
        return Ok(true);
    }
    // Constants for the schema and the table: otherwise MariaDB opens every table.
    let charset = format!(
        "SELECT character_set_name AS value FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = '{table}' AND column_name = '{column}'"
    );
    let rows: Vec<Row> = sql_query(charset).load(conn).await?;
    let charset = rows.into_iter().find_map(|row| row.value);
    let charset = charset.filter(|charset| charset != "utf8mb4");
    let Some(charset) = charset else {
        return Ok(true);
    };
    let converted = format!("SELECT CONVERT(CONVERT(? USING {charset}) USING utf8mb4) AS value");
    let converted = sql_query(converted).bind::<Text, _>(text);
    let rows: Vec<Row> = converted.load(conn).await?;
    Ok(rows.iter().any(|row| row.value.as_deref() == Some(text)))
}

/// Returns `result` of storing `texts`, each with its column, unless a column cannot hold a
/// character.
///
/// # Errors
/// `Invalid`, naming the properties of the body, which have the names of the columns.
pub(super) async fn reject_unstorable<T>(
    conn: &mut Connection,
    table: &str,
    texts: &[(&str, Option<&str>)],
    result: Result<T, QueryError>,
) -> Result<Result<T, QueryError>, Error> {
    if !result.as_ref().is_err_and(QueryError::is_unstorable) {
        return Ok(result);
    }
    let mut violations = Vec::new();
    for (column, text) in texts {
        let Some(text) = text else { continue };
        if !fits(conn, (table, column), text).await? {
            let message = "has a character that the shop's database cannot store";
            violations.push(Violation::in_body(format!("/{column}"), message));
        }
    }
    if violations.is_empty() {
        return Ok(result);
    }
    Err(Error::Invalid(violations))
}

/// A column of text in utf8mb4, whatever its own character set is.
#[derive(Debug, Clone, Copy, QueryId, ValidGrouping)]
pub(super) struct InUtf8mb4<C>(pub(super) C);

impl<C: QueryFragment<Mysql>> QueryFragment<Mysql> for InUtf8mb4<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_sql("CONVERT(");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" USING utf8mb4)");
        Ok(())
    }
}

impl<C: Expression> Expression for InUtf8mb4<C> {
    type SqlType = Text;
}

impl<Table, C: AppearsOnTable<Table>> AppearsOnTable<Table> for InUtf8mb4<C> {}

impl<Table, C: SelectableExpression<Table>> SelectableExpression<Table> for InUtf8mb4<C> {}

//! Finds the three tables: under their names, in another letter case, or behind views. Imports
//! `db::session`.
//!
//! A view is served when it shows plain columns of all rows of one table: then each statement of
//! this program means the same on the view and on the table, whose columns and keys are checked.

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, QueryableByName};

use crate::db::session::Session;

use super::created::{identifier, quoted};

/// One text, as the queries of the other checks return it.
#[derive(QueryableByName)]
pub(super) struct Value {
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) value: Option<String>,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    /// 1 if the server distinguishes letter case in the names of tables, else 0.
    #[diesel(sql_type = BigInt)]
    has_case: i64,
}

#[derive(QueryableByName)]
struct View {
    #[diesel(sql_type = Text)]
    is_updatable: String,
    /// Empty if the user has no right to see it.
    #[diesel(sql_type = Text)]
    definition: String,
}

/// The table that holds the rows of one of the three names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// The table's name in the database.
    pub(super) name: String,
    /// For a view: the names of its columns, each with that of the table's column.
    pub(super) view: Option<Vec<(String, String)>>,
}

impl Base {
    /// The name under which the program sees a column of the table; `None` if a view leaves it out.
    pub(super) fn visible_name(&self, column: &str) -> Option<String> {
        match &self.view {
            None => Some(column.to_lowercase()),
            Some(columns) => {
                let mut columns = columns.iter();
                let found = columns.find(|(_, base)| base.eq_ignore_ascii_case(column));
                found.map(|(visible, _)| visible.to_lowercase())
            }
        }
    }
}

/// Finds the table of a name, or says why there is none.
pub(super) fn find(session: &mut Session, table: &str) -> QueryResult<Result<Base, String>> {
    // For these columns alone, the server reads no more than each table's definition.
    let found: Vec<Found> = session.load(&format!(
        "SELECT table_name AS name, table_type AS kind, \
                CAST(@@lower_case_table_names = 0 AS SIGNED) AS has_case \
         FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND LOWER(table_name) = '{table}'"
    ))?;
    let is_exact = |found: &&Found| found.name == table || found.has_case == 0;
    let Some(exact) = found.iter().find(is_exact) else {
        return Ok(Err(match found.first() {
            None => {
                format!("{table}: the table is missing; `ecommerce-api migrate run` creates it")
            }
            Some(other) => format!(
                "{table}: the table is missing, but there is {other}, and this server \
                 distinguishes letter case: RENAME TABLE {quoted} TO {table} (or, if other \
                 programs need the old name: CREATE VIEW {table} AS SELECT * FROM {quoted})",
                other = other.name,
                quoted = quoted(&other.name),
            ),
        }));
    };
    if exact.kind != "VIEW" {
        let name = exact.name.clone();
        return Ok(Ok(Base { name, view: None }));
    }
    base_of_view(session, table)
}

fn base_of_view(session: &mut Session, table: &str) -> QueryResult<Result<Base, String>> {
    let views: Vec<View> = session.load(&format!(
        "SELECT is_updatable AS is_updatable, COALESCE(view_definition, '') AS definition \
         FROM information_schema.views \
         WHERE table_schema = DATABASE() AND table_name = '{table}'"
    ))?;
    let refused = |why: &str| Ok(Err(format!("{table}: is a view {why}")));
    let Some(view) = views.first() else {
        return refused("that this user cannot see");
    };
    if view.is_updatable != "YES" {
        return refused("that is not updatable, so that nothing can be stored through it");
    }
    if view.definition.is_empty() {
        return refused(&format!(
            "whose definition this user cannot see: GRANT SHOW VIEW ON {table} to the user"
        ));
    }
    let Some((name, columns)) = parse(&view.definition) else {
        return refused(
            "of something else than columns of one table: an expression is not writable, and with \
             a WHERE a new row could be invisible",
        );
    };
    let literal = name.replace('\\', "\\\\").replace('\'', "''");
    let bases: Vec<Value> = session.load(&format!(
        "SELECT table_type AS value FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = '{literal}'"
    ))?;
    match bases.first().and_then(|base| base.value.as_deref()) {
        Some("BASE TABLE" | "SYSTEM VERSIONED") => Ok(Ok(Base {
            name,
            view: Some(columns),
        })),
        Some(_) => refused(&format!("of the view {name}; must be a view of a table")),
        None => refused(&format!(
            "of {name}, which this user cannot see in this database: GRANT SELECT on it to the user"
        )),
    }
}

/// Reads the definition of a view of plain columns of one table, as the server writes it:
/// ``select `d`.`t`.`a` AS `b`,… from `d`.`t` ``. Returns the table and the columns.
fn parse(definition: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut rest = definition.strip_prefix("select ")?;
    let mut columns = Vec::new();
    loop {
        let (path, after) = qualified(rest)?;
        let (name, after) = identifier(after.strip_prefix(" AS ")?)?;
        columns.push((name, path.last()?.clone()));
        let Some(after_comma) = after.strip_prefix(',') else {
            rest = after.strip_prefix(" from ")?;
            break;
        };
        rest = after_comma;
    }
    let (mut path, after) = qualified(rest)?;
    let is_end = after.is_empty()
        || after
            .strip_prefix(' ')
            .and_then(identifier)
            .is_some_and(|(_, after)| after.is_empty());
    let is_plain = path.len() <= 2 && is_end;
    is_plain.then(|| path.pop().map(|table| (table, columns)))?
}

/// Reads names with dots between them.
fn qualified(text: &str) -> Option<(Vec<String>, &str)> {
    let (name, mut rest) = identifier(text)?;
    let mut path = vec![name];
    while let Some(after) = rest.strip_prefix('.') {
        let (name, after) = identifier(after)?;
        path.push(name);
        rest = after;
    }
    Some((path, rest))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_views_of_plain_columns_of_one_table_are_read() {
        let view = "select `x`.`t`.`id` AS `id`,`x`.`t`.`a``b` AS `name` from `x`.`t`";
        let (table, columns) = parse(view).expect("columns of one table");
        assert_eq!(table, "t");
        let name = |name: &str| name.to_owned();
        let expected = [(name("id"), name("id")), (name("name"), name("a`b"))];
        assert_eq!(columns, expected);
        assert!(parse("select `a`.`id` AS `id` from `x`.`t` `a`").is_some());
        for other in [
            "select `x`.`t`.`id` AS `id` from `x`.`t` where `x`.`t`.`id` > 1",
            "select 1 AS `id` from `x`.`t`",
            "select distinct `x`.`t`.`id` AS `id` from `x`.`t`",
            "select `x`.`t`.`id` AS `id` from `x`.`t` join `x`.`u`",
            "select `x`.`t`.`id` AS `id` from (`x`.`t` join `x`.`u`)",
            "select `x`.`t`.`id` AS `id` from `x`.`t` `a` limit 3",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}

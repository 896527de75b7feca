//! Checks the foreign keys and the unique indexes.

use diesel::QueryResult;

use crate::db::session::Session;

use super::Tables;
use super::catalogue::{ColumnFacts, TableFacts, UniqueFacts, count};
use super::created::{ForeignKey, quoted};
use super::needed::Column;
use super::repairs::{alter, modification, row_format};

/// Checks that the column `name` of `table` refers to the `id` of `parent`, and that deletions
/// cascade.
pub(super) fn check_key(
    session: &mut Session,
    tables: &Tables,
    table: &TableFacts,
    name: &str,
    parent: &'static str,
    mismatches: &mut Vec<String>,
) -> QueryResult<()> {
    let Some(found) = table.column(name) else {
        return Ok(());
    };
    let place = format!("{}.{name}", table.name);
    let target = format!("{parent}.id");
    let Some(parent) = tables.get(parent) else {
        mismatches.push(format!(
            "{place}: no foreign key to {target} is possible: see {parent}"
        ));
        return Ok(());
    };
    let Some(id) = parent.column("id") else {
        return Ok(());
    };
    let is_wanted = |key: &&ForeignKey| {
        key.column.eq_ignore_ascii_case(&found.definition_name())
            && key.target.0.eq_ignore_ascii_case(&parent.base.name)
            && key.target.1.eq_ignore_ascii_case(&id.definition_name())
    };
    let add = format!(
        "ADD FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE CASCADE",
        found.sql_name, parent.sql_name, id.sql_name
    );
    // If a column has several foreign keys, the strictest decides what a deletion does.
    let mut keys = table.keys.iter().filter(is_wanted).peekable();
    if keys.peek().is_none() {
        mismatches.push(
            if let Some(obstacle) = obstacle(session, table, parent, (name, found), id)? {
                format!("{place}: no foreign key to {target}; {obstacle}")
            } else {
                // The types of both columns have to be equal.
                let mut change = String::new();
                if integer(found) != integer(id) {
                    let mut definition = found.definition.clone();
                    definition.full_type.clone_from(&id.definition.full_type);
                    change = format!("{}, ", modification(found, &definition));
                }
                let sql = alter(table, &format!("{change}{add}"));
                format!("{place}: no foreign key to {target}: {sql}")
            },
        );
    }
    for key in keys.filter(|key| key.on_delete != "CASCADE") {
        let drop = format!("DROP FOREIGN KEY {}", quoted(&key.name));
        let sql = alter(table, &format!("{drop}, {add}{}", key.on_update));
        mismatches.push(format!(
            "{place}: foreign key ON DELETE {}; must be ON DELETE CASCADE: {sql}",
            key.on_delete
        ));
    }
    Ok(())
}

/// Why no statement adds a foreign key, and what to do first.
fn obstacle(
    session: &mut Session,
    table: &TableFacts,
    parent: &TableFacts,
    (name, found): (&str, &ColumnFacts),
    id: &ColumnFacts,
) -> QueryResult<Option<String>> {
    let (child, parent_name) = (table.name, parent.name);
    let orphan = format!("{name} NOT IN (SELECT id FROM {parent_name})");
    let orphans = count(session, child, &orphan)?;
    if orphans > 0 {
        let what = if orphans == 1 {
            "row refers"
        } else {
            "rows refer"
        };
        return Ok(Some(format!(
            "{orphans} {what} to no row of {parent_name}; repair or remove them first: \
             SELECT * FROM {child} WHERE {orphan}"
        )));
    }
    Ok((!is_within(integer(found), integer(id))).then(|| {
        format!(
            "its type {} holds values that the type {} of {parent_name}.id does not: both have to \
             have the wider one first",
            found.row.full_type, id.row.full_type
        )
    }))
}

/// The type of an integer column without its display width, and whether it is unsigned.
fn integer(column: &ColumnFacts) -> (&str, bool) {
    let is_unsigned = column.row.full_type.to_lowercase().contains("unsigned");
    (&column.row.family, is_unsigned)
}

/// Whether every value of the type `inner` is one of the type `outer`.
fn is_within(inner: (&str, bool), outer: (&str, bool)) -> bool {
    let sizes = ["tinyint", "smallint", "mediumint", "int", "bigint"];
    let size = |family| sizes.iter().position(|size| *size == family);
    let (Some(inner_size), Some(outer_size)) = (size(inner.0), size(outer.0)) else {
        return false;
    };
    match (inner.1, outer.1) {
        (true, false) => inner_size < outer_size,
        // Ids are positive, so no reference is lost when a column becomes unsigned.
        _ => inner_size <= outer_size,
    }
}

impl ColumnFacts {
    /// The name in the table.
    fn definition_name(&self) -> String {
        self.sql_name.trim_matches('`').replace("``", "`")
    }
}

impl TableFacts {
    /// Checks that `id` and `email` are unique, and that no other unique index rejects rows that
    /// the contract allows.
    pub(super) fn check_uniques(&self, columns: &[Column], mismatches: &mut Vec<String>) {
        let table = self.name;
        let mut indexes: Vec<Vec<&UniqueFacts>> = Vec::new();
        for part in &self.uniques {
            match indexes.last_mut() {
                Some(index) if index[0].index_name == part.index_name => index.push(part),
                _ => indexes.push(vec![part]),
            }
        }
        let is_unique = |name: &str| {
            indexes.iter().any(|index| {
                index.len() == 1
                    && index[0].column_name.as_deref() == Some(name)
                    && index[0].prefix.is_none()
            })
        };
        let has_primary_key = self.uniques.iter().any(|part| part.index_name == "PRIMARY");
        for name in ["id", "email"] {
            let Some(found) = self.column(name) else {
                continue;
            };
            if columns.iter().any(|column| column.name == name) && !is_unique(name) {
                let bytes = found.row.length.unwrap_or_default() * found.row.bytes_per_character;
                let kind = if name == "id" && !has_primary_key {
                    "PRIMARY KEY"
                } else {
                    "UNIQUE INDEX"
                };
                let add = format!("ADD {kind} ({})", found.sql_name);
                let sql = alter(self, &format!("{}{add}", row_format(self, bytes)));
                mismatches.push(format!(
                    "{table}.{name}: no unique index on it alone: {sql}"
                ));
            }
        }

        // A unique index rejects no row when one of its columns never has the same value in two
        // rows: the id, the email, or a column that inserts leave NULL.
        let never_repeats = |part: &UniqueFacts| {
            let name = part.column_name.as_deref().unwrap_or_default();
            let is_needed = columns.iter().any(|column| column.name == name);
            let is_whole = part.prefix.is_none();
            is_whole && (name == "id" || (name == "email" && is_needed))
                || !is_needed
                    && self.columns.iter().any(|column| {
                        column.name == name
                            && column.is_nullable()
                            && column.row.has_default == 0
                            && !column.is_generated()
                    })
        };
        for index in indexes {
            if index.iter().any(|part| never_repeats(part)) {
                continue;
            }
            let names: Vec<&str> = index
                .iter()
                .map(|part| part.column_name.as_deref().unwrap_or("an expression"))
                .collect();
            let index = &index[0].index_name;
            let drop = if index == "PRIMARY" {
                "DROP PRIMARY KEY".to_owned()
            } else {
                format!("DROP INDEX {}", quoted(index))
            };
            mismatches.push(format!(
                "{table}: unique index {index} on {} would reject rows that the contract allows: {}",
                names.join(", "),
                alter(self, &drop)
            ));
        }
    }
}

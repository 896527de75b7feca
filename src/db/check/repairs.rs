//! The SQL that the check suggests. No statement may destroy what is stored: each begins with
//! settings under which the server rejects a value that does not fit, no column becomes narrower,
//! and every attribute of a column is kept. Imports no other module of the check but the facts.

use super::catalogue::{ColumnFacts, TableFacts};
use super::created::Definition;
use super::needed::{Column, Kind};

/// What every suggestion begins with, whatever the settings of the session are that it is run in.
/// `NO_AUTO_VALUE_ON_ZERO` keeps an id 0 when a column becomes `AUTO_INCREMENT`.
const SAFELY: &str = "SET SESSION sql_mode = \
     'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', \
     foreign_key_checks = 1, unique_checks = 1; ";

/// The longest key in a table with one of the old row formats, in bytes.
const OLD_KEY_BYTES: i64 = 767;
/// The longest row without its TEXT columns, in bytes, and some space for the server's own data.
const ROW_BYTES: i64 = 65_000;

/// A statement that changes a table.
pub(super) fn alter(table: &TableFacts, change: &str) -> String {
    format!("{SAFELY}ALTER TABLE {} {change}", table.sql_name)
}

/// A statement that gives a column a new definition.
pub(super) fn modify(table: &TableFacts, found: &ColumnFacts, definition: &Definition) -> String {
    alter(table, &modification(found, definition))
}

/// The part of a statement that gives a column a new definition.
pub(super) fn modification(found: &ColumnFacts, definition: &Definition) -> String {
    format!("MODIFY {} {definition}", found.sql_name)
}

/// The present definition of a column with the attributes that the program needs.
pub(super) fn with_needed_attributes(needed: &Column, found: &ColumnFacts) -> Definition {
    let mut definition = found.definition.clone();
    definition.is_nullable = needed.nullable;
    if matches!(needed.kind, Kind::Id) {
        definition.is_auto_increment = true;
        definition.default = None;
    }
    definition
}

/// A type for text of `limit` characters that holds every present value; `None` if no type surely
/// does.
pub(super) fn wider_text(
    table: &TableFacts,
    needed: &Column,
    found: &ColumnFacts,
    limit: i64,
) -> Option<Definition> {
    let mut definition = with_needed_attributes(needed, found);
    let length = found.row.length.unwrap_or_default();
    let is_bytes = found.capacity().is_none();
    let full_type = match found.row.family.as_str() {
        "char" | "varchar" | "tinyblob" if limit > 1000 => "text".to_owned(),
        "tinyblob" => varchar(limit.max(255)),
        "tinytext" | "blob" => "text".to_owned(),
        "mediumblob" => "mediumtext".to_owned(),
        "longblob" => "longtext".to_owned(),
        "varbinary" if limit > 1000 || length > 16_000 => "text".to_owned(),
        "char" | "varchar" | "varbinary" => varchar(length.max(limit)),
        // As text these have at most 67 characters, and are written without a loss.
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" if limit >= 67 => {
            varchar(limit)
        }
        _ => return None,
    };
    if is_bytes {
        // Bytes that are not UTF-8 make the statement fail.
        definition.charset = Some("utf8mb4".into());
        definition.collation = None;
    }
    let bytes = if is_bytes {
        4
    } else {
        found.row.bytes_per_character
    };
    let is_varchar = full_type.starts_with("varchar");
    definition.full_type = if is_varchar
        && needed.name != "email"
        && table.row_bytes_without(found) + limit * bytes > ROW_BYTES
    {
        "text".to_owned()
    } else {
        full_type
    };
    Some(definition)
}

/// The definition of a column of text in utf8mb4, in a type that holds every present value.
pub(super) fn in_utf8mb4(found: &ColumnFacts) -> Definition {
    let mut definition = found.definition.clone();
    // The limits of the TEXT family are in bytes, and a character may have more of them now.
    definition.full_type = match found.row.family.as_str() {
        "tinytext" => "text".to_owned(),
        "text" => "mediumtext".to_owned(),
        "mediumtext" => "longtext".to_owned(),
        _ => definition.full_type,
    };
    definition.charset = Some("utf8mb4".into());
    let collation = found.row.collation.as_deref().unwrap_or_default();
    let distinguishes_case = collation.ends_with("_bin") || collation.ends_with("_cs");
    definition.collation = Some(if distinguishes_case {
        "utf8mb4_bin".into()
    } else {
        "utf8mb4_unicode_520_ci".into()
    });
    definition
}

/// The change of the row format, before others, that a key of this many bytes needs.
pub(super) fn row_format(table: &TableFacts, key_bytes: i64) -> &'static str {
    let is_old = ["Compact", "Redundant"].contains(&table.row_format.as_str());
    if is_old && key_bytes > OLD_KEY_BYTES {
        "ROW_FORMAT = DYNAMIC, "
    } else {
        ""
    }
}

fn varchar(length: i64) -> String {
    format!("varchar({length})")
}

impl TableFacts {
    /// The largest number of bytes of text in a row, without the TEXT family and without `column`.
    fn row_bytes_without(&self, column: &ColumnFacts) -> i64 {
        let columns = self.columns.iter();
        let others = columns.filter(|other| other.sql_name != column.sql_name);
        let bytes = others.map(|other| match other.row.family.as_str() {
            "char" | "varchar" | "binary" | "varbinary" => {
                other.row.length.unwrap_or_default() * other.row.bytes_per_character + 2
            }
            _ => 12,
        });
        bytes.sum()
    }
}

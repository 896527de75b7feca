//! Checks that each column that the program needs can hold its values, and that inserts can omit
//! the other columns.

use super::catalogue::{ColumnFacts, Facts};
use super::needed::{Column, Kind, PASSWORD_HASH_CHARS};

impl Facts {
    /// Checks one column that the program needs.
    pub(super) fn check_column(&self, table: &str, needed: &Column, mismatches: &mut Vec<String>) {
        let Column { name, sql, .. } = needed;
        let Some(found) = self.column(table, name) else {
            mismatches.push(format!(
                "{table}.{name}: the column is missing; needed: {sql}"
            ));
            return;
        };
        if let Some(reason) = wrong_type(needed.kind, found) {
            mismatches.push(format!(
                "{table}.{name}: {reason}: ALTER TABLE {table} MODIFY {name} {sql}"
            ));
        } else if found.is_generated() {
            mismatches.push(format!(
                "{table}.{name}: is generated; must be an ordinary column, written by inserts"
            ));
        } else if let Some(reason) = wrong_attribute(needed, found) {
            mismatches.push(format!(
                "{table}.{name}: {reason}: ALTER TABLE {table} MODIFY {name} {}",
                same_type(needed, found)
            ));
        }
        if let Kind::Reference(parent) = needed.kind {
            self.check_key(table, name, parent, mismatches);
        }
    }

    /// Checks the columns that the program does not know, which its inserts omit.
    pub(super) fn check_further_columns(
        &self,
        table: &str,
        columns: &[Column],
        mismatches: &mut Vec<String>,
    ) {
        let further = self
            .columns
            .iter()
            .filter(|found| found.in_table == table)
            .filter(|found| columns.iter().all(|column| column.name != found.name));
        for found in further {
            let can_be_omitted = found.nullable == "YES"
                || found.has_default == 1
                || found.is_generated()
                || found.extra.contains("AUTO_INCREMENT");
            if !can_be_omitted {
                let name = &found.name;
                mismatches.push(format!(
                    "{table}.{name}: NOT NULL without a default, so inserts would fail: \
                     ALTER TABLE {table} MODIFY `{name}` {} NULL",
                    found.full_type
                ));
            }
        }
    }
}

/// What is wrong with the column's type; `None` if nothing is.
fn wrong_type(kind: Kind, found: &ColumnFacts) -> Option<String> {
    let full_type = &found.full_type;
    match kind {
        Kind::Id | Kind::Reference(_) => {
            let integers = ["tinyint", "smallint", "mediumint", "int", "bigint"];
            (!integers.contains(&found.family.as_str()))
                .then(|| format!("{full_type}; must be an integer"))
        }
        Kind::Text(limit) => match found.capacity() {
            None => Some(format!("{full_type}; must be text for {limit} characters")),
            Some(_) if found.family == "char" => Some(format!(
                "{full_type}; must be VARCHAR, since CHAR drops trailing spaces"
            )),
            Some(chars) if chars < limit => Some(format!(
                "{full_type}, for {chars} characters; must hold {limit}"
            )),
            Some(_) => match found.charset.as_deref() {
                Some("utf8mb4") => None,
                other => Some(format!(
                    "character set {}; must be utf8mb4, which holds any text",
                    other.unwrap_or("none")
                )),
            },
        },
        Kind::Hash => match found.capacity() {
            Some(chars) if chars >= PASSWORD_HASH_CHARS => None,
            _ => Some(format!(
                "{full_type}; must be text of {PASSWORD_HASH_CHARS} characters or more, the length \
                 of an Argon2id hash"
            )),
        },
        Kind::Role => {
            let accepted = ["enum('ADMIN','USER')", "enum('USER','ADMIN')"];
            (!accepted.contains(&full_type.as_str()))
                .then(|| format!("{full_type}; must be ENUM('ADMIN', 'USER')"))
        }
    }
}

/// What is wrong with the attributes of a column of the right type; `None` if nothing is.
fn wrong_attribute(needed: &Column, found: &ColumnFacts) -> Option<&'static str> {
    let is_auto_increment = found.extra.contains("AUTO_INCREMENT");
    match (found.nullable == "YES", needed.nullable) {
        (true, false) => Some("nullable; must be NOT NULL"),
        (false, true) => Some("NOT NULL; must be nullable"),
        _ if matches!(needed.kind, Kind::Id) && !is_auto_increment => {
            Some("must be AUTO_INCREMENT")
        }
        _ => None,
    }
}

/// The column's present type with the attributes that are needed, so that no stored value changes.
fn same_type(needed: &Column, found: &ColumnFacts) -> String {
    let mut sql = found.full_type.clone();
    if let Some(charset) = &found.charset {
        sql.push_str(" CHARACTER SET ");
        sql.push_str(charset);
    }
    sql.push_str(if needed.nullable {
        " NULL"
    } else {
        " NOT NULL"
    });
    if matches!(needed.kind, Kind::Id) {
        sql.push_str(" AUTO_INCREMENT");
    }
    sql
}

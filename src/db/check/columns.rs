//! Checks that each column that the program needs can hold its values, and that inserts can omit
//! the other columns.

use diesel::QueryResult;

use crate::db::session::Session;

use super::catalogue::{ColumnFacts, TableFacts, count};
use super::needed::{Column, Kind, PASSWORD_HASH_CHARS};
use super::repairs::{alter, in_utf8mb4, modification, modify, row_format};
use super::repairs::{wider_text, with_needed_attributes};

impl TableFacts {
    /// Checks one column that the program needs.
    pub(super) fn check_column(
        &self,
        session: &mut Session,
        needed: &Column,
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        let (table, Column { name, sql, .. }) = (self.name, needed);
        let Some(found) = self.column(name) else {
            mismatches.push(format!(
                "{table}.{name}: the column is missing; needed: {sql}"
            ));
            return Ok(());
        };
        let found_type = wrong_type(needed.kind, found);
        let reason = match &found_type {
            Some(reason) => reason.as_str(),
            None if found.is_generated() => {
                mismatches.push(format!(
                    "{table}.{name}: is generated; must be an ordinary column, written by inserts"
                ));
                return Ok(());
            }
            None => match wrong_attribute(needed, found) {
                Some(reason) => reason,
                None => return Ok(()),
            },
        };
        if let Some(rows) = self.unfit_rows(session, needed, found)? {
            mismatches.push(format!("{table}.{name}: {reason}; {rows}"));
            return Ok(());
        }
        mismatches.push(if found_type.is_none() {
            let definition = with_needed_attributes(needed, found);
            format!(
                "{table}.{name}: {reason}: {}",
                modify(self, found, &definition)
            )
        } else if let Some(sql) = self.with_needed_type(needed, found) {
            format!("{table}.{name}: {reason}: {sql}")
        } else {
            format!(
                "{table}.{name}: {reason}; no statement converts it without a possible loss: copy \
                 the values into a new column, {sql}"
            )
        });
        Ok(())
    }

    /// The stored values for which the needed type or NOT NULL has no place, as a sentence. The
    /// statement that changes the column would fail, and under a lax `sql_mode` replace them.
    fn unfit_rows(
        &self,
        session: &mut Session,
        needed: &Column,
        found: &ColumnFacts,
    ) -> QueryResult<Option<String>> {
        let (table, name) = (self.name, needed.name);
        if found.is_nullable() && !needed.nullable {
            let rows = count(session, table, &format!("{name} IS NULL"))?;
            if rows > 0 {
                let what = if rows == 1 { "row has" } else { "rows have" };
                return Ok(Some(format!(
                    "{rows} {what} NULL there, which has to be replaced first: \
                     SELECT * FROM {table} WHERE {name} IS NULL"
                )));
            }
        }
        if matches!(needed.kind, Kind::Role) {
            // Compared as texts, as the server does when it changes the type.
            let none = format!("CONCAT({name}) NOT IN ('ADMIN', 'USER')");
            return roles_to_replace(session, table, &none);
        }
        Ok(None)
    }

    /// The statement that gives a column of the wrong type one that fits, without narrowing it.
    fn with_needed_type(&self, needed: &Column, found: &ColumnFacts) -> Option<String> {
        let definition = match needed.kind {
            Kind::Text(limit) => wider_text(self, needed, found, limit)?,
            Kind::Hash => wider_text(self, needed, found, 255)?,
            Kind::Role => {
                let mut definition = with_needed_attributes(needed, found);
                definition.full_type = "enum('ADMIN','USER')".into();
                if !["char", "varchar", "enum"].contains(&found.row.family.as_str()) {
                    return None;
                }
                let is_role = |default: &String| ["'ADMIN'", "'USER'"].contains(&default.as_str());
                definition.default = definition.default.filter(is_role);
                definition
            }
            Kind::Id | Kind::Reference(_) => {
                if found.row.family != "decimal" || found.row.scale != Some(0) {
                    return None;
                }
                let mut definition = with_needed_attributes(needed, found);
                let is_unsigned = found.row.full_type.contains("unsigned");
                definition.full_type = if is_unsigned {
                    "bigint unsigned"
                } else {
                    "bigint"
                }
                .into();
                definition
            }
        };
        let key_bytes = match definition.full_type.strip_prefix("varchar(") {
            Some(_) => 255 * 4,
            None => 0,
        };
        let change = modification(found, &definition);
        Some(alter(
            self,
            &format!("{}{change}", row_format(self, key_bytes)),
        ))
    }

    /// Checks that every stored role is one, in a column of the right type: on a server with a lax
    /// `sql_mode`, a role that the column does not know was stored as an empty text.
    pub(super) fn check_roles(
        &self,
        session: &mut Session,
        columns: &[Column],
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        for needed in columns
            .iter()
            .filter(|needed| matches!(needed.kind, Kind::Role))
        {
            let (table, name) = (self.name, needed.name);
            let fits = |found: &ColumnFacts| wrong_type(needed.kind, found).is_none();
            if !self.column(name).is_some_and(fits) {
                continue;
            }
            if let Some(rows) = roles_to_replace(session, table, &format!("{name} = ''"))? {
                mismatches.push(format!("{table}.{name}: {rows}"));
            }
        }
        Ok(())
    }

    /// Checks the columns that the program does not know, which its inserts omit.
    pub(super) fn check_further_columns(&self, columns: &[Column], mismatches: &mut Vec<String>) {
        let table = self.name;
        let is_known = |found: &&ColumnFacts| {
            let is_needed = |needed: &Column| {
                let known = self.column(needed.name);
                known.is_some_and(|known| known.sql_name == found.sql_name)
            };
            columns.iter().any(is_needed)
        };
        for found in self.columns.iter().filter(|found| !is_known(found)) {
            let can_be_omitted = found.is_nullable()
                || found.row.has_default == 1
                || found.is_generated()
                || found.is_auto_increment();
            if can_be_omitted {
                continue;
            }
            let name = &found.name;
            let reason = "NOT NULL without a default, so inserts would fail";
            let is_in_primary_key = self.uniques.iter().any(|part| {
                part.index_name == "PRIMARY" && part.column_name.as_ref() == Some(name)
            });
            mismatches.push(if is_in_primary_key {
                format!(
                    "{table}.{name}: {reason}; it is in the primary key, which has no NULL: give \
                     it a default, or make id the primary key"
                )
            } else {
                let mut definition = found.definition.clone();
                definition.is_nullable = true;
                format!(
                    "{table}.{name}: {reason}: {}",
                    modify(self, found, &definition)
                )
            });
        }
    }

    /// The columns that cannot hold every character that the contract allows, each as a warning.
    pub(super) fn character_sets(&self, columns: &[Column]) -> Vec<String> {
        let texts = columns
            .iter()
            .filter(|needed| matches!(needed.kind, Kind::Text(_)));
        let lacking = texts.filter_map(|needed| {
            let found = self.column(needed.name)?;
            let charset = found.row.charset.as_deref()?;
            if charset == "utf8mb4" {
                return None;
            }
            let definition = in_utf8mb4(found);
            let bytes = found.row.length.unwrap_or_default() * 4;
            let change = modification(found, &definition);
            let sql = alter(self, &format!("{}{change}", row_format(self, bytes)));
            Some(format!(
                "{}.{}: character set {charset}, which lacks characters; a request with one of \
                 these is a 400. This column holds every character after: {sql}",
                self.name, needed.name
            ))
        });
        lacking.collect()
    }
}

/// Says how many rows have a role that is none, if any.
fn roles_to_replace(
    session: &mut Session,
    table: &str,
    condition: &str,
) -> QueryResult<Option<String>> {
    let rows = count(session, table, condition)?;
    let what = if rows == 1 { "row has" } else { "rows have" };
    Ok((rows > 0).then(|| {
        format!(
            "{rows} {what} a role that is neither ADMIN nor USER; give each of them one of the two \
             first: SELECT * FROM {table} WHERE {condition}"
        )
    }))
}

/// What is wrong with the column's type; `None` if nothing is.
fn wrong_type(kind: Kind, found: &ColumnFacts) -> Option<String> {
    let full_type = &found.row.full_type;
    match kind {
        Kind::Id | Kind::Reference(_) => {
            let integers = ["tinyint", "smallint", "mediumint", "int", "bigint"];
            (!integers.contains(&found.row.family.as_str()))
                .then(|| format!("{full_type}; must be an integer"))
        }
        Kind::Text(limit) => match found.capacity() {
            None => Some(format!("{full_type}; must be text for {limit} characters")),
            Some(_) if found.row.family == "char" => Some(format!(
                "{full_type}; must be VARCHAR, since CHAR drops trailing spaces"
            )),
            Some(chars) if chars < limit => Some(format!(
                "{full_type}, for {chars} characters; must hold {limit}"
            )),
            Some(_) => None,
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
    match (found.is_nullable(), needed.nullable) {
        (true, false) => Some("nullable; must be NOT NULL"),
        (false, true) => Some("NOT NULL; must be nullable"),
        _ if matches!(needed.kind, Kind::Id) && !found.is_auto_increment() => {
            Some("must be AUTO_INCREMENT")
        }
        _ => None,
    }
}

//! The check that the database's tables fit this program. Each mismatch is one line, with the SQL
//! statement that repairs it, if one does so without a possible loss. Imports `db::indexes`,
//! `db::session`, and from `db::migrations` the comment on the tables that it creates.
//!
//! | what              | needed                                                                    |
//! |-------------------|---------------------------------------------------------------------------|
//! | table             | of InnoDB, or a view of plain columns of all rows of one table            |
//! | `id`              | an integer of any width, signed or not; `AUTO_INCREMENT` and unique; the values stored and the next one within 1 to 2147483647 |
//! | `user_id`, `product_id` | an integer; a foreign key to the parent's `id`, `ON DELETE CASCADE` |
//! | `email`, `title`, `image_url`, `description` | VARCHAR or TEXT family, as long as the contract allows or longer; no stored value longer than that. No CHAR: it drops trailing spaces. A character set that lacks characters is a warning |
//! | `password`        | CHAR, VARCHAR or TEXT family, any character set, for 97 characters (an Argon2id hash) or more. What is stored is never read here |
//! | `role`            | ENUM of exactly ADMIN and USER, in any order; no stored value that is neither |
//! | nullability       | as in the baseline                                                        |
//! | unique indexes    | one on `email` alone; others only if the contract's requests cannot violate them |
//! | further columns   | nullable, with a default, or generated: inserts do not mention them       |
//! | triggers          | on MySQL, none that sets `NEW.id` before an insert                         |
//!
//! Not checked: other triggers, CHECK constraints, foreign keys of other tables to these, defaults,
//! collations, and stored values other than ids, roles and lengths.
//!
//! The check needs no right but SELECT on each table. It runs a few queries of the catalogue for
//! each table, one query of the smallest and the largest id, and one of the roles: a few
//! milliseconds, no locks. It also scans each column that can hold more than the contract allows,
//! unless the baseline created the table, since then only this program writes there; and each
//! column that it says a statement for.

mod catalogue;
mod columns;
mod created;
mod keys;
mod needed;
mod repairs;
mod stored;
mod tables;
mod triggers;

use diesel::QueryResult;

use super::idempotency;
use super::indexes::ListIndex;
use super::migrations::MARK;
use super::session::Session;
use super::sessions;

use catalogue::TableFacts;
use needed::{Kind, TABLES};
use tables::Value;

/// The tables that were found.
struct Tables(Vec<TableFacts>);

impl Tables {
    /// Finds the three tables; adds a line for each that there is not, or that is no use.
    fn load(session: &mut Session, mismatches: &mut Vec<String>) -> QueryResult<Self> {
        let mut found = Vec::new();
        for (table, _) in &TABLES {
            match tables::find(session, table)? {
                Ok(base) => found.push(TableFacts::load(session, table, base)?),
                Err(mismatch) => mismatches.push(mismatch),
            }
        }
        Ok(Self(found))
    }

    fn get(&self, name: &str) -> Option<&TableFacts> {
        self.0.iter().find(|table| table.name == name)
    }
}

/// What does not work although the tables of the session's database fit, one line for each.
///
/// # Errors
/// When the database cannot be read.
pub fn warnings(session: &mut Session) -> QueryResult<Vec<String>> {
    let mut warnings = Vec::new();
    let tables = Tables::load(session, &mut Vec::new())?;
    for (table, columns) in &TABLES {
        if let Some(found) = tables.get(table) {
            warnings.extend(found.character_sets(columns));
        }
    }
    for index in ListIndex::ALL {
        let exists = index.exists_sql();
        let found: Vec<Value> =
            session.load(&format!("SELECT IF({exists}, 'yes', NULL) AS value"))?;
        if found.iter().any(|row| row.value.is_some()) {
            continue;
        }
        let (table, column) = index.column();
        warnings.push(format!(
            "{table}.{column}: no index that lists can be read from, so that {table} cannot be \
             searched or sorted by {column}: `ecommerce-api migrate run` adds one to products if \
             `migrate status` shows a migration as pending; else ALTER TABLE {table} ADD INDEX \
             ({column}), which takes texts of up to VARCHAR(768)"
        ));
    }
    let exists = idempotency::TABLE_EXISTS;
    let found: Vec<Value> = session.load(&format!("SELECT IF({exists}, 'yes', NULL) AS value"))?;
    if found.iter().all(|row| row.value.is_none()) {
        warnings.push(
            "idempotency_keys: there is no such table, or this user has no rights to it, so that requests \
             with an Idempotency-Key are rejected: `ecommerce-api migrate run` creates it"
                .to_owned(),
        );
    }
    let exist = sessions::TABLES_EXIST;
    let found: Vec<Value> = session.load(&format!("SELECT IF({exist}, 'yes', NULL) AS value"))?;
    if found.iter().all(|row| row.value.is_none()) {
        warnings.push(
            "auth_sessions, auth_refresh_tokens, auth_ended_sessions, auth_login_attempts: there are no such tables, or this user \
             has no rights to them, so that nobody can log in: `ecommerce-api migrate run` creates them"
                .to_owned(),
        );
    }
    Ok(warnings)
}

/// The mismatches between the session's database and what the program needs, one line for each.
///
/// # Errors
/// When the database cannot be read.
pub fn mismatches(session: &mut Session) -> QueryResult<Vec<String>> {
    let mut mismatches = Vec::new();
    let tables = Tables::load(session, &mut mismatches)?;
    for (table, columns) in &TABLES {
        let Some(found) = tables.get(table) else {
            continue;
        };
        if !found.engine.eq_ignore_ascii_case("InnoDB") {
            mismatches.push(format!(
                "{table}: engine {}; must be InnoDB, for transactions and foreign keys: {}",
                found.engine,
                repairs::alter(found, "ENGINE = InnoDB")
            ));
        }
        for needed in *columns {
            found.check_column(session, needed, &mut mismatches)?;
            if let Kind::Reference(parent) = needed.kind {
                keys::check_key(
                    session,
                    &tables,
                    found,
                    needed.name,
                    parent,
                    &mut mismatches,
                )?;
            }
        }
        found.check_uniques(columns, &mut mismatches);
        found.check_further_columns(columns, &mut mismatches);
        found.check_triggers(session, &mut mismatches)?;
        found.check_ids(session, &mut mismatches)?;
        found.check_roles(session, columns, &mut mismatches)?;
        if found.comment != MARK {
            found.check_lengths(session, columns, &mut mismatches)?;
        }
    }
    Ok(mismatches)
}

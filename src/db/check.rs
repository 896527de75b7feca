//! The check that the database's tables fit this program. Each mismatch is one line, with the SQL
//! statement that repairs it, if one statement can. Imports `db::indexes`, `db::session`, and from
//! `db::migrations` the comment on the tables that it creates.
//!
//! | what              | needed                                                                    |
//! |-------------------|---------------------------------------------------------------------------|
//! | table             | a base table (no view), InnoDB                                            |
//! | `id`              | an integer of any width, signed or not; `AUTO_INCREMENT` and unique; the values stored and the next one within 1 to 2147483647 |
//! | `user_id`, `product_id` | an integer; a foreign key to the parent's `id`, `ON DELETE CASCADE` |
//! | `email`, `title`, `image_url`, `description` | VARCHAR or TEXT family, utf8mb4, as long as the contract allows or longer; no stored value longer than that. No CHAR: it drops trailing spaces |
//! | `password`        | CHAR, VARCHAR or TEXT family, any character set, for 97 characters (an Argon2id hash) or more. What is stored is never read here |
//! | `role`            | ENUM of exactly ADMIN and USER, in any order                              |
//! | nullability       | as in the baseline                                                        |
//! | unique indexes    | one on `email` alone; others only if the contract's requests cannot violate them |
//! | further columns   | nullable, with a default, or generated: inserts do not mention them       |
//!
//! Not checked: triggers, CHECK constraints, foreign keys of other tables to these, defaults,
//! collations, and stored values other than ids and lengths.
//!
//! The check runs four queries of the catalogue, and for each table one query of the smallest and
//! the largest id: a few milliseconds, no locks. It also scans each column that can hold more than
//! the contract allows, unless the baseline created the table, since then only this program writes
//! there.

mod catalogue;
mod columns;
mod keys;
mod needed;
mod stored;

use diesel::QueryResult;

use super::idempotency;
use super::indexes::ListIndex;
use super::migrations::MARK;
use super::session::Session;

use catalogue::{Facts, Value};
use needed::TABLES;

/// The features that do not work although the tables of the session's database fit, one line for
/// each.
///
/// # Errors
/// When the database cannot be read.
pub fn warnings(session: &mut Session) -> QueryResult<Vec<String>> {
    let mut warnings = Vec::new();
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
            "idempotency_keys: there is no such table, so that requests with an Idempotency-Key are \
             rejected: `ecommerce-api migrate run` creates it"
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
    let facts = Facts::load(session)?;
    let mut mismatches = Vec::new();
    for (table, columns) in &TABLES {
        let Some(found) = facts.tables.iter().find(|found| found.name == *table) else {
            mismatches.push(format!(
                "{table}: the table is missing; `ecommerce-api migrate run` creates it"
            ));
            continue;
        };
        if found.kind != "BASE TABLE" {
            mismatches.push(format!(
                "{table}: is a {}; must be a table",
                found.kind.to_lowercase()
            ));
            continue;
        }
        let engine = found.engine.as_deref().unwrap_or("none");
        if !engine.eq_ignore_ascii_case("InnoDB") {
            mismatches.push(format!(
                "{table}: engine {engine}; must be InnoDB, for transactions and foreign keys: \
                 ALTER TABLE {table} ENGINE = InnoDB"
            ));
        }
        for needed in *columns {
            facts.check_column(table, needed, &mut mismatches);
        }
        facts.check_uniques(table, columns, &mut mismatches);
        facts.check_further_columns(table, columns, &mut mismatches);
        facts.check_ids(session, found, &mut mismatches)?;
        if found.comment != MARK {
            facts.check_lengths(session, table, columns, &mut mismatches)?;
        }
    }
    Ok(mismatches)
}

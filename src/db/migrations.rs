//! The migrations, embedded in the binary. Imports `db::session`, `db::session_settings` and
//! `error`.
//!
//! Their SQL is in the directory `migrations/`, with which the command `diesel` works, too.
//! Processes that migrate one database at the same time take turns, by `GET_LOCK`, which locks on
//! one server and not in a whole cluster. Statements that change tables commit at once, so a
//! migration that fails halfway is half done; it is not recorded, and the baseline may simply be
//! run again.
//!
//! `revert` undoes the newest migration that is applied. For the baseline that means dropping
//! tables, under two rules: a table that existed before, which lacks the comment of the tables that
//! the baseline created, is never dropped; and rows are lost only if the caller allows it.

use std::fmt;

use diesel::QueryableByName;
use diesel::migration::{Migration, MigrationSource};
use diesel::mysql::Mysql;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::session::Session;
use super::session_settings::Purpose;
use crate::error::Cause;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The version of the migration that creates the tables.
const BASELINE: &str = "20261121000000";
/// Diesel's table of the applied migrations.
const RECORD: &str = "__diesel_schema_migrations";
/// The comment on tables that the baseline created; up.sql writes it, down.sql reads it.
pub(super) const MARK: &str = "created by ecommerce-api";
/// How long to wait for another process that migrates, in seconds.
const LOCK_TIMEOUT_S: u32 = 60;

/// A migration of this program, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The migration's directory: date, number and name.
    pub name: String,
    /// Whether the database records it as applied.
    pub applied: bool,
}

/// What [`revert`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverted {
    /// The migration that is no longer applied.
    pub name: String,
    /// The tables that were dropped, children first, with their numbers of rows.
    pub dropped: Vec<TableRows>,
    /// The tables that were kept, since the migration did not create them.
    pub kept: Vec<String>,
}

/// A table and how many rows it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRows {
    /// The table's name.
    pub table: String,
    /// Its number of rows.
    pub rows: i64,
}

impl fmt::Display for TableRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.rows == 1 { "" } else { "s" };
        write!(f, "{}: {} row{plural}", self.table, self.rows)
    }
}

/// Why the database was not migrated.
#[derive(Debug)]
pub enum Error {
    /// Another process held the migration lock for too long.
    Busy,
    /// Tables with rows would be dropped, which was not allowed. The list has all tables that would
    /// be dropped.
    RowsWouldBeLost(Vec<TableRows>),
    /// Other tables refer to those that would be dropped (`other -> dropped`).
    ReferredTo(Vec<String>),
    /// The record of applied migrations cannot be seen or created.
    Record(Cause),
    /// A migration failed: its name and the cause.
    Failed(String, String),
    /// The record of applied migrations, or the tables, cannot be read.
    Query(Cause),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(
                f,
                "another process has been migrating this database for {LOCK_TIMEOUT_S} s; try again when it is done"
            ),
            Self::RowsWouldBeLost(tables) => {
                f.write_str("reverting would drop tables that have rows: ")?;
                for (place, table) in tables.iter().enumerate() {
                    let separator = if place == 0 { "" } else { ", " };
                    write!(f, "{separator}{table}")?;
                }
                f.write_str("; add --drop-tables to lose them")
            }
            Self::ReferredTo(tables) => write!(
                f,
                "tables to be dropped are referred to by foreign keys of others: {}; drop those keys first",
                tables.join(", ")
            ),
            Self::Failed(name, cause) => write!(
                f,
                "migration {name} failed: {cause}; it is not recorded as done: repair the cause \
                 (`ecommerce-api check` lists what does not fit) and run it again"
            ),
            Self::Record(cause) => write!(
                f,
                "cannot create the record of applied migrations: {cause}; if migrations have been \
                 applied, the database user needs SELECT on the table {RECORD} to see them"
            ),
            Self::Query(cause) => write!(f, "cannot read the state of the migrations: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<diesel::result::Error> for Error {
    fn from(cause: diesel::result::Error) -> Self {
        Self::Query(cause.into())
    }
}

/// Applies the pending migrations, oldest first; returns their names.
///
/// # Errors
/// [`Error::Busy`], or the error of the first migration that fails; those before it stay applied.
pub fn run(session: &mut Session) -> Result<Vec<String>, Error> {
    locked(session, |session| {
        // Diesel's own function would create the table of applied migrations, for which a user that
        // has nothing to migrate needs no right.
        if status(session)?.iter().all(|migration| migration.applied) {
            return Ok(Vec::new());
        }
        let pending = session.pending_migrations(MIGRATIONS);
        let pending = pending.map_err(Error::Record)?;
        let mut done = Vec::new();
        for migration in pending {
            let name = migration.name().to_string();
            session
                .run_migration(&migration)
                .map_err(|cause| Error::Failed(name.clone(), root_cause(cause.as_ref())))?;
            done.push(name);
        }
        Ok(done)
    })
}

/// Undoes the newest applied migration; `None` when none is applied. Tables with rows are dropped
/// only with `drop_tables`.
///
/// # Errors
/// [`Error::RowsWouldBeLost`] or [`Error::ReferredTo`] before anything is changed; else as [`run`].
pub fn revert(session: &mut Session, drop_tables: bool) -> Result<Option<Reverted>, Error> {
    locked(session, |session| {
        let applied = applied_versions(session)?;
        let newest = migrations()
            .into_iter()
            .rev()
            .find(|migration| applied.contains(&migration.name().version().to_string()));
        let Some(migration) = newest else {
            return Ok(None);
        };
        let name = migration.name().to_string();

        let mut dropped = Vec::new();
        let mut kept = Vec::new();
        if migration.name().version().to_string() == BASELINE {
            (dropped, kept) = tables_to_drop(session)?;
            if !drop_tables && dropped.iter().any(|table| table.rows > 0) {
                return Err(Error::RowsWouldBeLost(dropped));
            }
            let references = foreign_references(session, &dropped)?;
            if !references.is_empty() {
                return Err(Error::ReferredTo(references));
            }
        }
        session
            .revert_migration(&migration)
            .map_err(|cause| Error::Failed(name.clone(), root_cause(cause.as_ref())))?;
        Ok(Some(Reverted {
            name,
            dropped,
            kept,
        }))
    })
}

/// The state of each migration, oldest first. Only reads: it does not create the table of applied
/// migrations.
///
/// # Errors
/// When the database cannot be read.
pub fn status(session: &mut Session) -> Result<Vec<Status>, Error> {
    let applied = applied_versions(session)?;
    Ok(migrations()
        .iter()
        .map(|migration| Status {
            name: migration.name().to_string(),
            applied: applied.contains(&migration.name().version().to_string()),
        })
        .collect())
}

/// The embedded migrations, oldest first.
fn migrations() -> Vec<Box<dyn Migration<Mysql>>> {
    let mut migrations = MigrationSource::<Mysql>::migrations(&MIGRATIONS)
        .expect("embedded migrations are read at compile time");
    migrations.sort_by_key(|migration| migration.name().version().as_owned());
    migrations
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

/// The recorded versions. Diesel's own function would create the table.
fn applied_versions(session: &mut Session) -> Result<Vec<String>, Error> {
    let recorded: Vec<Name> = session.load(&format!(
        "SELECT table_name AS name FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = '{RECORD}'"
    ))?;
    if recorded.is_empty() {
        return Ok(Vec::new());
    }
    let versions: Vec<Name> = session.load(&format!("SELECT version AS name FROM {RECORD}"))?;
    Ok(versions.into_iter().map(|row| row.name).collect())
}

/// The tables that down.sql will drop, with their numbers of rows, and the tables that it will
/// keep.
fn tables_to_drop(session: &mut Session) -> Result<(Vec<TableRows>, Vec<String>), Error> {
    let mut dropped = Vec::new();
    let mut kept = Vec::new();
    for table in ["cart", "products", "users"] {
        let comments: Vec<Name> = session.load(&format!(
            "SELECT COALESCE(table_comment, '') AS name FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = '{table}'"
        ))?;
        match comments.first() {
            Some(comment) if comment.name == MARK => {
                let count: Vec<Number> =
                    session.load(&format!("SELECT COUNT(*) AS number FROM {table}"))?;
                dropped.push(TableRows {
                    table: table.into(),
                    rows: count.first().and_then(|row| row.number).unwrap_or_default(),
                });
            }
            Some(_) => kept.push(table.into()),
            None => {}
        }
    }
    Ok((dropped, kept))
}

/// Foreign keys from tables that stay to tables that would be dropped. With such keys, the revert
/// would fail halfway.
fn foreign_references(session: &mut Session, dropped: &[TableRows]) -> Result<Vec<String>, Error> {
    if dropped.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = dropped
        .iter()
        .map(|row| format!("'{}'", row.table))
        .collect();
    let names = names.join(", ");
    let references: Vec<Name> = session.load(&format!(
        "SELECT DISTINCT CONCAT(table_name, ' -> ', referenced_table_name) AS name \
         FROM information_schema.referential_constraints \
         WHERE unique_constraint_schema = DATABASE() AND referenced_table_name IN ({names}) \
           AND NOT (constraint_schema = DATABASE() AND table_name IN ({names})) \
         ORDER BY 1"
    ))?;
    Ok(references.into_iter().map(|row| row.name).collect())
}

/// Runs `work` while no other process migrates this database.
fn locked<T>(
    session: &mut Session,
    work: impl FnOnce(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    // A lock belongs to the whole server, and its name has at most 64 characters.
    const LOCK: &str = "CONCAT('ecommerce-api migrate ', MD5(DATABASE()))";
    let taken: Vec<Number> = session.load(&format!(
        "SELECT CAST(GET_LOCK({LOCK}, {LOCK_TIMEOUT_S}) AS SIGNED) AS number"
    ))?;
    if taken.first().and_then(|row| row.number) != Some(1) {
        return Err(Error::Busy);
    }
    let prepared = session.set_up(Purpose::Migrations);
    let result = prepared
        .map_err(|error| Error::Query(error.into()))
        .and_then(|()| work(session));
    // When this fails, the connection is lost.
    if let Err(error) = session.set_up(Purpose::Administration) {
        tracing::debug!(%error, "setting the session up again failed");
    }
    // When this fails, the connection is lost, and the server has released the lock.
    if let Err(error) = session.batch_execute(&format!("DO RELEASE_LOCK({LOCK})")) {
        tracing::debug!(%error, "releasing the migration lock failed");
    }
    result
}

/// The server's message, without the messages that diesel adds.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

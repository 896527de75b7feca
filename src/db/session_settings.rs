//! What every session of the database is told first, so that nothing depends on how the server was
//! configured. Imports `deadlines`.
//!
//! Diesel-async sets the character sets (utf8mb4) and the time zone (UTC) by itself. Each variable
//! here exists in MySQL 8 and in MariaDB from 10.6; the limit of a statement's time has another name
//! in each, and each server reads only the comment that is addressed to it.

use crate::deadlines;

/// What the statements of a session are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests, whose rows are read at once.
    Requests,
    /// Lists, whose rows are read as slowly as a client takes them.
    Lists,
    /// Migrations, checks and seeding, which take as long as they take.
    Maintenance,
}

/// The isolation level, and that transactions may write.
const TRANSACTIONS: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE";

/// The statements that set a session up.
pub(super) fn setup(purpose: Purpose) -> Vec<String> {
    // A statement that may take 0 seconds may take any time.
    let lock = deadlines::LOCK.as_secs();
    let (statement_seconds, lock_seconds) = match purpose {
        Purpose::Requests => (deadlines::STATEMENT.as_secs(), lock),
        Purpose::Lists => (0, lock),
        Purpose::Maintenance => (0, 60),
    };
    let milliseconds = statement_seconds * 1000;
    let mut settings = vec![
        // Each statement is a transaction, but for those between BEGIN and COMMIT; a COMMIT begins
        // no new one.
        "autocommit = 1".to_owned(),
        "completion_type = 'NO_CHAIN'".to_owned(),
        // A value that does not fit its column is an error, never cut.
        "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'".to_owned(),
        "foreign_key_checks = 1".to_owned(),
        "unique_checks = 1".to_owned(),
        // Every row of a list, however many they are; and changes by any condition.
        "sql_select_limit = 18446744073709551615".to_owned(),
        "sql_big_selects = 1".to_owned(),
        "sql_safe_updates = 0".to_owned(),
        // The server keeps the numbers of errors (see `errors`).
        "max_error_count = 64".to_owned(),
        // Waiting for a table that is being altered.
        format!("lock_wait_timeout = {lock_seconds}"),
        // The server waits for us while a client reads a list slowly: longer than its default of a
        // minute, and longer than we wait for any client.
        format!("net_write_timeout = {}", deadlines::LIST_WRITE.as_secs()),
    ];
    if purpose != Purpose::Maintenance {
        // Waiting for a row. A server without InnoDB does not know the variable, and the check of the
        // tables has to say what is wrong with it.
        settings.push(format!("innodb_lock_wait_timeout = {lock_seconds}"));
    }
    let settings = settings.join(", ");
    vec![
        format!(
            "SET SESSION {settings} /*M!100600 , max_statement_time = {statement_seconds} */ \
             /*!80000 , max_execution_time = {milliseconds} */"
        ),
        TRANSACTIONS.to_owned(),
    ]
}

//! The statements that set up each session of the database, so that nothing depends on the server's
//! configuration. Imports `deadlines`.
//!
//! Diesel-async sets the character sets (utf8mb4) and the time zone (UTC) by itself. Each variable
//! here exists in MySQL 8 and in MariaDB from 10.6, except the limit of a statement's time, which
//! has a different name in each: each server executes only the comment with its version prefix.

use crate::deadlines;

/// What the statements of a session are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests, which read all rows at once.
    Requests,
    /// Additions to carts in groups, which do not wait for locks.
    Groups,
    /// Lists, which read rows as fast as the client takes them.
    Lists,
    /// Migrations, checks and seeding, whose time is not limited.
    Maintenance,
}

/// The isolation level, and that transactions may write.
const TRANSACTIONS: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE";

/// The statements that set a session up.
pub(super) fn setup(purpose: Purpose) -> Vec<String> {
    // For the servers, a limit of 0 seconds means no limit.
    let lock = deadlines::LOCK.as_secs().to_string();
    let statement = deadlines::STATEMENT.as_secs();
    let (statement_seconds, lock_seconds) = match purpose {
        Purpose::Requests => (statement, lock),
        // MariaDB does not wait. MySQL waits for at least a second.
        Purpose::Groups => (statement, "1 /*M!100600 - 1 */".to_owned()),
        Purpose::Lists => (0, lock),
        Purpose::Maintenance => (0, "60".to_owned()),
    };
    let milliseconds = statement_seconds * 1000;
    let mut settings = vec![
        // Each statement outside of BEGIN and COMMIT is its own transaction, and COMMIT begins no
        // new one.
        "autocommit = 1".to_owned(),
        "completion_type = 'NO_CHAIN'".to_owned(),
        // A value that does not fit its column is an error and is never truncated.
        "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'".to_owned(),
        "foreign_key_checks = 1".to_owned(),
        "unique_checks = 1".to_owned(),
        // No limit on the rows of a list, and none on the conditions of changes.
        "sql_select_limit = 18446744073709551615".to_owned(),
        "sql_big_selects = 1".to_owned(),
        "sql_safe_updates = 0".to_owned(),
        // The server keeps the numbers of errors, which `errors` asks for.
        "max_error_count = 64".to_owned(),
        // The limit of waiting for a table that is being altered.
        format!("lock_wait_timeout = {lock_seconds}"),
        // How long the server waits while the client of a list does not read: longer than its
        // default of a minute, and longer than this program waits for any client.
        format!("net_write_timeout = {}", deadlines::LIST_WRITE.as_secs()),
    ];
    if purpose != Purpose::Maintenance {
        // The limit of waiting for a locked row. A server without InnoDB does not know the
        // variable, but the check of the tables has to connect to it, to report the missing engine.
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

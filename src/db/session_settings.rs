//! The variables that are set in each session of the database, so that nothing depends on the
//! server's configuration. [`SETTINGS`] is the only list of them. Imports `deadlines`.
//!
//! They are set when a connection is opened, after the server's `init_connect`. The driver sets them
//! again if it resets a connection (`COM_RESET_CONNECTION`), which the pools never do. Diesel-async
//! sets the character sets and the time zone once more, to the same values. The two statements of
//! `embedded::administration`, on a server without a configuration file, depend on no variable.
//!
//! Left to the operator are variables that change costs and not results (buffers, the optimizer,
//! logs), that concern replication and clusters, or that only limit what the server spends. The test
//! of the settings lists each of these with its reason.

use std::time::Duration;

use crate::deadlines::{self, Limits};

use Value::{Is, LockWait, Milliseconds, Seconds, Statement, StatementMilliseconds, Unset};

/// What the statements of a session are for. Another kind of session is a variant here and a column
/// in [`SETTINGS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests, which read all rows at once.
    Requests,
    /// Additions to carts in groups, which do not wait for locks.
    Groups,
    /// Lists, which read rows as fast as the client takes them.
    Lists,
    /// Migrations.
    Migrations,
    /// The check of the tables, and seeding.
    Administration,
}

/// The value of a variable in sessions of one purpose.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// This SQL expression.
    Is(&'static str),
    /// This time, in seconds.
    Seconds(Duration),
    /// The limit for waiting for a lock, in seconds.
    LockWait,
    /// The limit of a statement, in seconds.
    Statement,
    /// The limit of a statement, in milliseconds.
    StatementMilliseconds,
    /// This time, in milliseconds.
    Milliseconds(Duration),
    /// The server's value.
    Unset,
}

/// The servers that know a variable.
#[derive(Debug, Clone, Copy)]
enum Servers {
    /// MySQL 8 and MariaDB from 10.6.
    Both,
    MariaDb,
    MySql,
}

/// A variable with its values.
struct Setting {
    servers: Servers,
    variable: &'static str,
    /// For requests, groups, lists, migrations and administration.
    values: [Value; 5],
}

const fn all(servers: Servers, variable: &'static str, value: &'static str) -> Setting {
    each(servers, variable, [Is(value); 5])
}

const fn each(servers: Servers, variable: &'static str, values: [Value; 5]) -> Setting {
    Setting {
        servers,
        variable,
        values,
    }
}

/// How long migrations and administration wait for locks. Longer than requests: an operator who
/// starts them waits, too, and can interrupt them.
const MAINTENANCE_LOCK: Duration = Duration::from_mins(1);
/// No limit, for the servers.
const NO_LIMIT: Duration = Duration::ZERO;
/// How long the server keeps a connection on which nothing happens: its own default. A connection
/// may be idle in the middle of a list, while the client does not read.
const IDLE: Duration = Duration::from_hours(8);

/// Every variable that is set. The isolation level is set by a statement of its own, since its
/// variable has a different name in MySQL and in MariaDB.
#[rustfmt::skip]
const SETTINGS: &[Setting] = {
    use Servers::{Both, MariaDb, MySql};
    &[
        // Each statement outside of BEGIN and COMMIT is its own transaction, and COMMIT begins no
        // new one and closes no connection. Otherwise acknowledged changes are lost.
        all(Both, "autocommit", "1"),
        all(Both, "completion_type", "'NO_CHAIN'"),
        // A value that does not fit its column is an error and is never truncated. No mode changes
        // what a statement means.
        all(Both, "sql_mode", "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"),
        // Keys and rules are kept.
        all(Both, "foreign_key_checks", "1"),
        all(Both, "unique_checks", "1"),
        all(MariaDb, "check_constraint_checks", "1"),
        // No limit on the rows of a list, none on the conditions of changes and on the rows that
        // are examined. (`sql_big_selects` makes `max_join_size` ineffective.)
        all(Both, "sql_select_limit", "18446744073709551615"),
        all(Both, "sql_big_selects", "1"),
        all(Both, "sql_safe_updates", "0"),
        // `id IS NULL` has no other meaning than usual.
        all(Both, "sql_auto_is_null", "0"),
        // Rows of versioned tables are read as they are now.
        all(MariaDb, "system_versioning_asof", "DEFAULT"),
        // Texts are sorted by all of their up to 255 characters of up to 4 bytes.
        all(Both, "max_sort_length", "1024"),
        // Rows are sent while they are read, instead of being copied first.
        all(Both, "sql_buffer_result", "0"),
        // The server keeps the numbers of errors, which `errors` asks for.
        all(Both, "max_error_count", "64"),
        // SHOW CREATE TABLE writes names in quotes, as `check` expects.
        all(Both, "sql_quote_show_create", "1"),
        // A DROP or ALTER of something that does not exist is an error.
        all(MariaDb, "sql_if_exists", "0"),
        each(MariaDb, "alter_algorithm", [Unset, Unset, Unset, Is("'DEFAULT'"), Unset]),
        // Sizes and next ids of tables are current, not up to a day old.
        each(MySql, "information_schema_stats_expiry", [Unset, Unset, Unset, Is("0"), Is("0")]),
        // Texts are sent and received in UTF-8, times in UTC.
        all(Both, "character_set_client", "'utf8mb4'"),
        all(Both, "character_set_connection", "'utf8mb4'"),
        all(Both, "character_set_results", "'utf8mb4'"),
        all(Both, "time_zone", "'+00:00'"),
        // The limit of waiting for a table that is being altered.
        each(Both, "lock_wait_timeout",
            [LockWait, LockWait, LockWait, Seconds(MAINTENANCE_LOCK), Seconds(MAINTENANCE_LOCK)]),
        // The limit of waiting for a locked row. A server without InnoDB does not know the
        // variable, but the check of the tables has to connect to it, to report the missing engine.
        // Groups do not wait: not at all on MariaDB, for the least possible time on MySQL.
        each(Both, "innodb_lock_wait_timeout",
            [LockWait, Is("1 /*M!100600 - 1 */"), LockWait, Unset, Unset]),
        // The limit of a statement's time. Lists, migrations and checks take as long as they take:
        // a list is limited by its progress, the others by an operator's interrupt.
        each(MariaDb, "max_statement_time",
            [Statement, Statement, Seconds(NO_LIMIT), Seconds(NO_LIMIT), Seconds(NO_LIMIT)]),
        each(MySql, "max_execution_time",
            [StatementMilliseconds, StatementMilliseconds, Milliseconds(NO_LIMIT), Milliseconds(NO_LIMIT),
                Milliseconds(NO_LIMIT)]),
        // How long the server waits while the client does not read: longer than its default of a
        // minute, and longer than this program waits for any client.
        each(Both, "net_write_timeout", [Seconds(deadlines::LIST_WRITE); 5]),
        // How long the server waits for the rest of a statement, over a slow network.
        each(Both, "net_read_timeout", [Seconds(deadlines::LIST_WRITE); 5]),
        each(Both, "wait_timeout", [Seconds(IDLE); 5]),
        // The same within a transaction, for which the limits of a request are enough.
        all(MariaDb, "idle_transaction_timeout", "0"),
        all(MariaDb, "idle_readonly_transaction_timeout", "0"),
        all(MariaDb, "idle_write_transaction_timeout", "0"),
    ]
};

/// The isolation level, and that transactions may write (`tx_isolation` and `tx_read_only`, or
/// `transaction_isolation` and `transaction_read_only`).
const TRANSACTIONS: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE";

/// Ends the transaction that the server's `init_connect` may have begun.
const END_TRANSACTION: &str = "ROLLBACK";

/// The statements that set a session up.
pub(super) fn setup(purpose: Purpose, limits: &Limits) -> Vec<String> {
    let assignments = SETTINGS.iter().filter_map(|setting| {
        let value = setting.values[purpose as usize].sql(limits)?;
        let assignment = format!(", {} = {value}", setting.variable);
        // Each server executes only the comments with its version prefix.
        Some(match setting.servers {
            Servers::Both => assignment,
            Servers::MariaDb => format!(" /*M!100600 {assignment} */"),
            Servers::MySql => format!(" /*!80000 {assignment} */"),
        })
    });
    let assignments: String = assignments.collect();
    // The first variable is one of both servers.
    let settings = format!("SET SESSION {}", assignments.trim_start_matches(", "));
    vec![END_TRANSACTION.into(), settings, TRANSACTIONS.into()]
}

impl Value {
    /// The value as SQL; `None` if the variable is not set.
    fn sql(self, limits: &Limits) -> Option<String> {
        Some(match self {
            Is(sql) => sql.to_owned(),
            Seconds(time) => time.as_secs().to_string(),
            Milliseconds(time) => time.as_millis().to_string(),
            LockWait => limits.lock.as_secs().to_string(),
            Statement => limits.statement.as_secs_f64().to_string(),
            StatementMilliseconds => limits.statement.as_millis().to_string(),
            Unset => return None,
        })
    }
}

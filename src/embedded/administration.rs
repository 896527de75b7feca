//! Administrative statements for the private MariaDB, over its socket, with diesel's own blocking
//! connection. No statement here returns rows; `db::session` says why.

use std::path::Path;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::mysql::MysqlConnection;
use diesel::{Connection, ConnectionError};

use super::encoded;

/// Runs statements that return no rows, as root. An error is one line.
///
/// They run on a thread of their own, which ends here. The C client uses OpenSSL, which cleans up at
/// the end of each thread that has used it. If such a thread ends at the same time as the process,
/// when OpenSSL itself is already cleaned up, the process crashes instead of exiting with 0.
fn execute(socket: &Path, sql: &str) -> Result<(), String> {
    thread::scope(|scope| scope.spawn(|| execute_here(socket, sql)).join())
        .unwrap_or_else(|_| Err("the thread of the statement panicked".to_owned()))
}

fn execute_here(socket: &Path, sql: &str) -> Result<(), String> {
    let url = format!("mysql://root@localhost?unix_socket={}", encoded(socket));
    let connection = MysqlConnection::establish(&url);
    let mut connection = connection.map_err(|error: ConnectionError| error.to_string())?;
    let executed = connection.batch_execute(sql);
    executed.map_err(|error| error.to_string())
}

/// Asks the server to shut down.
pub(super) fn shut_down(socket: &Path) -> Result<(), String> {
    execute(socket, "SHUTDOWN")
}

/// Creates a database in utf8mb4, unless it exists.
pub(super) fn create_database(socket: &Path, name: &str) -> Result<(), String> {
    let name = name.replace('`', "``");
    execute(
        socket,
        &format!(
            "CREATE DATABASE IF NOT EXISTS `{name}` \
             CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
        ),
    )
}

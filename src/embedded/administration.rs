//! What the private MariaDB is told as its administrator, over its socket, with diesel's own blocking
//! connection. No statement here returns rows: see `db::session` for why.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::mysql::MysqlConnection;
use diesel::{Connection, ConnectionError};

use super::encoded;

/// Runs statements without rows as root; says in one line why not.
fn execute(socket: &Path, sql: &str) -> Result<(), String> {
    let url = format!("mysql://root@localhost?unix_socket={}", encoded(socket));
    let connection = MysqlConnection::establish(&url);
    let mut connection = connection.map_err(|error: ConnectionError| error.to_string())?;
    let executed = connection.batch_execute(sql);
    executed.map_err(|error| error.to_string())
}

/// Tells the server to shut down.
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

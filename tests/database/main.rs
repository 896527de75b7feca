//! The modules of `db` on real MariaDB servers: URLs and TLS, errors, settings of sessions, migrations,
//! the check of the tables, seeding, attempts to log in.
//!
//! Most tests share one private server, and each has a database of its own. TLS, errors and settings
//! need further servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod errors;
mod grants;
mod lists;
mod logins;
mod migrations;
mod seed;
mod server;
mod settings;
mod suggestions;
mod tls;
mod url;
mod views;

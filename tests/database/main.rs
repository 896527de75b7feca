//! `db`'s side rooms on real MariaDB servers: URLs and TLS, migrations, the schema check, seeding.
//!
//! One private server for all tests, a database of its own for each; TLS adds two small servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod errors;
mod lists;
mod migrations;
mod seed;
mod server;
mod settings;
mod tls;
mod url;

//! The program as its operator uses it: real processes, real sockets, a real MariaDB.
//!
//! Commands that end are run to their end, servers are read by their logs; whatever a test waits
//! for, it waits for within a limit. Most tests give the program a database on one private MariaDB
//! of the test process; those in `private` let it start its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;

mod command_line;
mod database;
mod documents;
mod failed_starts;
mod http;
mod mariadb;
mod private;
mod process;
mod rejections;
mod secrets;
mod serving;
mod settings;
mod tables;
mod unread_log;

//! The program as its operator uses it: real processes, real sockets, a real MariaDB.
//!
//! Tests observe commands by their output and servers by their logs. Every wait has a limit. In
//! most tests the program uses a database on one private MariaDB of the test process; in those of
//! `private` it starts its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;

mod auth_mode;
mod client_memory;
mod command_line;
mod database;
mod documents;
mod failed_starts;
mod http;
mod mariadb;
mod memory;
mod metrics;
mod pages;
mod private;
mod process;
mod rejections;
mod secrets;
mod serving;
mod settings;
mod tables;
mod tls;
mod unread_log;
mod users;
mod waiting;

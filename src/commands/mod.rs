//! What each subcommand does, one function for each; `main` only parses and calls.
//!
//! The top layer: imports all others. Errors here are for the person at the terminal: one or two
//! lines that say what is wrong, where, and what to do.

mod database;
mod keys;
mod logging;
mod monitoring;
mod openapi;
mod serve;
mod target;
mod user;

use std::io::{self, ErrorKind, Write};

use anyhow::Context as _;

pub use database::{check, migrate_revert, migrate_run, migrate_status, seed};
pub use openapi::{Document, compare, openapi};
pub use serve::serve;
pub use user::{create_admin, revoke_sessions, set_role};

/// A failure that a wrong setting caused, for which the exit code is 2 instead of 1.
#[derive(Debug)]
pub struct BadSetting(pub String);

impl std::fmt::Display for BadSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSetting {}

/// Prints one or several lines to standard output. A reader that has closed the pipe (`| head`) is
/// no failure.
fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(format!("{text}\n").as_bytes())
}

/// Prints a whole text to standard output, as [`print`] does.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_bytes(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

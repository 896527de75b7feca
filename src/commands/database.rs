//! The subcommands `migrate`, `check` and `seed`, which read or change a database.

use std::fmt;
use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use secrecy::{ExposeSecret, SecretString};

use crate::config::Settings;
use crate::db::session::Session;
use crate::db::url::DatabaseUrl;
use crate::db::{check as schema_check, migrations, seed as rows};
use crate::passwords;

use super::print;
use super::target::{Target, Waiting};

/// Applies the migrations that are pending. Waits for a database that is not up yet.
///
/// # Errors
/// When the database cannot be reached, or a migration fails.
pub fn migrate_run(settings: &Settings) -> anyhow::Result<()> {
    let target = Target::open(settings)?;
    let report = |waiting: &Waiting<'_>| {
        // The wait goes on even if nobody reads it.
        let _ = writeln!(io::stderr(), "{waiting}");
    };
    let mut session = target.connect_when_up(settings, report)?;
    let applied = migrations::run(&mut session)?;
    for name in &applied {
        print(&format!("applied {name}"))?;
    }
    if applied.is_empty() {
        print("nothing to do: every migration is applied")?;
    }
    Ok(())
}

/// Reverts the newest migration. Tables that it did not create stay; a table that it created is
/// dropped only if it is empty or `drop_tables` says so.
///
/// # Errors
/// When the database cannot be reached, or rows would be lost.
pub fn migrate_revert(settings: &Settings, drop_tables: bool) -> anyhow::Result<()> {
    let target = Target::open(settings)?;
    let Some(reverted) = migrations::revert(&mut target.connect()?, drop_tables)? else {
        return print("nothing to do: no migration is applied");
    };
    print(&format!("reverted {}", reverted.name))?;
    for table in &reverted.dropped {
        print(&format!("dropped {table}"))?;
    }
    for table in &reverted.kept {
        print(&format!("kept {table}, which was there before"))?;
    }
    Ok(())
}

/// Prints each migration and whether it is applied.
///
/// # Errors
/// When the database cannot be reached.
pub fn migrate_status(settings: &Settings) -> anyhow::Result<()> {
    let target = Target::open(settings)?;
    for migration in migrations::status(&mut target.connect()?)? {
        let state = if migration.applied {
            "applied"
        } else {
            "pending"
        };
        print(&format!("{state}  {}", migration.name))?;
    }
    Ok(())
}

/// Compares the database's tables with what the program needs, and prints every mismatch.
///
/// # Errors
/// When the database cannot be reached, or something does not fit.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    let target = Target::open(settings)?;
    let mut session = target.connect()?;
    let mismatches = schema_check::mismatches(&mut session)?;
    for mismatch in &mismatches {
        print(mismatch)?;
    }
    if !mismatches.is_empty() {
        bail!(
            "the tables of {} do not fit in {} places",
            target.url,
            mismatches.len()
        );
    }
    for warning in schema_check::warnings(&mut session)? {
        print(&format!("warning: {warning}"))?;
    }
    print(&format!("the tables of {} fit", target.url))
}

/// Fails unless the tables are what the program needs; the error has one line for each mismatch.
pub(super) fn require_tables(session: &mut Session, url: &DatabaseUrl) -> anyhow::Result<()> {
    let mismatches = schema_check::mismatches(session)?;
    if !mismatches.is_empty() {
        bail!(
            "the tables of {url} do not fit:\n  {}\nrepair them; missing tables are created by \
             `ecommerce-api migrate run`, or when serving by MIGRATE_ON_START=true",
            mismatches.join("\n  ")
        );
    }
    Ok(())
}

/// Fills tables with made-up rows, with a progress bar at a terminal.
///
/// # Errors
/// When the database cannot be reached, its tables do not fit, or an insert fails.
pub fn seed(settings: &Settings, plan: &rows::Plan) -> anyhow::Result<()> {
    let target = Target::open(settings)?;
    let mut session = target.connect()?;
    if target.embedded.is_some() {
        migrations::run(&mut session)?;
    }
    require_tables(&mut session, &target.url)?;
    let hash = unusable_password_hash().context("hashing a password")?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template(
            "{msg:9} {bar:40} {human_pos}/{human_len} rows, {rate}, {eta} left",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // Nothing can be done about an output that is closed.
            let _ = write!(out, "{:.0} a second", state.per_sec());
        }),
    );
    let mut current = "";
    rows::bulk(
        &mut session,
        plan,
        hash.expose_secret(),
        &mut |table, done, total| {
            if table != current {
                current = table;
                bar.reset();
                bar.set_length(total.into());
                bar.set_message(table);
            }
            bar.set_position(done.into());
        },
    )?;
    bar.finish_and_clear();
    print(&format!(
        "added {} users, {} products and {} cart items to {}",
        plan.users, plan.products, plan.cart, target.url
    ))
}

/// The hash of a random password that is not kept, so that nobody can log in with it.
pub(super) fn unusable_password_hash() -> Result<SecretString, crate::error::Error> {
    let password = format!("{:032x}", rand::random::<u128>());
    passwords::hash_blocking(&password.into())
}

//! The database that a subcommand works on: that of `DATABASE_URL`, or of a private MariaDB that
//! runs as long as the subcommand.

use std::fmt;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret;

use crate::config::Settings;
use crate::db::session::{self, ConnectError, Session};
use crate::db::url::DatabaseUrl;
use crate::deadlines;
use crate::embedded::{self, Embedded};

use super::BadSetting;

/// The private MariaDB's database.
const DATABASE: &str = "shop";

/// The pause between two attempts to connect to a database that is not up yet.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// The time between two reports that the database is still waited for.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// A database, and the private MariaDB that it is on, if there is one.
pub(super) struct Target {
    pub(super) url: DatabaseUrl,
    pub(super) embedded: Option<Embedded>,
}

impl Target {
    /// Parses the URL of the database in the settings; without one, starts the private MariaDB and
    /// creates its database. Blocks.
    pub(super) fn open(settings: &Settings) -> anyhow::Result<Self> {
        if let Some(url) = settings.database_url().map_err(BadSetting)? {
            let url = DatabaseUrl::parse(url.expose_secret())
                .map_err(|error| BadSetting(format!("DATABASE_URL: {error}")))?;
            return Ok(Self {
                url,
                embedded: None,
            });
        }
        if io::stderr().is_terminal() && !settings.data_dir.exists() {
            eprintln!(
                "creating a private MariaDB under {}",
                settings.data_dir.display()
            );
        }
        let embedded = Embedded::start(&settings.data_dir).map_err(in_use)?;
        let url =
            DatabaseUrl::parse(&embedded.url(DATABASE)).context("the private MariaDB's own URL")?;
        embedded.create_database(DATABASE)?;
        Ok(Self {
            url,
            embedded: Some(embedded),
        })
    }

    /// Connects to the database, blocking.
    pub(super) fn connect(&self) -> anyhow::Result<Session> {
        session::connect(&self.url).map_err(|error| {
            if self.embedded.is_some() {
                error.into()
            } else {
                anyhow!("{error}; see DATABASE_URL")
            }
        })
    }

    /// Connects to the database, blocking. A database that is not up yet is waited for, for as long
    /// as `DATABASE_WAIT` says; `report` gets a [`Waiting`] every few seconds meanwhile.
    pub(super) fn connect_when_up(
        &self,
        settings: &Settings,
        mut report: impl FnMut(&Waiting<'_>),
    ) -> anyhow::Result<Session> {
        let seconds = settings.database_wait;
        if self.embedded.is_some() || seconds == 0 {
            return self.connect();
        }
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        let mut next_report = Instant::now();
        loop {
            let error = match session::connect_within(&self.url, deadlines::CONNECT) {
                Ok(session) => return Ok(session),
                Err(error) if error.is_temporary() => error,
                Err(error) => return Err(anyhow!("{error}; see DATABASE_URL")),
            };
            let now = Instant::now();
            if now >= deadline {
                return Err(anyhow!(
                    "{error}; waited {seconds} s for it: start the database, correct DATABASE_URL, \
                     or raise DATABASE_WAIT"
                ));
            }
            if now >= next_report {
                report(&Waiting {
                    error: &error,
                    left: deadline - now,
                });
                next_report = now + REPORT_INTERVAL;
            }
            thread::sleep(RETRY_PAUSE.min(deadline - now));
        }
    }
}

/// Adds to the error of a data directory that is in use how to work on its database all the same.
fn in_use(error: embedded::Error) -> anyhow::Error {
    let socket = match &error {
        embedded::Error::InUse(dir) => fs::canonicalize(dir.join("mariadb.sock")),
        _ => return error.into(),
    };
    let Ok(socket) = socket else {
        return error.into();
    };
    anyhow!(
        "{error}, or work on its database: DATABASE_URL='mysql://root@localhost/{DATABASE}?socket={}'",
        socket.display()
    )
}

/// Why the database is waited for, and how long still.
pub(super) struct Waiting<'a> {
    error: &'a ConnectError,
    left: Duration,
}

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.left.as_secs_f32().ceil();
        write!(
            f,
            "waiting for the database, up to {left} s longer: {}",
            self.error
        )
    }
}

//! The database that a subcommand works on: that of `DATABASE_URL`, or of a private MariaDB that
//! runs as long as the subcommand.

use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret;

use crate::config::Settings;
use crate::db::session::{self, Session};
use crate::db::url::DatabaseUrl;
use crate::embedded::Embedded;

use super::BadSetting;

/// The private MariaDB's database.
const DATABASE: &str = "shop";

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
        let embedded = Embedded::start(&settings.data_dir)?;
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
}

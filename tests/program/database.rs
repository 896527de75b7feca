//! Databases for the program, on one private MariaDB of this process.

use std::path::Path;
use std::sync::LazyLock;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use ecommerce_api::db::session::{self, Session};
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::embedded::Embedded;

/// Stops when the test process ends, even if that is killed.
static SERVER: LazyLock<Embedded> = LazyLock::new(|| {
    let data_dir = concat!(env!("CARGO_TARGET_TMPDIR"), "/program-tests");
    Embedded::start(data_dir.as_ref()).unwrap()
});

/// A database for one test.
pub struct Database {
    /// The value for `DATABASE_URL`.
    pub url: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Database {
    /// An empty database; `test` is the name of the one test that uses it.
    pub fn empty(test: &str) -> Self {
        let mut session = session_of(&SERVER.url("information_schema"));
        let sql = format!("DROP DATABASE IF EXISTS `{test}`; CREATE DATABASE `{test}`");
        session.batch_execute(&sql).unwrap();
        Self {
            url: SERVER.url(test),
        }
    }

    pub fn session(&self) -> Session {
        session_of(&self.url)
    }

    /// Runs SQL without results.
    pub fn execute(&self, sql: &str) {
        self.session().batch_execute(sql).unwrap();
    }

    /// The value of an SQL expression.
    pub fn number(&self, expression: &str) -> i64 {
        let sql = format!("SELECT {expression} AS number");
        let rows: Vec<Number> = self.session().load(&sql).unwrap();
        rows[0].number
    }

    /// The setting that names the database, as a variable.
    pub fn setting(&self) -> (&str, &str) {
        ("DATABASE_URL", &self.url)
    }
}

/// The socket of the server.
pub fn socket() -> &'static Path {
    SERVER.socket()
}

fn session_of(url: &str) -> Session {
    session::connect(&DatabaseUrl::parse(url).unwrap()).unwrap()
}

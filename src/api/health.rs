//! Whether the service is ready for requests.
//!
//! Imports `db` and `error`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::db::Database;
use crate::error::Error;

/// What decides whether the service is ready; cheap to clone.
#[derive(Clone)]
pub(super) struct Readiness {
    db: Database,
    is_stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// The readiness of a service that uses `db`, until `is_stopping` is set.
    pub(super) fn new(db: &Database, is_stopping: &Arc<AtomicBool>) -> Self {
        Self {
            db: db.clone(),
            is_stopping: Arc::clone(is_stopping),
        }
    }

    /// Checks that the server is not shutting down and that the database responds within a second.
    ///
    /// # Errors
    /// `Busy` or `Unavailable`.
    pub(super) async fn check(self) -> Result<(), Error> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Error::Busy("the server is shutting down"));
        }
        self.db.ping().await
    }
}

//! Load shedding: a bound for the operations in progress, beyond which a request is rejected at once.
//!
//! With more work than capacity every queue grows until its requests take longer than their clients wait.
//! Work on them is lost then, and memory has no bound. Rejections keep the queues short.
//!
//! Imports `error`.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::Error;

/// How many operations may be in progress for each connection of the pool that requests share. All but
/// one of them wait. A connection executes about a thousand short statements a second, so they wait for
/// less than 0.1 s. The memory for their bodies has a bound of its own (see `body_memory`).
pub const OPERATIONS_PER_CONNECTION: usize = 64;

/// The places for operations in progress: from the end of the request's body to the beginning of the
/// response.
pub(super) struct Capacity(Semaphore);

impl Capacity {
    pub(super) fn new(operations: usize) -> Self {
        Self(Semaphore::new(operations))
    }

    /// Fails when no place is free, without taking one.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.take().map(drop)
    }

    /// Takes a place until the permit is dropped.
    ///
    /// # Errors
    /// `Busy` when no place is free.
    pub(super) fn take(&self) -> Result<SemaphorePermit<'_>, Error> {
        let place = self.0.try_acquire();
        place.map_err(|_| Error::Busy("too many operations are in progress"))
    }
}

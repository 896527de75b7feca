//! Load shedding: how many operations may be in progress, and how much memory their bodies may hold.
//! Beyond that a request is rejected at once.
//!
//! With more work than capacity every queue grows until its requests take longer than their clients wait.
//! Work on them is lost then, and memory has no bound. Rejections keep the queues short.
//!
//! Imports `budget`.

use crate::budget::{Budget, Reasons};

/// How many operations may be in progress for each connection of the pool that requests share. All but
/// one of them wait. A connection executes about a thousand short statements a second, so they wait for
/// less than 0.1 s. The memory for their bodies has a budget of its own.
pub const OPERATIONS_PER_CONNECTION: usize = 64;

/// The budget for operations in progress: from the end of the request's body to the beginning of the
/// response.
pub(super) fn operations(whole: usize) -> Budget {
    let reasons = Reasons {
        whole: "too many operations are in progress",
        share: "too many operations of one network are in progress",
    };
    Budget::new(whole, reasons)
}

/// The budget for the bodies of requests, in bytes. Without it the bodies that clients leave unfinished would
/// take as much memory as there are connections.
pub(super) fn bodies(bytes: usize) -> Budget {
    let reasons = Reasons {
        whole: "the request bodies exceed the memory for them",
        share: "the request bodies of one network exceed their share of the memory",
    };
    Budget::new(bytes, reasons)
}

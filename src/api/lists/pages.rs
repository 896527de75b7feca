//! Concurrent requests for pages of the same list share its total.
//!
//! Counting the rows of a long list takes far longer than reading a page. Requests for pages of the same
//! list therefore wait in a queue (see `queue`), and up to [`WORKERS`] workers take all waiting requests
//! as one batch. For a batch a snapshot begins, the list is counted once, and all pages are read from
//! that snapshot, those at the beginning of the list first (see `batch`). Without load each batch is a
//! single request, which does not wait. Guarantees:
//!
//! - The rows and the total of a page show the same moment, which is after the request has arrived.
//! - No page holds a database connection while its client reads, and no request waits for the client of
//!   another one: a page is read into memory, the connection is given back, and the page is sent (see
//!   `delivery`). A client may use a quarter of the memory for pages (see `memory`).
//! - A page that is too large for that, or finds no memory, is sent like a whole list: it keeps the
//!   connection while its client reads. It needs a unit of its client's share of the list connections (see
//!   `shares`); without a free one the request is rejected. The other requests of its batch are served by
//!   the next batch, on another connection.
//! - An error in the rows of a page fails only the requests for this page; the other requests of the
//!   batch are served by the next batch. Only an error before the list is counted fails the whole batch.

mod batch;
mod delivery;
mod memory;
mod queue;

pub(super) use batch::read;
pub(super) use queue::{PageQueues, Request};

/// The largest number of batches of one list at a time. Each of them keeps a core of the database busy
/// with counting.
const WORKERS: usize = 2;

/// The largest page that is kept in memory, in bytes: 1,000 rows of 4 KiB.
const MAX_BUFFERED: usize = 4 * 1024 * 1024;

/// How many bytes of pages of several chunks may wait in memory for their clients.
const MAX_MEMORY: usize = 32 * 1024 * 1024;

/// The capacity of a page's channel: two chunks, and the error after them.
pub(super) const CHANNEL_CAPACITY: usize = 3;

//! How long each stage of a connection and of a request may take, in one table, with the reason.
//!
//! What waits for something has a limit that is longer than the limits of what it waits for: an error
//! is named by the stage that it happens in, and no client is told to try again while its request
//! goes on for much longer. The assertions at the end of this file hold that.
//!
//! Imports nothing of this crate.

use std::time::Duration;

// ── A client ────────────────────────────────────────────────────────────────────────────────────

/// For the head of a request, from the connection or from the first byte of a later request: a client
/// that sends one byte at a time occupies a connection for no longer.
pub const HEAD: Duration = Duration::from_secs(10);

/// For the body of a request. The time of its handler begins afterwards.
pub const BODY: Duration = Duration::from_secs(30);

/// Without a byte from or to a client that has to act: between requests, within a body, within a
/// response. Longer than the 60 seconds after which common load balancers drop an idle connection: the
/// side that reuses connections must be the one that closes them.
pub const IDLE: Duration = Duration::from_secs(75);

/// For reading on from a connection that is being closed, so that a client in the middle of sending
/// gets to read the response that made it pointless.
pub const LINGER: Duration = Duration::from_secs(2);

// ── A request ───────────────────────────────────────────────────────────────────────────────────

/// For a handler, until its response begins. After it the client is told to try again; the query goes
/// on to its own end.
pub const OPERATION: Duration = Duration::from_secs(30);

/// For a turn to hash a password. A request that would wait for longer fails before anything has begun.
pub const PASSWORD_QUEUE: Duration = Duration::from_secs(2);

/// For reads or additions that are done together, before their callers are told to try again.
pub const BATCH: Duration = Duration::from_secs(25);

/// For the rows of one chunk of a list. Lists have no limit as a whole: they last as long as their
/// clients read.
pub const CHUNK: Duration = Duration::from_secs(15);

/// For a list that is being sent to get another connection, when it has to go on alone.
pub const CONTINUATION: Duration = Duration::from_mins(1);

/// For the database to respond to `/health`.
pub const HEALTH: Duration = Duration::from_secs(1);

// ── The database ────────────────────────────────────────────────────────────────────────────────

/// For a connection of the pool to become free.
pub const POOL: Duration = Duration::from_secs(5);

/// For a new connection to the database, encryption and settings included.
pub const CONNECT: Duration = Duration::from_secs(5);

/// For the test of a connection that has been idle.
pub const CONNECTION_TEST: Duration = Duration::from_secs(1);

/// For one statement of a request, on the server: then its connection is free again. MariaDB ends any
/// statement, MySQL only a SELECT. The statements of lists have no limit.
pub const STATEMENT: Duration = Duration::from_secs(15);

/// For a row or a table that another transaction has locked.
pub const LOCK: Duration = Duration::from_secs(5);

/// For the client of a list to read on, on the database's side: longer than this service waits for any
/// client.
pub const LIST_WRITE: Duration = Duration::from_mins(10);

// ── The end ─────────────────────────────────────────────────────────────────────────────────────

/// For requests in progress, after the server was told to stop. Whoever stops the server has to wait
/// for longer before killing it: `terminationGracePeriodSeconds`, `TimeoutStopSec`.
pub const SHUTDOWN: Duration = Duration::from_secs(35);

const fn shorter(limits: &[Duration], than: Duration) {
    let (mut index, mut sum) = (0, 0);
    while index < limits.len() {
        sum += limits[index].as_millis();
        index += 1;
    }
    assert!(sum <= than.as_millis());
}

const _: () = {
    shorter(&[POOL, CONNECT, STATEMENT], BATCH);
    shorter(&[LOCK], STATEMENT);
    shorter(&[BATCH], OPERATION);
    shorter(&[POOL, CONNECT, CHUNK], OPERATION);
    shorter(&[PASSWORD_QUEUE, POOL, CONNECT, STATEMENT], OPERATION);
    shorter(&[POOL, CONNECT], CONTINUATION);
    shorter(&[IDLE], LIST_WRITE);
    shorter(&[BODY], IDLE);
    shorter(&[OPERATION], SHUTDOWN);
};

//! The time limit of each stage of a connection and of a request, with its reason.
//!
//! The limit of a stage is longer than those of the stages within it. So the innermost stage
//! reports the error, and no request runs on for long after its client was told to try again. The
//! assertions at the end of this file check this.
//!
//! Imports no other module.

use std::time::Duration;

// ── A client ────────────────────────────────────────────────────────────────────────────────────

/// The limit for the head of a request, from the start of the connection or the first byte of a
/// later request. A client that sends single bytes occupies a connection for no longer than this.
pub const HEAD: Duration = Duration::from_secs(10);

/// The limit for the body of a request. The time of the handler begins afterwards.
pub const BODY: Duration = Duration::from_secs(30);

/// The limit for the silence of a client that has to act: between requests, within a body, within a
/// response. Longer than the 60 seconds after which common load balancers close an idle connection,
/// since the side that reuses connections has to be the first to close them.
pub const IDLE: Duration = Duration::from_secs(75);

/// How long a connection that is being closed is still read from, so that a client that is still
/// sending can read the response.
pub const LINGER: Duration = Duration::from_secs(2);

// ── A request ───────────────────────────────────────────────────────────────────────────────────

/// The limit for a handler, until its response begins. Then the client is told to try again, and
/// the query runs on to its end.
pub const OPERATION: Duration = Duration::from_secs(30);

/// The shortest time after which a request is rejected because the service is overloaded. A client that
/// repeats its request at once, despite `Retry-After`, would otherwise take the time of the requests that
/// are served.
pub const REJECTION: Duration = Duration::from_millis(250);

/// The limit for waiting to hash a password. A request that would wait longer fails before it has
/// changed anything.
pub const PASSWORD_QUEUE: Duration = Duration::from_secs(2);

/// The limit for a batch of reads, additions or pages. Then its worker takes the next batch, and the
/// callers of reads and additions are told to try again.
pub const BATCH: Duration = Duration::from_secs(28);

/// The limit for the query of a list and its first chunk together, and for the rows of each later
/// chunk. A page is one chunk in this sense, unless it is too large to be kept in memory. A whole
/// list has no limit: it lasts as long as its client reads.
pub const CHUNK: Duration = Duration::from_secs(15);

/// The limit for opening another connection for a list that is being sent and can no longer share
/// one.
pub const CONTINUATION: Duration = Duration::from_mins(1);

/// The limit for the database's response to `/health`.
pub const HEALTH: Duration = Duration::from_secs(1);

// ── The database ────────────────────────────────────────────────────────────────────────────────

/// The limit for waiting for a free connection of the pool.
pub const POOL: Duration = Duration::from_secs(5);

/// The limit for opening a connection to the database, including encryption and settings.
pub const CONNECT: Duration = Duration::from_secs(5);

/// The limit for statements that do no work: the test of a connection that was idle, the beginning
/// and the end of a snapshot, the questions about an error. A connection that does not respond to
/// them in time is lost, whatever the network says. Longer than a TCP packet takes that is sent
/// again twice.
pub const ROUND_TRIP: Duration = Duration::from_millis(1500);

/// The limit for one statement of a request, enforced by the database server, so that the
/// connection becomes free. MariaDB ends any statement, MySQL only a SELECT. The statements of
/// lists have no limit.
pub const STATEMENT: Duration = Duration::from_secs(15);

/// The limit for waiting for a row or a table that another transaction has locked.
pub const LOCK: Duration = Duration::from_secs(5);

/// How long the database server waits while the client of a list does not read: longer than this
/// service waits for any client.
pub const LIST_WRITE: Duration = Duration::from_mins(10);

// ── Shutdown ────────────────────────────────────────────────────────────────────────────────────

/// How long a connection without a request is kept open after the server was told to stop. A request
/// that is on its way then is handled, and its response says that the connection ends.
pub const LAST_REQUEST: Duration = Duration::from_secs(1);

/// The limit for requests in progress after the server was told to stop. A supervisor has to wait
/// longer before it kills the server: `terminationGracePeriodSeconds`, `TimeoutStopSec`.
pub const SHUTDOWN: Duration = Duration::from_secs(35);

/// Asserts that the stages `parts`, one after another, fit into the limit `whole`.
const fn assert_within(parts: &[Duration], whole: Duration) {
    let (mut index, mut sum) = (0, 0);
    while index < parts.len() {
        sum += parts[index].as_millis();
        index += 1;
    }
    assert!(sum <= whole.as_millis());
}

const _: () = {
    // A statement: a connection, which may be tested and replaced, the statement, and the
    // questions about its error.
    assert_within(&[POOL, ROUND_TRIP, CONNECT, STATEMENT, ROUND_TRIP], BATCH);
    assert_within(&[LOCK], STATEMENT);
    assert_within(&[BATCH], OPERATION);
    assert_within(
        &[
            PASSWORD_QUEUE,
            POOL,
            ROUND_TRIP,
            CONNECT,
            STATEMENT,
            ROUND_TRIP,
        ],
        OPERATION,
    );
    // A page: a connection, the beginning of the snapshot, and the page. Its worker is released
    // before the questions about an error.
    assert_within(&[POOL, ROUND_TRIP, CONNECT, ROUND_TRIP, CHUNK], BATCH);
    assert_within(
        &[POOL, ROUND_TRIP, CONNECT, ROUND_TRIP, CHUNK, ROUND_TRIP],
        OPERATION,
    );
    // A whole list, until its first chunk.
    assert_within(&[POOL, ROUND_TRIP, CONNECT, CHUNK, ROUND_TRIP], OPERATION);
    assert_within(&[POOL, ROUND_TRIP, CONNECT], CONTINUATION);
    assert_within(&[IDLE], LIST_WRITE);
    assert_within(&[BODY], IDLE);
    assert_within(&[LAST_REQUEST, OPERATION], SHUTDOWN);
};

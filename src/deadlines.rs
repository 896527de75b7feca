//! The time limit of each stage of a connection and of a request, with its reason.
//!
//! Most limits are constants. Those of a request and of its statements follow from one setting, the
//! time that a request may take: see [`Limits`].
//!
//! The limit of a stage is longer than those of the stages within it. So the innermost stage
//! reports the error, and no request runs on for long after its client was told to try again. The
//! assertions at the end of this file check this, for every value of the setting.
//!
//! Imports no other module.

use std::time::Duration;

// ── A client ────────────────────────────────────────────────────────────────────────────────────

/// The limit for the head of a request, from the start of the connection or the first byte of a
/// later request. A client that sends single bytes occupies a connection for no longer than this.
pub const HEAD: Duration = Duration::from_secs(10);

/// The limit for each part of the body of a request, of [`BODY_PART_BYTES`], and for what remains. So a
/// client sends at least 1 KiB a second, and a client that stops in its body occupies memory for no longer
/// than this.
pub const BODY_PART: Duration = Duration::from_secs(10);

/// The bytes of a part of a body.
pub const BODY_PART_BYTES: usize = 10 * 1024;

/// The limit for the whole body of a request. A body of 1 MiB arrives in time at 9 KiB a second. The time of
/// the handler begins afterwards.
pub const BODY: Duration = Duration::from_mins(2);

/// The limit for the silence of a client that has to act: between requests, within a body, within a
/// response. Longer than the 60 seconds after which common load balancers close an idle connection,
/// since the side that reuses connections has to be the first to close them.
pub const IDLE: Duration = Duration::from_secs(75);

/// The limit for taking 30 KiB of a response, which is 1 KiB a second. Long enough for a client that
/// pauses, and a client that reads for a person reads much faster.
pub const READING: Duration = Duration::from_secs(30);

/// How long a connection that is being closed is still read from, so that a client that is still
/// sending can read the response.
pub const LINGER: Duration = Duration::from_secs(2);

// ── A request ───────────────────────────────────────────────────────────────────────────────────

/// The limits that follow from the time that a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The limit for a handler, until its response begins. Then the client is told to try again.
    pub operation: Duration,
    /// The limit for everything that a request does in the database: waiting for a connection, and
    /// all statements on it. Shorter than [`Self::operation`], so that the database's error is the
    /// one that is reported. A connection that is still in use then is closed.
    pub queries: Duration,
    /// The limit for one statement, enforced by the database server, so that the connection becomes
    /// free. MariaDB ends any statement, MySQL only a SELECT. The statements of lists have no limit.
    pub statement: Duration,
    /// The limit for waiting for a row or a table that another transaction has locked, in whole
    /// seconds.
    pub lock: Duration,
    /// The limit for waiting for a free connection of the pool.
    pub pool: Duration,
    /// The limit for waiting until earlier lists of the same client end, for its share of the
    /// connections for lists.
    pub share: Duration,
    /// The limit for the query of a list and its first chunk together, and for the rows of each
    /// later chunk. A page is one chunk in this sense, unless it cannot be kept in memory.
    /// A whole list has no limit: it lasts as long as its client reads.
    pub chunk: Duration,
    /// The limit for requests in progress after the server was told to stop: [`SHUTDOWN`], or
    /// longer if a request may take longer.
    pub shutdown: Duration,
}

impl Limits {
    /// The shortest time that a request may be given.
    pub const SHORTEST: Duration = Duration::from_secs(2);
    /// The longest time that a request may be given.
    pub const LONGEST: Duration = Duration::from_mins(10);
    /// The limits when the setting has its default.
    pub const DEFAULT: Self = Self::of(Duration::from_secs(10));

    /// The limits of requests that may take this long, at least [`Self::SHORTEST`] and at most
    /// [`Self::LONGEST`].
    #[must_use]
    pub const fn of(operation: Duration) -> Self {
        Self {
            operation,
            queries: percent(95, operation),
            statement: percent(60, operation),
            lock: Duration::from_secs(operation.as_secs() / 2),
            pool: percent(25, operation),
            share: percent(10, operation),
            chunk: percent(60, operation),
            shutdown: longer(
                SHUTDOWN,
                LAST_REQUEST
                    .saturating_add(operation)
                    .saturating_add(LINGER),
            ),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A part of `whole`, which is a number of seconds.
const fn percent(percent: u64, whole: Duration) -> Duration {
    Duration::from_millis(whole.as_secs() * 10 * percent)
}

const fn longer(one: Duration, other: Duration) -> Duration {
    if one.as_millis() > other.as_millis() {
        one
    } else {
        other
    }
}

/// The shortest time after which a request is rejected because the service is overloaded. A client that
/// repeats its request at once, despite `Retry-After`, would otherwise take the time of the requests that
/// are served.
pub const REJECTION: Duration = Duration::from_millis(250);

/// The limit for waiting to hash a password. A request that would wait longer fails before it has
/// changed anything.
pub const PASSWORD_QUEUE: Duration = Duration::from_secs(2);

/// The limit for opening another connection for a list that is being sent and can no longer share
/// one.
pub const CONTINUATION: Duration = Duration::from_mins(1);

/// The limit for the database's response to `/health`.
pub const HEALTH: Duration = Duration::from_secs(1);

// ── The database ────────────────────────────────────────────────────────────────────────────────

/// The limit for opening a connection to the database, including encryption and settings.
pub const CONNECT: Duration = Duration::from_secs(3);

/// The limit for statements that do no work: the test of a connection that was idle, the beginning
/// and the end of a snapshot, the questions about an error. A connection that does not respond to
/// them in time is lost, whatever the network says. Longer than a TCP packet takes that is sent
/// again twice.
pub const ROUND_TRIP: Duration = Duration::from_millis(1500);

/// How long a statement may be silent until the database is asked, over another connection, whether
/// it is still executing the statement.
pub const SILENCE: Duration = Duration::from_secs(1);

/// The limit for each statement that only asks whether the database is available, or what it executes.
/// Short, since the next question is asked only afterwards.
pub const PROBE: Duration = Duration::from_secs(1);

/// The pause between two attempts to reach a database that is away, and between two questions about
/// a silent statement.
pub const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// How long after its first attempt a transaction may be run again.
pub const RETRY: Duration = Duration::from_secs(2);

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

/// Whether the stages `parts`, one after another, fit into the limit `whole`.
const fn fit(parts: &[Duration], whole: Duration) -> bool {
    let (mut index, mut sum) = (0, 0);
    while index < parts.len() {
        sum += parts[index].as_millis();
        index += 1;
    }
    sum <= whole.as_millis()
}

/// Asserts that the limit of each stage is longer than those of the stages within it.
const fn assert_nested(limits: Limits) {
    let Limits {
        operation,
        queries,
        statement,
        lock,
        pool,
        share,
        chunk,
        shutdown,
    } = limits;
    assert!(fit(&[queries], operation));
    // A statement, on a connection of the pool, and a page.
    assert!(fit(&[pool, statement], queries));
    assert!(fit(&[share, pool, chunk], queries));
    assert!(fit(&[lock], statement));
    assert!(fit(&[LAST_REQUEST, operation], shutdown));
    assert!(fit(&[operation], LIST_WRITE));
}

const _: () = {
    assert_nested(Limits::of(Limits::SHORTEST));
    assert_nested(Limits::DEFAULT);
    assert_nested(Limits::of(Limits::LONGEST));
    // The default leaves time to test a connection, to replace it, and to ask about an error. A
    // shorter setting does not: then the request's own limit ends these stages.
    let Limits {
        queries, statement, ..
    } = Limits::DEFAULT;
    assert!(fit(&[ROUND_TRIP, CONNECT, ROUND_TRIP], queries));
    assert!(fit(&[statement, ROUND_TRIP, ROUND_TRIP], queries));
    assert!(fit(&[PASSWORD_QUEUE, statement], Limits::DEFAULT.operation));
    // A connection that was lost is given up, and another one is opened, before the request ends.
    assert!(fit(
        &[SILENCE, CONNECT, PROBE, PROBE_PAUSE, CONNECT],
        queries
    ));
    assert!(fit(&[RETRY], queries));
    assert!(fit(&[IDLE], LIST_WRITE));
    assert!(fit(&[BODY_PART], IDLE));
    assert!(fit(&[BODY_PART], BODY));
};

//! The errors of the shop's operations.
//!
//! Imports `violation` and knows nothing of HTTP or SQL. `db` translates the database's errors
//! into these, and `api::failures` translates these into responses; no other module translates
//! errors.

use std::fmt;

use crate::violation::Violation;

/// Why a request contradicts what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// Another user has the email.
    EmailTaken,
    /// The user that the request names does not exist.
    UserMissing,
    /// The product that the request names does not exist.
    ProductMissing,
    /// Rows of other tables refer to the row that is to be deleted.
    HasDependents,
    /// A rule that is kept in the database, a CHECK constraint or a trigger, rejects the change.
    RuleViolated,
}

impl Conflict {
    /// Every conflict.
    pub const ALL: [Self; 5] = [
        Self::EmailTaken,
        Self::UserMissing,
        Self::ProductMissing,
        Self::HasDependents,
        Self::RuleViolated,
    ];
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmailTaken => "Another user has this email",
            Self::UserMissing => "The user does not exist",
            Self::ProductMissing => "The product does not exist",
            Self::HasDependents => "Other data of the shop refers to it",
            Self::RuleViolated => "A rule of the shop's database does not allow the change",
        })
    }
}

/// Why an operation of the shop did not succeed.
#[derive(Debug)]
pub enum Error {
    /// The request does not keep to the contract. The list has every violation.
    Invalid(Vec<Violation>),
    /// The named resource ("User") does not exist.
    NotFound(&'static str),
    /// The named resource ("User") exists, but is not in the state that the request requires.
    Stale(&'static str),
    /// The request contradicts what is stored.
    Conflict(Conflict),
    /// The request violates a rule that is kept in the database ([`Conflict::RuleViolated`]). The
    /// cause is for the log.
    RuleViolated(Cause),
    /// The request does not confirm a change with the user's present password.
    WrongPassword,
    /// The request has the idempotency key of an earlier request with another body.
    KeyReused,
    /// The caller has sent too many requests, and may try again after this number of seconds.
    RateLimited {
        /// The number of seconds.
        seconds: u16,
    },
    /// The caller has not proved who it is. The text says to the client what is wrong.
    Unauthenticated(&'static str),
    /// The database lacks the tables for sessions.
    TablesMissing,
    /// The database cannot be reached or cannot serve the request at present; the same request may
    /// succeed later. The cause is for the log.
    Unavailable(Cause),
    /// This process is overloaded; the same request may succeed later. The text says with what, for
    /// the log.
    Busy(&'static str),
    /// A fault of the program or of the stored data. The cause is for the log.
    Internal(Cause),
}

impl Error {
    /// A copy of the error for another caller of the same work. Causes are copied as text.
    #[must_use]
    pub fn share(&self) -> Self {
        match self {
            Self::Invalid(violations) => Self::Invalid(violations.clone()),
            Self::NotFound(what) => Self::NotFound(what),
            Self::Stale(what) => Self::Stale(what),
            Self::Conflict(why) => Self::Conflict(*why),
            Self::RuleViolated(cause) => Self::RuleViolated(cause.to_string().into()),
            Self::WrongPassword => Self::WrongPassword,
            Self::KeyReused => Self::KeyReused,
            Self::RateLimited { seconds } => Self::RateLimited { seconds: *seconds },
            Self::Unauthenticated(why) => Self::Unauthenticated(why),
            Self::TablesMissing => Self::TablesMissing,
            Self::Unavailable(cause) => Self::Unavailable(cause.to_string().into()),
            Self::Busy(what) => Self::Busy(what),
            Self::Internal(cause) => Self::Internal(cause.to_string().into()),
        }
    }
}

/// The cause of an error: logged, never sent to a client.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(violations) => {
                write!(
                    f,
                    "the request does not keep to the contract in {} places",
                    violations.len()
                )
            }
            Self::NotFound(what) => write!(f, "{what} not found"),
            Self::Stale(what) => write!(f, "{what} is not in the state that the request requires"),
            Self::Conflict(why) => why.fmt(f),
            Self::RuleViolated(cause) => write!(f, "a rule of the database is violated: {cause}"),
            Self::WrongPassword => f.write_str("the current password is another one"),
            Self::KeyReused => f.write_str("the idempotency key belongs to another request"),
            Self::RateLimited { seconds } => {
                write!(f, "too many requests; try again after {seconds} s")
            }
            Self::Unauthenticated(why) => write!(f, "not authenticated: {why}"),
            Self::TablesMissing => f.write_str(
                "the database has no tables for sessions: `ecommerce-api migrate run` creates them",
            ),
            Self::Unavailable(cause) => write!(f, "the database is unavailable: {cause}"),
            Self::Busy(what) => write!(f, "too busy: {what}"),
            Self::Internal(cause) => write!(f, "internal error: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

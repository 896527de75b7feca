//! What can go wrong in the shop, without a word of HTTP or SQL.
//!
//! Imports nothing of ours. `db` turns the database's errors into these, and `api::responses`
//! turns these into answers; nothing else translates errors.

use std::fmt;

/// One thing that is wrong with a request, at one place of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// A JSON pointer into the body (`/email`), or the name of a parameter or header (`page`).
    pub field: String,
    /// What is wrong, without the value that was sent.
    pub message: String,
}

impl Violation {
    /// A violation at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Why an operation of the shop did not succeed.
#[derive(Debug)]
pub enum Error {
    /// The request does not keep to the contract; every violation found.
    Invalid(Vec<Violation>),
    /// The named thing ("User") does not exist.
    NotFound(&'static str),
    /// The named thing ("User") exists, and is not as the request demands.
    Stale(&'static str),
    /// The request contradicts what is stored; the sentence is for the client.
    Conflict(&'static str),
    /// The database cannot be reached or is overloaded; trying again later may help. The cause is for the log.
    Unavailable(Cause),
    /// A fault of ours or of the stored data. The cause is for the log.
    Internal(Cause),
}

impl Error {
    /// The same error for one more who waits for what failed; causes only live on as text.
    #[must_use]
    pub fn share(&self) -> Self {
        match self {
            Self::Invalid(violations) => Self::Invalid(violations.clone()),
            Self::NotFound(what) => Self::NotFound(what),
            Self::Stale(what) => Self::Stale(what),
            Self::Conflict(why) => Self::Conflict(why),
            Self::Unavailable(cause) => Self::Unavailable(cause.to_string().into()),
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
            Self::Stale(what) => write!(f, "{what} is not as the request demands"),
            Self::Conflict(why) => f.write_str(why),
            Self::Unavailable(cause) => write!(f, "the database is unavailable: {cause}"),
            Self::Internal(cause) => write!(f, "internal error: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

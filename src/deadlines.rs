//! How long each stage of a request may take, in one table. Each limit is shorter than the limit of
//! what waits for it.

use std::time::Duration;

/// For the body of a request to arrive. The time of its handler begins afterwards.
pub const BODY: Duration = Duration::from_secs(30);

/// For a handler. After it the client is told to try again; the query runs on to its own end.
pub const OPERATION: Duration = Duration::from_secs(30);

/// For the rows of one chunk of a list to come from the database.
pub const CHUNK: Duration = Duration::from_secs(30);

/// For a list that is being sent to get another connection, when it has to go on alone.
pub const CONTINUATION: Duration = Duration::from_mins(1);

//! The server's limits on connections. Imports `db::database` and `db::session`.

use diesel::deserialize::QueryableByName;
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;

use super::database;
use super::session::Session;

/// The connections for groups of additions and for sessions, and the two for probes.
const MORE: u16 = database::GROUP_CONNECTIONS + database::SESSION_CONNECTIONS + 2;

/// How many connections the server accepts: of all users, and of this user. 0 means no limit.
#[derive(QueryableByName)]
struct Limits {
    #[diesel(sql_type = BigInt)]
    of_all: i64,
    #[diesel(sql_type = BigInt)]
    of_user: i64,
}

/// A warning when the server accepts fewer connections than the service may open: pools of `requests`
/// and `lists` connections, and a few more for groups of additions, sessions and probes.
///
/// # Errors
/// When the database cannot be read.
pub fn warning(session: &mut Session, requests: u16, lists: u16) -> QueryResult<Option<String>> {
    let limits: Vec<Limits> = session.load(
        "SELECT CAST(@@max_connections AS SIGNED) AS of_all, \
         CAST(@@max_user_connections AS SIGNED) AS of_user",
    )?;
    let of_all = limits
        .iter()
        .map(|limits| ("max_connections", limits.of_all));
    let of_user = limits
        .iter()
        .map(|limits| ("max_user_connections", limits.of_user));
    let smallest = of_all
        .chain(of_user)
        .filter(|(_, limit)| *limit > 0)
        .min_by_key(|(_, limit)| *limit);
    let wanted = i64::from(requests) + i64::from(lists) + i64::from(MORE);
    Ok(smallest.filter(|(_, limit)| *limit < wanted).map(|(name, limit)| {
        format!(
            "DATABASE_POOL_SIZE={requests} and DATABASE_LIST_POOL_SIZE={lists} exceed, with {MORE} more for \
             other purposes, the {limit} connections that the server allows ({name}): under load, requests wait for the \
             connections that there are"
        )
    }))
}

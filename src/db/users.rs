//! The queries on users. Imports `db::rows`, `db::pages`, `db::sessions`, `db::texts` and `db::transaction`.

use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::{ForeignKeyViolation, UniqueViolation};
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Conflict, Error};

use super::dialect::Returning;
use super::errors::{or_conflict, or_missing};
use super::idempotency::{self, Key, Outcome, Response};
use super::ids::Ids;
use super::pages::{Window, prepared_anew, total_and_ids};
use super::schema::{cart, users};
use super::sessions;
use super::texts::{InUtf8mb4, fits, reject_unstorable};
use super::transaction::{Condition, check_precondition, transaction};
use super::{Connection, List, ListRange, Order, beginning_with, last_insert_id};

pub use super::rows::{Role, User};

diesel::define_sql_function! {
    /// The bytes of a text, in hexadecimal.
    fn hex(text: Text) -> Text;
}

/// A user to store; `password` is the hash.
pub struct NewUser {
    /// The email.
    pub email: String,
    /// The Argon2id PHC string.
    pub password: SecretString,
    /// What the user may do.
    pub role: Role,
}

/// The changes to a user; `None` keeps a column. `password` is the hash.
#[derive(Default)]
pub struct UserChanges {
    /// The new email.
    pub email: Option<String>,
    /// The new Argon2id PHC string.
    pub password: Option<SecretString>,
    /// The new role.
    pub role: Option<Role>,
}

/// A column that orders users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Column {
    /// The id.
    #[default]
    Id,
    /// The email.
    Email,
}

/// The users that a list contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The beginning of the email.
    pub prefix: Option<String>,
    /// The email.
    pub email: Option<String>,
    /// The role.
    pub role: Option<Role>,
}

type Users<'f> = users::BoxedQuery<'f, Mysql>;

/// The users that match a filter.
fn filtered(filter: &Filter) -> Users<'_> {
    let mut users = users::table.into_boxed();
    if let Some(prefix) = &filter.prefix {
        users = users.filter(users::email.like(beginning_with(prefix)).escape('!'));
    }
    if let Some(email) = &filter.email {
        // The first filter uses the index and finds the emails that are equal in the collation. The
        // second compares bytes: even utf8mb4_bin would ignore trailing spaces. It is not a raw SQL
        // fragment, for which diesel would prepare the statement each time.
        let exactly = hex(InUtf8mb4(users::email)).eq(hex(email));
        users = users.filter(users::email.eq(email)).filter(exactly);
    }
    if let Some(role) = filter.role {
        users = users.filter(users::role.eq(role));
    }
    users
}

fn ordered(users: Users<'_>, order: Order<Column>) -> Users<'_> {
    // Emails are unique, so the id would decide nothing; with it the database could not use the
    // index on emails.
    match (order.by, order.is_reversed) {
        (Column::Id, false) => users.order(users::id),
        (Column::Id, true) => users.order(users::id.desc()),
        (Column::Email, false) => users.order(users::email),
        (Column::Email, true) => users.order(users::email.desc()),
    }
}

/// The users that match a filter, in this order.
///
/// # Errors
/// Only those of the database.
pub async fn list<'c>(
    conn: &'c mut Connection,
    filter: &Filter,
    order: Order<Column>,
    range: ListRange,
) -> Result<List<'c, User>, Error> {
    // MariaDB rejects a comparison with a text that the column cannot hold.
    for text in [&filter.prefix, &filter.email].into_iter().flatten() {
        if !fits(conn, ("users", "email"), text).await? {
            return Ok(List::empty(range));
        }
    }
    let (page, known) = match range {
        ListRange::Page(page, known) => (page, known),
        ListRange::After(id) => {
            let rows = ordered(filtered(filter), order).filter(users::id.gt(id));
            let rows = rows.select(User::as_select()).load_stream(conn).await?;
            return Ok(List::whole(rows));
        }
    };
    // A landmark is a position in id order. It is of no use in another order, or when the database
    // finds the rows through another index and sorts them.
    let known = known
        .landmark_if(order.by == Column::Id && filter.prefix.is_none() && filter.email.is_none());
    let count = filtered(filter).count();
    let ids = |window: &Window| ids(filter, order, window);
    let (total, ids) = total_and_ids(conn, (page, known), count, ids).await?;
    if ids.is_empty() {
        return Ok(List::past_the_end(page, total));
    }
    let rows = users::table.filter(users::id.eq_any(Ids::new(&ids)));
    let rows = ordered(rows.into_boxed(), order).select(User::as_select());
    Ok(List::page(rows.load_stream(conn).await?, page, total))
}

/// The ids of the users in a window of a list.
fn ids<'f>(
    filter: &'f Filter,
    order: Order<Column>,
    window: &Window,
) -> users::BoxedQuery<'f, Mysql, Integer> {
    let mut users = ordered(filtered(filter), order.reversed_if(window.is_backwards));
    if let Some(id) = window.after {
        users = if order.is_reversed {
            users.filter(users::id.lt(id))
        } else {
            users.filter(users::id.gt(id))
        };
    }
    if window.is_deep() {
        users = users.filter(prepared_anew());
    }
    let users = users.limit(window.rows).offset(window.skipped);
    users.select(users::id)
}

/// Checks that no committed user has this email, without a lock. The unique index has the last word.
///
/// # Errors
/// `Conflict` when a user has the email.
pub(super) async fn check_email_is_free(conn: &mut Connection, email: &str) -> Result<(), Error> {
    // MariaDB rejects a comparison with a text that the column cannot hold.
    if !fits(conn, ("users", "email"), email).await? {
        return Ok(());
    }
    let same = users::table.filter(users::email.eq(email));
    let same: Option<i32> = same.select(users::id).first(conn).await.optional()?;
    same.map_or(Ok(()), |_| Err(Error::Conflict(Conflict::EmailTaken)))
}

/// The stored password of a user.
///
/// # Errors
/// `NotFound`.
pub(super) async fn password(conn: &mut Connection, id: i32) -> Result<SecretString, Error> {
    let password = users::table.find(id).select(users::password);
    let stored: String = password.first(conn).await.map_err(or_missing("User"))?;
    Ok(stored.into())
}

/// Stores a new user.
///
/// # Errors
/// `Conflict` when another user has the email, or `Invalid` when the column cannot hold it.
pub async fn create(conn: &mut Connection, new: &NewUser) -> Result<User, Error> {
    let created = transaction(conn, |conn| insert(conn, new).scope_boxed()).await;
    reject_unstorable(conn, "users", &[("email", Some(&new.email))], created)
        .await?
        .map_err(or_conflict(UniqueViolation, Conflict::EmailTaken, "User"))
}

/// Stores a new user and keeps the response for this key, or returns the response that is kept for the
/// key.
///
/// # Errors
/// As [`create`]; nothing is kept then.
pub(super) async fn create_with_key(
    conn: &mut Connection,
    new: &NewUser,
    key: &Key,
    respond: fn(User) -> Response,
) -> Result<Outcome, Error> {
    let created = transaction(conn, |conn| {
        async move {
            if let Some(kept) = idempotency::claim(conn, key, Some(&new.password)).await? {
                return Ok(Outcome::Kept(kept));
            }
            let response = respond(insert(conn, new).await?);
            idempotency::keep(conn, key, &response).await?;
            Ok(Outcome::Created(response))
        }
        .scope_boxed()
    })
    .await;
    reject_unstorable(conn, "users", &[("email", Some(&new.email))], created)
        .await?
        .map_err(or_conflict(UniqueViolation, Conflict::EmailTaken, "User"))
}

/// Inserts a user within the caller's transaction.
async fn insert(conn: &mut Connection, new: &NewUser) -> QueryResult<User> {
    let insert = diesel::insert_into(users::table).values((
        users::email.eq(&new.email),
        users::password.eq(new.password.expose_secret()),
        users::role.eq(new.role),
    ));
    let columns = User::as_select();
    let mut stored: Vec<User> = Returning { insert, columns }.get_results(conn).await?;
    if let Some(row) = stored.pop() {
        return Ok(row);
    }
    users::table
        .filter(users::id.eq(last_insert_id()))
        .select(User::as_select())
        .first(conn)
        .await
}

/// The result of a change of a user, and the sessions that the change has ended.
pub struct Change<T> {
    /// The result.
    pub result: T,
    /// The ids of the sessions.
    pub ended_sessions: Vec<u64>,
}

/// Changes a user; returns the changed row. A new password and the loss of the role ADMIN end the user's
/// sessions.
///
/// # Errors
/// `NotFound`, `Stale` when the precondition does not hold, `Conflict` when another user has the new
/// email, or `Invalid` when the column cannot hold it.
pub async fn update(
    conn: &mut Connection,
    id: i32,
    changes: &UserChanges,
    condition: Option<&Condition<User>>,
) -> Result<Change<User>, Error> {
    if changes.email.is_none() && changes.password.is_none() && changes.role.is_none() {
        let user = User::find(conn, id).await?;
        check_precondition(condition, &user).map_err(or_missing("User"))?;
        return Ok(Change {
            result: user,
            ended_sessions: Vec::new(),
        });
    }
    let concerns_sessions = changes.password.is_some() || changes.role == Some(Role::User);
    let updated = transaction(conn, |conn| {
        async move {
            let mut ended_sessions = Vec::new();
            if condition.is_some() || concerns_sessions {
                let user = lock(conn, id).await?;
                check_precondition(condition, &user)?;
                if concerns_sessions && (changes.password.is_some() || user.role == Role::Admin) {
                    ended_sessions = sessions::end_all_of(conn, id).await?;
                }
            }
            let columns = (
                changes.email.as_ref().map(|email| users::email.eq(email)),
                changes
                    .password
                    .as_ref()
                    .map(|password| users::password.eq(password.expose_secret())),
                changes.role.map(|role| users::role.eq(role)),
            );
            diesel::update(users::table.find(id))
                .set(columns)
                .execute(conn)
                .await?;
            let user = users::table.find(id).select(User::as_select());
            Ok(Change {
                result: user.first(conn).await?,
                ended_sessions,
            })
        }
        .scope_boxed()
    })
    .await;
    let texts = [("email", changes.email.as_deref())];
    reject_unstorable(conn, "users", &texts, updated)
        .await?
        .map_err(or_conflict(UniqueViolation, Conflict::EmailTaken, "User"))
}

/// Reads and locks the user: no other transaction changes the row until this one ends.
async fn lock(conn: &mut Connection, id: i32) -> QueryResult<User> {
    let user = users::table.find(id).select(User::as_select());
    user.for_update().first(conn).await
}

/// Deletes a user with the items of the user's cart, and ends the user's sessions; returns the number of the
/// items.
///
/// # Errors
/// `NotFound`, `Stale` when the precondition does not hold, or `Conflict` when a table of another
/// program still refers to the user.
pub async fn delete(
    conn: &mut Connection,
    id: i32,
    condition: Option<&Condition<User>>,
) -> Result<Change<usize>, Error> {
    let removed = transaction(conn, |conn| {
        async move {
            // While the user's row is locked, no other transaction adds to this cart.
            check_precondition(condition, &lock(conn, id).await?)?;
            let removed = diesel::delete(cart::table.filter(cart::user_id.eq(id)))
                .execute(conn)
                .await?;
            let ended_sessions = sessions::end_all_of(conn, id).await?;
            diesel::delete(users::table.find(id)).execute(conn).await?;
            Ok(Change {
                result: removed,
                ended_sessions,
            })
        }
        .scope_boxed()
    });
    let conflict = Conflict::HasDependents;
    removed
        .await
        .map_err(or_conflict(ForeignKeyViolation, conflict, "User"))
}

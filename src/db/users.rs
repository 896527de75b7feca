//! Users: the rows without their passwords, and the queries.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::mysql::{Mysql, MysqlValue};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::{ForeignKeyViolation, UniqueViolation};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Conflict, Error};

use super::errors::{or_conflict, or_missing};
use super::ids::Ids;
use super::pages::{Window, prepared_anew, total_and_ids};
use super::schema::sql_types::UsersRoleEnum;
use super::schema::{cart, users};
use super::transaction::{Condition, check_precondition, transaction};
use super::{Connection, List, ListRange, Order, beginning_with, last_insert_id};

diesel::define_sql_function! {
    /// The bytes of a text, in hexadecimal.
    fn hex(text: Text) -> Text;
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = UsersRoleEnum)]
pub enum Role {
    /// May administer the shop.
    Admin,
    /// May shop.
    User,
}

impl ToSql<UsersRoleEnum, Mysql> for Role {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
        use std::io::Write;
        out.write_all(match self {
            Self::Admin => b"ADMIN",
            Self::User => b"USER",
        })?;
        Ok(IsNull::No)
    }
}

impl FromSql<UsersRoleEnum, Mysql> for Role {
    fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            b"ADMIN" => Ok(Self::Admin),
            b"USER" => Ok(Self::User),
            _ => Err("a role that is neither ADMIN nor USER".into()),
        }
    }
}

/// A user, without the password.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
pub struct User {
    /// The primary key.
    pub id: i32,
    /// Unique; the collation decides what is equal (letter case does not count).
    pub email: String,
    /// What the user may do.
    pub role: Role,
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

/// What to change of a user; `None` leaves a column as it is. `password` is the hash.
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

/// Which users are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What the email begins with.
    pub prefix: Option<String>,
    /// The email.
    pub email: Option<String>,
    /// The role.
    pub role: Option<Role>,
}

type Users<'f> = users::BoxedQuery<'f, Mysql>;

/// The users that a filter lets through.
fn filtered(filter: &Filter) -> Users<'_> {
    let mut users = users::table.into_boxed();
    if let Some(prefix) = &filter.prefix {
        users = users.filter(users::email.like(beginning_with(prefix)).escape('!'));
    }
    if let Some(email) = &filter.email {
        // The index finds those that the collation takes for equal; letter case, accents and
        // trailing spaces count all the same, which even utf8mb4_bin would ignore. Not as a piece of
        // SQL, since diesel would prepare the statement anew each time.
        let exactly = hex(users::email).eq(hex(email));
        users = users.filter(users::email.eq(email)).filter(exactly);
    }
    if let Some(role) = filter.role {
        users = users.filter(users::role.eq(role));
    }
    users
}

fn ordered(users: Users<'_>, order: Order<Column>) -> Users<'_> {
    // Emails are unique, so that nothing is left for the id to decide; with it, the index on them
    // would not do.
    match (order.by, order.is_reversed) {
        (Column::Id, false) => users.order(users::id),
        (Column::Id, true) => users.order(users::id.desc()),
        (Column::Email, false) => users.order(users::email),
        (Column::Email, true) => users.order(users::email.desc()),
    }
}

/// The users that a filter lets through, in this order.
///
/// # Errors
/// Only those of the database.
pub async fn list<'c>(
    conn: &'c mut Connection,
    filter: &Filter,
    order: Order<Column>,
    range: ListRange,
) -> Result<List<'c, User>, Error> {
    let (page, known) = match range {
        ListRange::Page(page, known) => (page, known),
        ListRange::After(id) => {
            let rows = ordered(filtered(filter), order).filter(users::id.gt(id));
            let rows = rows.select(User::as_select()).load_stream(conn).await?;
            return Ok(List::whole(rows));
        }
    };
    // By another column, and in hits that are sorted afresh, a landmark's id tells no place.
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
    Ok(List::part(rows.load_stream(conn).await?, page, total))
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

/// The user with this id.
///
/// # Errors
/// `NotFound`.
pub async fn find(conn: &mut Connection, id: i32) -> Result<User, Error> {
    users::table
        .find(id)
        .select(User::as_select())
        .first(conn)
        .await
        .map_err(or_missing("User"))
}

/// Those users of these ids that exist, in any order.
///
/// # Errors
/// Only those of the database.
pub(super) async fn with_ids(conn: &mut Connection, ids: &[i32]) -> Result<Vec<User>, Error> {
    let users = users::table.filter(users::id.eq_any(Ids::new(ids)));
    Ok(users.select(User::as_select()).load(conn).await?)
}

/// Stores a new user.
///
/// # Errors
/// `Conflict` when another user has the email.
pub async fn create(conn: &mut Connection, new: &NewUser) -> Result<User, Error> {
    transaction(conn, |conn| {
        async move {
            diesel::insert_into(users::table)
                .values((
                    users::email.eq(&new.email),
                    users::password.eq(new.password.expose_secret()),
                    users::role.eq(new.role),
                ))
                .execute(conn)
                .await?;
            users::table
                .filter(users::id.eq(last_insert_id()))
                .select(User::as_select())
                .first(conn)
                .await
        }
        .scope_boxed()
    })
    .await
    .map_err(or_conflict(UniqueViolation, Conflict::EmailTaken, "User"))
}

/// Changes a user; returns it as it is then.
///
/// # Errors
/// `NotFound`, `Stale` when it is not as the precondition requires, or `Conflict` when another user has
/// the new email.
pub async fn update(
    conn: &mut Connection,
    id: i32,
    changes: &UserChanges,
    condition: Option<&Condition<User>>,
) -> Result<User, Error> {
    if changes.email.is_none() && changes.password.is_none() && changes.role.is_none() {
        let user = find(conn, id).await?;
        check_precondition(condition, &user).map_err(or_missing("User"))?;
        return Ok(user);
    }
    let user = transaction(conn, |conn| {
        async move {
            if condition.is_some() {
                check_precondition(condition, &lock(conn, id).await?)?;
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
            users::table
                .find(id)
                .select(User::as_select())
                .first(conn)
                .await
        }
        .scope_boxed()
    });
    user.await
        .map_err(or_conflict(UniqueViolation, Conflict::EmailTaken, "User"))
}

/// The user, locked: no other transaction changes the row until this one ends.
async fn lock(conn: &mut Connection, id: i32) -> QueryResult<User> {
    let user = users::table.find(id).select(User::as_select());
    user.for_update().first(conn).await
}

/// Deletes a user and what is in the user's cart; returns how many cart items that were.
///
/// # Errors
/// `NotFound`, `Stale` when it is not as the precondition requires, or `Conflict` when a table that is not
/// ours still refers to the user.
pub async fn delete(
    conn: &mut Connection,
    id: i32,
    condition: Option<&Condition<User>>,
) -> Result<usize, Error> {
    let removed = transaction(conn, |conn| {
        async move {
            // While the user's row is locked, no other transaction adds to this cart.
            check_precondition(condition, &lock(conn, id).await?)?;
            let removed = diesel::delete(cart::table.filter(cart::user_id.eq(id)))
                .execute(conn)
                .await?;
            diesel::delete(users::table.find(id)).execute(conn).await?;
            Ok(removed)
        }
        .scope_boxed()
    });
    let conflict = Conflict::HasDependents;
    removed
        .await
        .map_err(or_conflict(ForeignKeyViolation, conflict, "User"))
}

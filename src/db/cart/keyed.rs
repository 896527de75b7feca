//! Additions to carts with an idempotency key. Each is a transaction of its own and does not share a
//! statement with others.

use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use scoped_futures::ScopedFutureExt;

use crate::db::Connection;
use crate::db::errors::QueryError;
use crate::db::idempotency::{self, Key, Outcome, Response};
use crate::db::rows::{Product, User};
use crate::db::transaction::transaction;
use crate::error::{Conflict, Error};

use super::additions::inserts::{insert_one, stored};
use super::{FullItem, NewCartItem};

/// Puts a product into a user's cart and keeps the response for this key, or returns the response that
/// is kept for the key.
///
/// # Errors
/// `Conflict` when the user or the product does not exist; nothing is kept then.
pub(in crate::db) async fn add(
    conn: &mut Connection,
    new: NewCartItem,
    key: &Key,
    respond: fn(FullItem) -> Response,
) -> Result<Outcome, Error> {
    let added = transaction(conn, |conn| {
        async move {
            if let Some(kept) = idempotency::claim(conn, key, None).await? {
                return Ok(Outcome::Kept(kept));
            }
            let id = insert_one(conn, new).await?.id;
            let response = respond(stored(conn, id).await?);
            idempotency::keep(conn, key, &response).await?;
            Ok(Outcome::Created(response))
        }
        .scope_boxed()
    });
    match added.await {
        Err(error) if error.is_violation(ForeignKeyViolation) => {
            Err(missing_parent(conn, new, error).await)
        }
        result => Ok(result?),
    }
}

/// The conflict of an item that a foreign key has rejected.
async fn missing_parent(conn: &mut Connection, new: NewCartItem, error: QueryError) -> Error {
    match User::find(conn, new.user_id).await {
        Err(Error::NotFound(_)) => return Error::Conflict(Conflict::UserMissing),
        Err(error) => return error,
        Ok(_) => {}
    }
    match Product::find(conn, new.product_id).await {
        Err(Error::NotFound(_)) => Error::Conflict(Conflict::ProductMissing),
        Err(error) => error,
        Ok(_) => error.into(),
    }
}

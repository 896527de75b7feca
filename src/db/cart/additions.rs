//! Additions to carts: in groups, which never wait for a lock, and alone.
//!
//! One statement inserts all items of a group. An item whose user or product another transaction has
//! locked goes on alone, on another connection. So it neither delays nor fails the other items.
//!
//! If the database rejects some item of the group (by a rule, for example), or a trigger changes its
//! user or product, nothing is stored, and the two halves of the group are inserted instead, and so on,
//! until only these items are left. They go on alone.

mod groups;
pub(super) mod inserts;
mod parents;

use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use scoped_futures::ScopedFutureExt;

use crate::db::Connection;
use crate::db::errors::diagnose;
use crate::db::shares::Row;
use crate::db::transaction::transaction;
use crate::error::Error;

use super::{FullItem, NewCartItem};

use groups::{Insertion, insert_group};
use inserts::{insert_one, is_unchanged, stored};
use parents::{parent_rows, parents_of, read_parents};

/// What became of one item of a group.
pub(in crate::db) enum Outcome {
    /// The item was added, or cannot be.
    Done(Result<FullItem, Error>),
    /// The item was not added. [`add_alone`] may have to wait for these rows.
    Alone(Vec<Row>),
}

impl Outcome {
    /// The outcome for an item of which is not known what it would wait for.
    pub(in crate::db) fn alone(item: NewCartItem) -> Self {
        Self::Alone(parent_rows(item).into())
    }
}

/// Puts products into users' carts, without waiting for a locked row: the settings of the connection
/// forbid it. Returns the outcomes in the same order, new items with users and products as they were
/// just before the insert. `has_returning` says whether the server has `INSERT … RETURNING`.
pub(in crate::db) async fn add_group(
    conn: &mut Connection,
    items: &[NewCartItem],
    has_returning: bool,
) -> Vec<Outcome> {
    let parents = read_parents(conn, items).await;
    let Ok(parents) = diagnose(conn, parents).await else {
        // A locked table, or a row that cannot be read. Nothing was written.
        return items.iter().copied().map(Outcome::alone).collect();
    };
    let known = items.iter().zip(&parents).filter(|(_, row)| row.is_ok());
    let known: Vec<NewCartItem> = known.map(|(item, _)| *item).collect();
    let mut inserted = insert_group(conn, &known, has_returning).await.into_iter();
    let outcomes = parents.into_iter().map(|parents| {
        let (user, product) = match parents {
            Ok(parents) => parents,
            Err(missing) => return Outcome::Done(Err(missing)),
        };
        match inserted.next().expect("one result for each known item") {
            Insertion::Inserted(item) => Outcome::Done(Ok((item, user, product))),
            Insertion::Failed(error) => Outcome::Done(Err(error)),
            Insertion::Left(rows) => Outcome::Alone(rows),
        }
    });
    outcomes.collect()
}

/// Puts a product into a user's cart; waits for locks as other changes do. Returns the new item as it
/// was stored, with the user and the product as they were just before.
///
/// # Errors
/// `Conflict` when the user or the product does not exist.
pub(in crate::db) async fn add_alone(
    conn: &mut Connection,
    new: NewCartItem,
) -> Result<FullItem, Error> {
    let (user, product) = parents_of(conn, new).await?;
    let added = transaction(conn, |conn| {
        async move {
            let item = insert_one(conn, new).await?;
            if is_unchanged(&item, new) {
                return Ok((item, None));
            }
            // A trigger has put another product into the cart, or the product into another cart.
            let (item, user, product) = stored(conn, item.id).await?;
            Ok((item, Some((user, product))))
        }
        .scope_boxed()
    });
    let error = match added.await {
        Ok((item, changed)) => {
            let (user, product) = changed.unwrap_or((user, product));
            return Ok((item, user, product));
        }
        Err(error) => error,
    };
    if error.is_violation(ForeignKeyViolation) {
        // The user or the product was deleted after it was read; reading both shows which.
        parents_of(conn, new).await?;
    }
    Err(error.into())
}

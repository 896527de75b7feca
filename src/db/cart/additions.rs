//! Additions to carts: in groups, which never wait for a lock, and alone.
//!
//! One statement inserts all items of a group. An item that the group cannot insert at once, because
//! another transaction has locked its user or product, or because the database rejects some item of
//! the group, goes on alone, on another connection. So it neither delays nor fails the other items.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel::result::{Error as DieselError, QueryResult};
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;

use crate::db::dialect::{Returning, UnlockedRows, returned};
use crate::db::errors::{QueryError, diagnose};
use crate::db::ids::Ids;
use crate::db::rows::{Product, User};
use crate::db::schema::cart;
use crate::db::shares::Row;
use crate::db::transaction::transaction;
use crate::db::{Connection, last_insert_id};
use crate::error::{Conflict, Error};

use super::{CartItem, FullItem, NewCartItem};

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
        Self::Alone(vec![Row::User(item.user_id), Row::Product(item.product_id)])
    }
}

/// Puts products into users' carts, without waiting for a locked row: the settings of the connection
/// forbid it. Returns the outcomes in the same order, new items with users and products as they were
/// just before the insert. `has_returning` says whether the server has `INSERT … RETURNING`.
///
/// # Errors
/// When it is not known whether the items were stored.
pub(in crate::db) async fn add_group(
    conn: &mut Connection,
    items: &[NewCartItem],
    has_returning: bool,
) -> Result<Vec<Outcome>, Error> {
    let parents = read_parents(conn, items).await;
    let Ok(parents) = diagnose(conn, parents).await else {
        // A locked table, or a row that cannot be read. Nothing was written.
        return Ok(items.iter().copied().map(Outcome::alone).collect());
    };
    let known = items.iter().zip(&parents).filter(|(_, row)| row.is_ok());
    let known: Vec<NewCartItem> = known.map(|(item, _)| *item).collect();
    let mut inserted = match insert_group(conn, &known, has_returning).await {
        Ok(inserted) => inserted,
        Err(error) if error.is_undone() => {
            return Ok(items.iter().copied().map(Outcome::alone).collect());
        }
        Err(error) => return Err(error.into()),
    };
    let outcome = |(new, parents): (&NewCartItem, Parents)| {
        let (user, product) = match parents {
            Ok(parents) => parents,
            Err(missing) => return Outcome::Done(Err(missing)),
        };
        let locked = inserted.locked_rows(*new);
        if !locked.is_empty() {
            return Outcome::Alone(locked);
        }
        let item = inserted.take(*new).ok_or_else(|| {
            Error::Internal("a trigger changed the user or the product of an item".into())
        });
        Outcome::Done(item.map(|item| (item, user, product)))
    };
    Ok(items.iter().zip(parents).map(outcome).collect())
}

/// Puts a product into a user's cart; waits for locks as other changes do. Returns the new item,
/// with the user and the product as they were just before.
///
/// # Errors
/// `Conflict` when the user or the product does not exist.
pub(in crate::db) async fn add_alone(
    conn: &mut Connection,
    new: NewCartItem,
) -> Result<FullItem, Error> {
    let (user, product) = parents_of(conn, new).await?;
    let error = match transaction(conn, |conn| insert_one(conn, new).scope_boxed()).await {
        Ok(item) => return Ok((item, user, product)),
        Err(error) => error,
    };
    if error.is_violation(ForeignKeyViolation) {
        // The user or the product was deleted after it was read; reading both shows which.
        parents_of(conn, new).await?;
    }
    Err(error.into())
}

/// An item's user and product, or the error for the one that does not exist.
type Parents = Result<(User, Product), Error>;

async fn parents_of(conn: &mut Connection, item: NewCartItem) -> Parents {
    let parents = read_parents(conn, &[item]).await?.pop();
    parents.expect("one result for each item")
}

/// Reads the user and the product of each item, with two statements for all items.
async fn read_parents(conn: &mut Connection, items: &[NewCartItem]) -> Result<Vec<Parents>, Error> {
    let users = User::with_ids(conn, &user_ids(items)).await?;
    let users: HashMap<i32, User> = users.into_iter().map(|user| (user.id, user)).collect();
    let products = Product::with_ids(conn, &product_ids(items)).await?;
    let products: HashMap<i32, Product> = products.into_iter().map(|row| (row.id, row)).collect();
    let both = |item: &NewCartItem| {
        let user = users.get(&item.user_id);
        let user = user.ok_or(Error::Conflict(Conflict::UserMissing))?;
        let product = products.get(&item.product_id);
        let product = product.ok_or(Error::Conflict(Conflict::ProductMissing))?;
        Ok((user.clone(), product.clone()))
    };
    Ok(items.iter().map(both).collect())
}

fn user_ids(items: &[NewCartItem]) -> Vec<i32> {
    items.iter().map(|item| item.user_id).collect()
}

fn product_ids(items: &[NewCartItem]) -> Vec<i32> {
    items.iter().map(|item| item.product_id).collect()
}

/// The items that a group has inserted, and the rows whose items it has left out.
#[derive(Default)]
struct Inserted {
    /// The new items of each pair of user and product. Several items of a group may have one pair;
    /// which of them gets which id makes no difference.
    items: HashMap<(i32, i32), Vec<CartItem>>,
    locked: HashSet<Row>,
}

impl Inserted {
    fn new(items: Vec<CartItem>) -> Self {
        let mut inserted = Self::default();
        for item in items {
            let pair = (item.user_id, item.product_id);
            inserted.items.entry(pair).or_default().push(item);
        }
        inserted
    }

    fn locked_rows(&self, new: NewCartItem) -> Vec<Row> {
        let rows = [Row::User(new.user_id), Row::Product(new.product_id)];
        let locked = rows.into_iter().filter(|row| self.locked.contains(row));
        locked.collect()
    }

    fn take(&mut self, new: NewCartItem) -> Option<CartItem> {
        let pair = (new.user_id, new.product_id);
        self.items.get_mut(&pair)?.pop()
    }
}

/// Inserts the items of a group, or those whose users and products are not locked.
async fn insert_group(
    conn: &mut Connection,
    items: &[NewCartItem],
    has_returning: bool,
) -> Result<Inserted, QueryError> {
    if items.is_empty() {
        return Ok(Inserted::default());
    }
    if has_returning {
        // Nearly always no row is locked, and this one statement inserts all items.
        let error = match insert(conn, items).await {
            Ok(items) => return Ok(Inserted::new(items)),
            Err(error) => QueryError::from(error).diagnose(conn).await,
        };
        if !error.is_undone() {
            return Err(error);
        }
    }
    transaction(conn, |conn| {
        async move {
            let users = unlocked(conn, "users", &user_ids(items)).await?;
            let products = unlocked(conn, "products", &product_ids(items)).await?;
            let is_free = |item: &&NewCartItem| {
                users.contains(&item.user_id) && products.contains(&item.product_id)
            };
            let free: Vec<NewCartItem> = items.iter().filter(is_free).copied().collect();
            let mut inserted = if free.is_empty() {
                Inserted::default()
            } else if has_returning {
                Inserted::new(insert(conn, &free).await?)
            } else {
                let mut rows = Vec::with_capacity(free.len());
                for item in free {
                    rows.push(insert_one(conn, item).await?);
                }
                Inserted::new(rows)
            };
            for item in items {
                if !users.contains(&item.user_id) {
                    inserted.locked.insert(Row::User(item.user_id));
                }
                if !products.contains(&item.product_id) {
                    inserted.locked.insert(Row::Product(item.product_id));
                }
            }
            Ok(inserted)
        }
        .scope_boxed()
    })
    .await
}

/// The ids of the rows of a table that are not locked, which are locked against changes now.
async fn unlocked(
    conn: &mut Connection,
    table: &'static str,
    ids: &[i32],
) -> QueryResult<HashSet<i32>> {
    let ids = Ids::new(ids);
    let rows: Vec<i32> = UnlockedRows { table, ids }.get_results(conn).await?;
    Ok(rows.into_iter().collect())
}

/// Inserts all items or none, with one statement. The server must have `INSERT … RETURNING`.
async fn insert(conn: &mut Connection, items: &[NewCartItem]) -> QueryResult<Vec<CartItem>> {
    if let [item] = items {
        return Ok(vec![insert_one(conn, *item).await?]);
    }
    // Diesel prepares this statement each time, since the text depends on the number of rows. So the
    // server does not keep a statement for each number.
    let insert = diesel::insert_into(cart::table).values(items);
    let columns = CartItem::as_select();
    Returning { insert, columns }.get_results(conn).await
}

/// Inserts one item, on any server.
pub(super) async fn insert_one(conn: &mut Connection, item: NewCartItem) -> QueryResult<CartItem> {
    let insert = diesel::insert_into(cart::table).values(item);
    let columns = CartItem::as_select();
    // Read to the end: the error of a COMMIT that fails comes after the row.
    let stored: QueryResult<Vec<CartItem>> = Returning { insert, columns }.get_results(conn).await;
    if let Some(mut items) = returned(stored)? {
        return items.pop().ok_or(DieselError::NotFound);
    }
    let id = diesel::select(last_insert_id()).get_result(conn).await?;
    Ok::<_, DieselError>(CartItem {
        id,
        user_id: item.user_id,
        product_id: item.product_id,
    })
}

//! Additions to carts: in groups, which never wait for a lock, and alone.
//!
//! One statement inserts all items of a group. An item whose user or product another transaction has
//! locked goes on alone, on another connection. So it neither delays nor fails the other items.
//!
//! If the database rejects some item of the group (by a rule, for example), or a trigger changes its
//! user or product, nothing is stored, and the two halves of the group are inserted instead, and so on,
//! until only these items are left. They go on alone.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel::result::{Error as DieselError, QueryResult};
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;

use crate::db::dialect::{InsertUnchanged, Returning, UnlockedRows, returned};
use crate::db::errors::{QueryError, diagnose};
use crate::db::ids::Ids;
use crate::db::rows::{Product, User};
use crate::db::schema::{cart, products, users};
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

/// The rows of an item's user and product.
fn parent_rows(item: NewCartItem) -> [Row; 2] {
    [Row::User(item.user_id), Row::Product(item.product_id)]
}

/// What became of one item in the database.
enum Insertion {
    /// It was inserted.
    Inserted(CartItem),
    /// It was not inserted as it should be, or whether it was inserted is not known.
    Failed(Error),
    /// It was not inserted. It may have to wait for these rows.
    Left(Vec<Row>),
}

impl Insertion {
    /// The result for an item of which is not known what it would wait for.
    fn left(item: NewCartItem) -> Self {
        Self::Left(parent_rows(item).into())
    }
}

/// How many inserts of one group the database may reject before the rest of the group goes on alone.
/// One rejected item in the largest group takes seven of them.
const MAX_REJECTIONS: usize = 32;

/// Inserts the items of a group, except those that have to go on alone. Returns the results in the
/// same order.
async fn insert_group(
    conn: &mut Connection,
    items: &[NewCartItem],
    has_returning: bool,
) -> Vec<Insertion> {
    let mut results = Vec::with_capacity(items.len());
    let mut rejections = 0;
    // The last part is the next one to insert.
    let mut parts = vec![items];
    while rejections < MAX_REJECTIONS
        && let Some(part) = parts.pop()
    {
        match insert_part(conn, part, has_returning).await {
            Ok(inserted) => results.extend(inserted),
            Err(error) if !error.is_undone() => {
                // These items may be stored, so they are not inserted again.
                let error = Error::from(error);
                results.extend(part.iter().map(|_| Insertion::Failed(error.share())));
                break;
            }
            Err(error) if error.is_temporary() || part.len() == 1 => {
                results.extend(part.iter().copied().map(Insertion::left));
            }
            Err(_) => {
                rejections += 1;
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
        }
    }
    let rest = parts.into_iter().rev().flatten().copied();
    results.extend(rest.map(Insertion::left));
    results
}

/// Inserts the items whose users and products are not locked, or none if the database rejects one of
/// them. Returns the results in the same order.
async fn insert_part(
    conn: &mut Connection,
    items: &[NewCartItem],
    has_returning: bool,
) -> Result<Vec<Insertion>, QueryError> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    if has_returning {
        // Nearly always no row is locked, and this one statement inserts all items.
        let error = match insert(conn, items).await {
            Ok(stored) => return Ok(matched(items, stored, &HashSet::new())),
            Err(error) => QueryError::from(error).diagnose(conn).await,
        };
        let is_lock = error.is_undone() && error.is_temporary();
        if !is_lock {
            return Err(error);
        }
    }
    transaction(conn, |conn| {
        async move {
            let users = unlocked(conn, "users", &user_ids(items)).await?;
            let products = unlocked(conn, "products", &product_ids(items)).await?;
            let mut locked = HashSet::new();
            for item in items {
                if !users.contains(&item.user_id) {
                    locked.insert(Row::User(item.user_id));
                }
                if !products.contains(&item.product_id) {
                    locked.insert(Row::Product(item.product_id));
                }
            }
            let is_free = |item: &&NewCartItem| {
                users.contains(&item.user_id) && products.contains(&item.product_id)
            };
            let free: Vec<NewCartItem> = items.iter().filter(is_free).copied().collect();
            let stored = if free.is_empty() {
                Vec::new()
            } else if has_returning {
                insert(conn, &free).await?
            } else {
                let mut stored = Vec::with_capacity(free.len());
                for new in free {
                    let item = insert_one(conn, new).await?;
                    if !is_unchanged(&item, new) {
                        return Err(DieselError::RollbackTransaction);
                    }
                    stored.push(item);
                }
                stored
            };
            Ok(matched(items, stored, &locked))
        }
        .scope_boxed()
    })
    .await
}

/// The result for each item, in the same order: `stored` has the items whose users and products are
/// not among the `locked` rows, in any order. Several items may have one pair of user and product;
/// which of them gets which id makes no difference.
fn matched(items: &[NewCartItem], stored: Vec<CartItem>, locked: &HashSet<Row>) -> Vec<Insertion> {
    let mut of_pair: HashMap<(i32, i32), Vec<CartItem>> = HashMap::new();
    for item in stored {
        let pair = (item.user_id, item.product_id);
        of_pair.entry(pair).or_default().push(item);
    }
    let result = |new: &NewCartItem| {
        let rows = parent_rows(*new).into_iter();
        let rows: Vec<Row> = rows.filter(|row| locked.contains(row)).collect();
        if !rows.is_empty() {
            return Insertion::Left(rows);
        }
        let pair = (new.user_id, new.product_id);
        match of_pair.get_mut(&pair).and_then(Vec::pop) {
            Some(item) => Insertion::Inserted(item),
            None => Insertion::Failed(Error::Internal(
                "the database did not return an item that it stored".into(),
            )),
        }
    };
    items.iter().map(result).collect()
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

/// Inserts all items or none, with one statement: none if a trigger changes the user or the product of an
/// item. The server must have `INSERT … RETURNING`.
async fn insert(conn: &mut Connection, items: &[NewCartItem]) -> QueryResult<Vec<CartItem>> {
    let pair = |item: &NewCartItem| (item.user_id, item.product_id);
    let items: Vec<(i32, i32)> = items.iter().map(pair).collect();
    let insert = InsertUnchanged { items: &items };
    let rows: Vec<(CartItem, i64)> = insert.get_results(conn).await?;
    Ok(rows.into_iter().map(|(item, _)| item).collect())
}

/// Inserts one item, on any server; returns it as it was stored.
pub(super) async fn insert_one(conn: &mut Connection, item: NewCartItem) -> QueryResult<CartItem> {
    let insert = diesel::insert_into(cart::table).values(item);
    let columns = CartItem::as_select();
    let stored = Returning { insert, columns }.get_results(conn).await;
    if let Some(item) = returned(stored)? {
        return Ok(item);
    }
    cart::table
        .filter(cart::id.eq(last_insert_id()))
        .select(CartItem::as_select())
        .first(conn)
        .await
}

/// Whether the item was stored as it was sent. A trigger may change it.
fn is_unchanged(item: &CartItem, new: NewCartItem) -> bool {
    (item.user_id, item.product_id) == (new.user_id, new.product_id)
}

/// The stored item with its user and product.
pub(super) async fn stored(conn: &mut Connection, id: i32) -> QueryResult<FullItem> {
    cart::table
        .inner_join(users::table)
        .inner_join(products::table)
        .filter(cart::id.eq(id))
        .select((
            CartItem::as_select(),
            User::as_select(),
            Product::as_select(),
        ))
        .first(conn)
        .await
}

//! What becomes of the items of a group in the database.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use diesel::result::Error as DieselError;
use scoped_futures::ScopedFutureExt;

use crate::db::Connection;
use crate::db::errors::QueryError;
use crate::db::shares::Row;
use crate::db::transaction::transaction;
use crate::error::Error;

use super::super::{CartItem, NewCartItem};
use super::inserts::{insert, insert_one, is_unchanged, unlocked};
use super::parents::{parent_rows, product_ids, user_ids};

/// What became of one item in the database.
pub(super) enum Insertion {
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

/// How long a group may be divided before the rest of it goes on alone, so that the items that are stored
/// already are acknowledged in time.
const MAX_DIVIDING: Duration = Duration::from_secs(1);

/// Inserts the items of a group, except those that have to go on alone. Returns the results in the
/// same order.
pub(super) async fn insert_group(
    conn: &mut Connection,
    items: &[NewCartItem],
    has_returning: bool,
) -> Vec<Insertion> {
    let mut results = Vec::with_capacity(items.len());
    let mut rejections = 0;
    let end = Instant::now() + MAX_DIVIDING;
    // The last part is the next one to insert.
    let mut parts = vec![items];
    while rejections < MAX_REJECTIONS
        && (rejections == 0 || Instant::now() < end)
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
                if error.is_lost() {
                    break;
                }
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

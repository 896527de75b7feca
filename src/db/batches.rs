//! The operations whose concurrent requests share one statement: reads by id, and additions to
//! carts.
//!
//! Each is a [`Coalescer`] around a query function that takes many ids. Imports the pool, its shares
//! and the query functions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scoped_futures::{ScopedBoxFuture, ScopedFutureExt};
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::metrics;

use super::Connection;
use super::cart::additions::{self, Outcome};
use super::cart::{self, NewCartItem};
use super::coalesce::{Allowance, Coalescer, Measured};
use super::dialect::has_returning;
use super::errors::diagnose;
use super::pool::{Pool, Pooled};
use super::reads::read_again_if_closed;
use super::rows::{CartItem, FullItem, Product, User};
use super::scope::Scope;
use super::shares::{Kind, Shares};

/// The most rows that one statement reads for the carts of many users. Larger carts are read with a
/// list connection each.
const MAX_CART_ROWS: usize = 4096;

/// The key of a read: an id, and the scope in which its caller reads. Callers share a result only
/// under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) scope: Scope,
    pub(super) id: i32,
}

impl Key {
    /// The key of a row that is the same for every caller who may read it.
    pub(super) fn for_everyone(id: i32) -> Self {
        let scope = Scope::Everyone;
        Self { scope, id }
    }
}

fn ids(keys: &[Key]) -> Vec<i32> {
    keys.iter().map(|key| key.id).collect()
}

/// The result of a batch for one user's cart.
#[derive(Clone)]
pub(super) enum Cart {
    /// There is no such user.
    NoUser,
    /// Every item, in id order.
    Items(Arc<Vec<(CartItem, Product)>>),
    /// The carts of the batch together were too large for one statement.
    TooLarge,
}

/// One coalescer for each kind of batch. The key of an addition has no scope: each caller gets only
/// the item that it added.
pub(super) struct Batches {
    pub(super) users: Coalescer<Key, Result<Option<User>, Error>>,
    pub(super) products: Coalescer<Key, Result<Option<Product>, Error>>,
    pub(super) items: Coalescer<Key, Result<Option<FullItem>, Error>>,
    pub(super) carts: Coalescer<Key, Cart>,
    pub(super) additions: Coalescer<NewCartItem, Outcome>,
}

impl Batches {
    /// The batches of a pool that is divided into `shares`. The groups of additions have a pool of
    /// their own.
    pub(super) fn new(shares: &Arc<Shares>, group_pool: Pool, metrics: &metrics::Database) -> Self {
        let allowance = &Arc::new(Allowance::new(shares.pool_size()));
        let limit = group_pool.limits().queries;
        let carts_share = shares.kind();
        let groups = Arc::new(Groups {
            pool: group_pool,
            has_returning: OnceCell::new(),
        });
        Self {
            users: by_id(
                shares.kind(),
                (allowance, limit),
                |conn, ids, _| User::with_ids(conn, ids).scope_boxed(),
                |user| user.id,
                |_, _| true,
            )
            .counted_in(metrics.batch("users")),
            products: by_id(
                shares.kind(),
                (allowance, limit),
                |conn, ids, _| Product::with_ids(conn, ids).scope_boxed(),
                |product| product.id,
                |_, _| true,
            )
            .counted_in(metrics.batch("products")),
            items: by_id(
                shares.kind(),
                (allowance, limit),
                |conn, ids, scope| cart::with_ids(conn, ids, scope).scope_boxed(),
                |(item, ..)| item.id,
                |(item, ..), scope| scope.has_rows_of(item.user_id),
            )
            .counted_in(metrics.batch("cart_items")),
            carts: Coalescer::new(allowance, Measured::Yes, limit, move |keys: Vec<Key>| {
                carts(carts_share.clone(), ids(&keys))
            })
            .counted_in(metrics.batch("carts")),
            additions: Coalescer::new(allowance, Measured::No, limit, move |items| {
                add(Arc::clone(&groups), items)
            })
            .counted_in(metrics.batch("additions")),
        }
    }
}

/// A query function that reads what belongs to many ids, in a scope.
type Read<T> = for<'a, 'c> fn(
    &'c mut Connection,
    &'a [i32],
    Scope,
) -> ScopedBoxFuture<'a, 'c, Result<T, Error>>;

/// A coalescer for reads of single rows: `read` reads the rows of many ids, `id` returns a row's id, and
/// `is_in` says whether a row is in a scope. When all keys have the same scope, the statement reads no row
/// out of it; when they have several, each caller gets a row only if it is in the scope of the caller.
fn by_id<T: Clone + Send + 'static>(
    share: Kind,
    (allowance, limit): (&Arc<Allowance>, Duration),
    read: Read<Vec<T>>,
    id: fn(&T) -> i32,
    is_in: fn(&T, Scope) -> bool,
) -> Coalescer<Key, Result<Option<T>, Error>> {
    Coalescer::new(allowance, Measured::Yes, limit, move |keys: Vec<Key>| {
        let (share, ids) = (share.clone(), ids(&keys));
        let scope = Scope::common(keys.iter().map(|key| key.scope));
        async move {
            let lease = || share.get();
            let (mut conn, rows) =
                read_again_if_closed(lease, |conn| read(conn, &ids, scope)).await?;
            let rows = match rows {
                Ok(rows) => rows,
                Err(Error::Internal(_)) if ids.len() > 1 => {
                    // One row cannot be read. Each is read alone now, so that the other reads
                    // succeed.
                    let mut results = Vec::with_capacity(keys.len());
                    for Key { id, scope } in &keys {
                        let rows = read(&mut conn, std::slice::from_ref(id), *scope).await;
                        let rows = diagnose(&mut conn, rows).await;
                        results.push(rows.map(|mut rows| rows.pop()));
                    }
                    return Ok(results);
                }
                Err(error) => return Err(error),
            };
            let rows: HashMap<i32, T> = rows.into_iter().map(|row| (id(&row), row)).collect();
            let row = |key: &Key| rows.get(&key.id).filter(|row| is_in(row, key.scope));
            Ok(keys.iter().map(|key| Ok(row(key).cloned())).collect())
        }
    })
}

async fn carts(share: Kind, ids: Vec<i32>) -> Result<Vec<Cart>, Error> {
    let carts = read_again_if_closed(
        || share.get(),
        |conn| cart::of_users(conn, &ids, MAX_CART_ROWS).scope_boxed(),
    );
    let (_conn, carts) = carts.await?;
    let Some(carts) = carts? else {
        // Which carts are complete is not known.
        return Ok(vec![Cart::TooLarge; ids.len()]);
    };
    let ordered = carts.into_iter().map(|(user_id, mut items)| {
        items.sort_unstable_by_key(|(item, _)| item.id);
        (user_id, Cart::Items(Arc::new(items)))
    });
    let carts: HashMap<i32, Cart> = ordered.collect();
    let cart = |id: &i32| carts.get(id).cloned().unwrap_or(Cart::NoUser);
    Ok(ids.iter().map(cart).collect())
}

/// What groups of additions use.
struct Groups {
    pool: Pool,
    /// Whether the server has `INSERT … RETURNING`; asked once.
    has_returning: OnceCell<bool>,
}

async fn add(groups: Arc<Groups>, items: Vec<NewCartItem>) -> Result<Vec<Outcome>, Error> {
    match connect(&groups).await {
        Ok((mut conn, has_returning)) => {
            Ok(additions::add_group(&mut conn, &items, has_returning).await)
        }
        // The server may allow no connection besides those of the other pool.
        Err(_) => Ok(items.into_iter().map(Outcome::alone).collect()),
    }
}

/// A connection for a group, and whether the server has `INSERT … RETURNING`.
async fn connect(groups: &Groups) -> Result<(Pooled, bool), Error> {
    let mut conn = groups.pool.get().await?;
    let asked = groups.has_returning.get_or_try_init(async || {
        let asked = has_returning(&mut conn).await;
        diagnose(&mut conn, asked.map_err(Error::from)).await
    });
    let has_returning = *asked.await?;
    Ok((conn, has_returning))
}

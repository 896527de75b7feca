//! What many requests ask for at a time, done together: reads by id, and additions to carts.
//!
//! Each is a [`Coalescer`] over a query function that takes many ids. Imports the rooms of the
//! rows, and the pool.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool::managed::Pool;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::Error;

use super::Connection;
use super::cart::{self, CartItem, FullItem, NewCartItem};
use super::coalesce::Coalescer;
use super::pool::{Connector, Database, connection};
use super::products::{self, Product};
use super::users::{self, User};

/// The most rows that one statement reads for the carts of many users. With more, each is served
/// from a cursor.
const MAX_CART_ROWS: usize = 4096;

/// One user's cart, as far as it is known.
#[derive(Clone)]
enum Cart {
    NoUser,
    Items(Arc<Vec<(CartItem, Product)>>),
    TooLarge,
}

pub(super) struct BatchedCalls {
    users: Coalescer<i32, Result<Option<User>, Error>>,
    products: Coalescer<i32, Result<Option<Product>, Error>>,
    items: Coalescer<i32, Result<Option<FullItem>, Error>>,
    carts: Coalescer<i32, Cart>,
    additions: Coalescer<NewCartItem, Result<FullItem, Error>>,
}

impl BatchedCalls {
    pub(super) fn new(pool: &Pool<Connector>) -> Self {
        let (for_carts, for_additions) = (pool.clone(), pool.clone());
        Self {
            users: by_id(
                pool,
                |conn, ids| users::with_ids(conn, ids).boxed(),
                |user| user.id,
            ),
            products: by_id(
                pool,
                |conn, ids| products::with_ids(conn, ids).boxed(),
                |product| product.id,
            ),
            items: by_id(
                pool,
                |conn, ids| cart::with_ids(conn, ids).boxed(),
                |(item, ..)| item.id,
            ),
            carts: Coalescer::new(move |ids| carts(for_carts.clone(), ids)),
            additions: Coalescer::new(move |items| add(for_additions.clone(), items)),
        }
    }
}

/// A query function that reads the rows of many ids.
type Read<T> = for<'c> fn(&'c mut Connection, &'c [i32]) -> BoxFuture<'c, Result<Vec<T>, Error>>;

/// Reads of single rows: `read` gives those of many ids, and `id` tells whose a row is.
fn by_id<T: Clone + Send + 'static>(
    pool: &Pool<Connector>,
    read: Read<T>,
    id: fn(&T) -> i32,
) -> Coalescer<i32, Result<Option<T>, Error>> {
    let pool = pool.clone();
    Coalescer::new(move |ids: Vec<i32>| {
        let pool = pool.clone();
        async move {
            let mut conn = connection(&pool).await?;
            let rows = match read(&mut conn, &ids).await {
                Ok(rows) => rows,
                Err(Error::Internal(_)) if ids.len() > 1 => {
                    // A row of one of them cannot be read: the others are not to blame.
                    let mut results = Vec::with_capacity(ids.len());
                    for id in &ids {
                        let rows = read(&mut conn, std::slice::from_ref(id)).await;
                        results.push(rows.map(|mut rows| rows.pop()));
                    }
                    return Ok(results);
                }
                Err(error) => return Err(error),
            };
            let rows: HashMap<i32, T> = rows.into_iter().map(|row| (id(&row), row)).collect();
            Ok(ids.iter().map(|id| Ok(rows.get(id).cloned())).collect())
        }
    })
}

async fn carts(pool: Pool<Connector>, ids: Vec<i32>) -> Result<Vec<Cart>, Error> {
    let carts = cart::of_users(&mut *connection(&pool).await?, &ids, MAX_CART_ROWS).await?;
    let Some(carts) = carts else {
        // Nobody knows whose items are missing.
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

async fn add(
    pool: Pool<Connector>,
    items: Vec<NewCartItem>,
) -> Result<Vec<Result<FullItem, Error>>, Error> {
    cart::add(&mut *connection(&pool).await?, &items).await
}

impl Database {
    /// The user with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn user(&self, id: i32) -> Result<User, Error> {
        let user = self.shared.users.call(id).await??;
        user.ok_or(Error::NotFound("User"))
    }

    /// The product with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn product(&self, id: i32) -> Result<Product, Error> {
        let product = self.shared.products.call(id).await??;
        product.ok_or(Error::NotFound("Product"))
    }

    /// The cart item with this id, with its user and product.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn cart_item(&self, id: i32) -> Result<FullItem, Error> {
        let item = self.shared.items.call(id).await??;
        item.ok_or(Error::NotFound("Cart item"))
    }

    /// The items in one user's cart, each with its product, in id order; none when they are so
    /// many that they are to be read from a cursor.
    ///
    /// # Errors
    /// `NotFound` when there is no such user.
    pub async fn small_cart(
        &self,
        user_id: i32,
    ) -> Result<Option<Vec<(CartItem, Product)>>, Error> {
        match self.shared.carts.call(user_id).await? {
            Cart::NoUser => Err(Error::NotFound("User")),
            Cart::Items(items) => Ok(Some(Arc::unwrap_or_clone(items))),
            Cart::TooLarge => Ok(None),
        }
    }

    /// Puts a product into a user's cart; gives the new item, with both as they were just before.
    ///
    /// # Errors
    /// `Conflict` when the user or the product does not exist.
    pub async fn add_to_cart(&self, new: NewCartItem) -> Result<FullItem, Error> {
        self.shared.additions.call(new).await?
    }
}

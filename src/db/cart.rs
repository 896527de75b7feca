//! The queries on cart items, which join users and products. Imports `db::rows`, `db::pages` and
//! `db::transaction`.

pub(super) mod additions;
pub(super) mod keyed;

use std::collections::HashMap;

use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel_async::RunQueryDsl;
use futures_util::{StreamExt, TryStreamExt};
use scoped_futures::ScopedFutureExt;

use crate::error::Error;

use super::errors::{QueryError, or_missing};
use super::ids::Ids;
use super::pages::{self, Known, Page, Window};
use super::rows::{Product, User};
use super::schema::{cart, products as products_table, users as users_table};
use super::scope::Scope;
use super::transaction::{Condition, check_precondition, transaction};
use super::{Connection, List, ListRange};

pub use super::rows::{CartItem, FullItem};

/// The largest number of bytes of text in the carts of one batch.
const MAX_TEXT: usize = 512 * 1024;

/// A product to put into a user's cart.
#[derive(Debug, Clone, Copy, Insertable)]
#[diesel(table_name = cart)]
pub struct NewCartItem {
    /// The user whose cart the product goes into.
    pub user_id: i32,
    /// The product.
    pub product_id: i32,
}

/// The cart items that a list contains.
#[derive(Clone, Copy)]
enum Selection {
    All,
    OfUser(i32),
    WithProduct(i32),
}

type Items = cart::BoxedQuery<'static, Mysql>;

/// The selected cart items.
fn items(selection: Selection) -> Items {
    let items = cart::table.into_boxed();
    match selection {
        Selection::All => items,
        Selection::OfUser(id) => items.filter(cart::user_id.eq(id)),
        Selection::WithProduct(id) => items.filter(cart::product_id.eq(id)),
    }
}

/// The number of selected cart items, and the ids of those on one page in any order.
async fn total_and_ids(
    conn: &mut Connection,
    selection: Selection,
    is_reversed: bool,
    page: (Page, Known),
) -> QueryResult<(i64, Vec<i32>)> {
    let ids = |window: &Window| {
        let mut items = items(selection);
        if let Some(id) = window.after {
            items = if is_reversed {
                items.filter(cart::id.lt(id))
            } else {
                items.filter(cart::id.gt(id))
            };
        }
        let items = if is_reversed == window.is_backwards {
            items.order(cart::id)
        } else {
            items.order(cart::id.desc())
        };
        let items = items.limit(window.rows).offset(window.skipped);
        items.select(cart::id)
    };
    pages::total_and_ids(conn, page, items(selection).count(), ids).await
}

/// The cart items of a scope with their users and products, in ascending or descending order of their ids.
///
/// # Errors
/// Only those of the database.
pub async fn list(
    conn: &mut Connection,
    scope: Scope,
    is_reversed: bool,
    range: ListRange,
) -> Result<List<'_, FullItem>, Error> {
    // Left joins make the database read in the order of the cart's primary key. With inner joins it
    // may begin with another table and sort everything before it sends the first row. The foreign
    // keys guarantee that each item has its user and product.
    let all = cart::table
        .left_join(users_table::table)
        .left_join(products_table::table)
        .select((
            CartItem::as_select(),
            Option::<User>::as_select(),
            Option::<Product>::as_select(),
        ))
        .into_boxed();
    let (all, selection) = match scope {
        Scope::Everyone => (all, Selection::All),
        Scope::User(id) => (all.filter(cart::user_id.eq(id)), Selection::OfUser(id)),
    };
    let all = if is_reversed {
        all.order(cart::id.desc())
    } else {
        all.order(cart::id)
    };
    let complete = |(item, user, product): (CartItem, Option<User>, Option<Product>)| {
        let parts = user.zip(product).ok_or(DieselError::NotFound)?;
        Ok((item, parts.0, parts.1))
    };
    match range {
        ListRange::After(id) => {
            let rows = all.filter(cart::id.gt(id)).load_stream(conn).await?;
            Ok(List::whole(rows.map(move |row| row.and_then(complete))))
        }
        ListRange::Page(page, known) => {
            let (total, ids) = total_and_ids(conn, selection, is_reversed, (page, known)).await?;
            if ids.is_empty() {
                return Ok(List::past_the_end(page, total));
            }
            let rows = all.filter(cart::id.eq_any(Ids::new(&ids)));
            let rows = rows.load_stream(conn).await?;
            let rows = rows.map(move |row| row.and_then(complete));
            Ok(List::page(rows, page, total))
        }
    }
}

/// The items in one user's cart, each with its product, in ascending or descending order of their
/// ids.
///
/// # Errors
/// `NotFound` when there is no such user.
pub async fn of_user(
    conn: &mut Connection,
    user_id: i32,
    is_reversed: bool,
    range: ListRange,
) -> Result<List<'_, (CartItem, Product)>, Error> {
    User::find(conn, user_id).await?;
    let all = cart::table
        .inner_join(products_table::table)
        .select((CartItem::as_select(), Product::as_select()))
        .into_boxed();
    let all = if is_reversed {
        all.order(cart::id.desc())
    } else {
        all.order(cart::id)
    };
    match range {
        ListRange::After(id) => {
            let rows = all.filter(cart::user_id.eq(user_id).and(cart::id.gt(id)));
            Ok(List::whole(rows.load_stream(conn).await?))
        }
        ListRange::Page(page, known) => {
            let selection = Selection::OfUser(user_id);
            let (total, ids) = total_and_ids(conn, selection, is_reversed, (page, known)).await?;
            if ids.is_empty() {
                return Ok(List::past_the_end(page, total));
            }
            let rows = all.filter(cart::id.eq_any(Ids::new(&ids)));
            Ok(List::page(rows.load_stream(conn).await?, page, total))
        }
    }
}

/// The cart items with one product, each with its user, in ascending or descending order of their
/// ids.
///
/// # Errors
/// `NotFound` when there is no such product.
pub async fn with_product(
    conn: &mut Connection,
    product_id: i32,
    is_reversed: bool,
    range: ListRange,
) -> Result<List<'_, (CartItem, User)>, Error> {
    Product::find(conn, product_id).await?;
    let all = cart::table
        .inner_join(users_table::table)
        .select((CartItem::as_select(), User::as_select()))
        .into_boxed();
    let all = if is_reversed {
        all.order(cart::id.desc())
    } else {
        all.order(cart::id)
    };
    match range {
        ListRange::After(id) => {
            let rows = all.filter(cart::product_id.eq(product_id).and(cart::id.gt(id)));
            Ok(List::whole(rows.load_stream(conn).await?))
        }
        ListRange::Page(page, known) => {
            let selection = Selection::WithProduct(product_id);
            let (total, ids) = total_and_ids(conn, selection, is_reversed, (page, known)).await?;
            if ids.is_empty() {
                return Ok(List::past_the_end(page, total));
            }
            let rows = all.filter(cart::id.eq_any(Ids::new(&ids)));
            Ok(List::page(rows.load_stream(conn).await?, page, total))
        }
    }
}

/// The cart items with these ids, with their users and products, in any order. An id without an item in
/// this scope is left out.
///
/// # Errors
/// Only those of the database.
pub(super) async fn with_ids(
    conn: &mut Connection,
    ids: &[i32],
    scope: Scope,
) -> Result<Vec<FullItem>, Error> {
    let items = cart::table
        .inner_join(users_table::table)
        .inner_join(products_table::table)
        .filter(cart::id.eq_any(Ids::new(ids)))
        .select((
            CartItem::as_select(),
            User::as_select(),
            Product::as_select(),
        ));
    Ok(match scope {
        Scope::Everyone => items.load(conn).await?,
        Scope::User(id) => items.filter(cart::user_id.eq(id)).load(conn).await?,
    })
}

/// The carts of the users with these ids, by user id, each cart's items in any order. An id without
/// a user is left out. `None` when the carts together have more than `limit` items or [`MAX_TEXT`]
/// bytes.
///
/// # Errors
/// Only those of the database.
pub(super) async fn of_users(
    conn: &mut Connection,
    ids: &[i32],
    limit: usize,
) -> Result<Option<HashMap<i32, Vec<(CartItem, Product)>>>, Error> {
    let mut found = users_table::table
        .left_join(cart::table.inner_join(products_table::table))
        .filter(users_table::id.eq_any(Ids::new(ids)))
        .limit(i64::try_from(limit + 1).unwrap_or(i64::MAX))
        .select((
            users_table::id,
            cart::id.nullable(),
            Option::<Product>::as_select(),
        ))
        .load_stream::<(i32, Option<i32>, Option<Product>)>(conn)
        .await?;
    let mut carts: HashMap<i32, Vec<(CartItem, Product)>> = HashMap::new();
    let (mut count, mut bytes) = (0, 0);
    // Reads all rows, even when they are too many, since the connection is used again.
    while let Some((user_id, id, product)) = found.try_next().await? {
        count += 1;
        let cart = carts.entry(user_id).or_default();
        let (Some(id), Some(product)) = (id, product) else {
            continue;
        };
        let optional = [&product.image_url, &product.description];
        let optional = optional.map(|text| text.as_ref().map_or(0, String::len));
        bytes += product.title.len() + optional[0] + optional[1];
        if bytes <= MAX_TEXT {
            let item = CartItem {
                id,
                user_id,
                product_id: product.id,
            };
            cart.push((item, product));
        }
    }
    Ok((count <= limit && bytes <= MAX_TEXT).then_some(carts))
}

/// Removes one item from its cart, if it is in this scope.
///
/// # Errors
/// `NotFound`, or `Stale` when the precondition does not hold for the item with its user and
/// product.
pub async fn remove(
    conn: &mut Connection,
    id: i32,
    scope: Scope,
    condition: Option<&Condition<FullItem>>,
) -> Result<(), Error> {
    let removed = if condition.is_none() {
        delete(conn, id, scope).await.map_err(QueryError::from)
    } else {
        let removal = transaction(conn, |conn| {
            async move {
                // Locks all three rows, since the precondition is on the item with its user and product.
                let item = cart::table
                    .inner_join(users_table::table)
                    .inner_join(products_table::table)
                    .filter(cart::id.eq(id))
                    .select((
                        CartItem::as_select(),
                        User::as_select(),
                        Product::as_select(),
                    ))
                    .for_update();
                let item = match scope {
                    Scope::Everyone => item.first(conn).await?,
                    Scope::User(id) => item.filter(cart::user_id.eq(id)).first(conn).await?,
                };
                check_precondition(condition, &item)?;
                delete(conn, id, scope).await
            }
            .scope_boxed()
        });
        removal.await
    };
    match removed.map_err(or_missing("Cart item"))? {
        0 => Err(Error::NotFound("Cart item")),
        _ => Ok(()),
    }
}

/// Deletes the item with this id, if it is in this scope; returns the number of deleted items.
async fn delete(conn: &mut Connection, id: i32, scope: Scope) -> QueryResult<usize> {
    let item = diesel::delete(cart::table.find(id));
    match scope {
        Scope::Everyone => item.execute(conn).await,
        Scope::User(id) => item.filter(cart::user_id.eq(id)).execute(conn).await,
    }
}

/// Empties one user's cart; returns how many items were in it.
///
/// # Errors
/// `NotFound` when there is no such user.
pub async fn clear(conn: &mut Connection, user_id: i32) -> Result<usize, Error> {
    transaction(conn, |conn| {
        async move {
            // While the user's row is locked, no other transaction adds to this cart.
            users_table::table
                .find(user_id)
                .select(users_table::id)
                .for_update()
                .first::<i32>(conn)
                .await?;
            diesel::delete(cart::table.filter(cart::user_id.eq(user_id)))
                .execute(conn)
                .await
        }
        .scope_boxed()
    })
    .await
    .map_err(or_missing("User"))
}

//! Inserts of cart items.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel_async::RunQueryDsl;

use crate::db::dialect::{InsertUnchanged, Returning, UnlockedRows};
use crate::db::ids::Ids;
use crate::db::rows::{Product, User};
use crate::db::schema::{cart, products, users};
use crate::db::{Connection, last_insert_id};

use super::super::{CartItem, FullItem, NewCartItem};

/// The ids of the rows of a table that are not locked, which are locked against changes now.
pub(super) async fn unlocked(
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
pub(super) async fn insert(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> QueryResult<Vec<CartItem>> {
    let pair = |item: &NewCartItem| (item.user_id, item.product_id);
    let items: Vec<(i32, i32)> = items.iter().map(pair).collect();
    let insert = InsertUnchanged { items: &items };
    let rows: Vec<(CartItem, i64)> = insert.get_results(conn).await?;
    Ok(rows.into_iter().map(|(item, _)| item).collect())
}

/// Inserts one item, on any server; returns it as it was stored.
pub(in crate::db::cart) async fn insert_one(
    conn: &mut Connection,
    item: NewCartItem,
) -> QueryResult<CartItem> {
    let insert = diesel::insert_into(cart::table).values(item);
    let columns = CartItem::as_select();
    let mut stored: Vec<CartItem> = Returning { insert, columns }.get_results(conn).await?;
    if let Some(item) = stored.pop() {
        return Ok(item);
    }
    cart::table
        .filter(cart::id.eq(last_insert_id()))
        .select(CartItem::as_select())
        .first(conn)
        .await
}

/// Whether the item was stored as it was sent. A trigger may change it.
pub(super) fn is_unchanged(item: &CartItem, new: NewCartItem) -> bool {
    (item.user_id, item.product_id) == (new.user_id, new.product_id)
}

/// The stored item with its user and product.
pub(in crate::db::cart) async fn stored(conn: &mut Connection, id: i32) -> QueryResult<FullItem> {
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

//! The users and the products of additions.

use std::collections::HashMap;

use crate::db::Connection;
use crate::db::rows::{Product, User};
use crate::db::shares::Row;
use crate::error::{Conflict, Error};

use super::super::NewCartItem;

/// An item's user and product, or the error for the one that does not exist.
pub(super) type Parents = Result<(User, Product), Error>;

pub(super) async fn parents_of(conn: &mut Connection, item: NewCartItem) -> Parents {
    let parents = read_parents(conn, &[item]).await?.pop();
    parents.expect("one result for each item")
}

/// Reads the user and the product of each item, with two statements for all items.
pub(super) async fn read_parents(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> Result<Vec<Parents>, Error> {
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

pub(super) fn user_ids(items: &[NewCartItem]) -> Vec<i32> {
    items.iter().map(|item| item.user_id).collect()
}

pub(super) fn product_ids(items: &[NewCartItem]) -> Vec<i32> {
    items.iter().map(|item| item.product_id).collect()
}

/// The rows of an item's user and product.
pub(super) fn parent_rows(item: NewCartItem) -> [Row; 2] {
    [Row::User(item.user_id), Row::Product(item.product_id)]
}

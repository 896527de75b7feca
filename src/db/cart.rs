//! Cart items: the rows, with the user and the product that they join, and the queries.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;

use crate::error::Error;

use super::products::{self, Product};
use super::schema::{cart, products as products_table, users as users_table};
use super::users::{self, User};
use super::{Connection, List, Page, last_insert_id, or_conflict, or_missing, transaction};

/// A product in a user's cart.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = cart)]
pub struct CartItem {
    /// The primary key.
    pub id: i32,
    /// Whose cart it is.
    pub user_id: i32,
    /// What lies in it.
    pub product_id: i32,
}

/// Every cart item with its user and product, or one page of them, in id order.
///
/// # Errors
/// Only those of the database.
pub async fn list(
    conn: &mut Connection,
    page: Option<Page>,
) -> Result<List<(CartItem, User, Product)>, Error> {
    let all = cart::table
        .inner_join(users_table::table)
        .inner_join(products_table::table)
        .select((
            CartItem::as_select(),
            User::as_select(),
            Product::as_select(),
        ))
        .order(cart::id);
    let Some(page) = page else {
        return Ok(List::whole(all.load(conn).await?));
    };
    let total = cart::table.count().get_result(conn).await?;
    let rows = all
        .limit(page.limit())
        .offset(page.offset())
        .load(conn)
        .await?;
    Ok(List::part(rows, page, total))
}

/// The items in one user's cart, each with its product, in id order.
///
/// # Errors
/// `NotFound` when there is no such user.
pub async fn of_user(
    conn: &mut Connection,
    user_id: i32,
    page: Option<Page>,
) -> Result<List<(CartItem, Product)>, Error> {
    users::find(conn, user_id).await?;
    let all = cart::table
        .inner_join(products_table::table)
        .filter(cart::user_id.eq(user_id))
        .select((CartItem::as_select(), Product::as_select()))
        .order(cart::id);
    let Some(page) = page else {
        return Ok(List::whole(all.load(conn).await?));
    };
    let total = cart::table
        .filter(cart::user_id.eq(user_id))
        .count()
        .get_result(conn)
        .await?;
    let rows = all
        .limit(page.limit())
        .offset(page.offset())
        .load(conn)
        .await?;
    Ok(List::part(rows, page, total))
}

/// The cart items that contain one product, each with its user, in id order.
///
/// # Errors
/// `NotFound` when there is no such product.
pub async fn with_product(
    conn: &mut Connection,
    product_id: i32,
    page: Option<Page>,
) -> Result<List<(CartItem, User)>, Error> {
    products::find(conn, product_id).await?;
    let all = cart::table
        .inner_join(users_table::table)
        .filter(cart::product_id.eq(product_id))
        .select((CartItem::as_select(), User::as_select()))
        .order(cart::id);
    let Some(page) = page else {
        return Ok(List::whole(all.load(conn).await?));
    };
    let total = cart::table
        .filter(cart::product_id.eq(product_id))
        .count()
        .get_result(conn)
        .await?;
    let rows = all
        .limit(page.limit())
        .offset(page.offset())
        .load(conn)
        .await?;
    Ok(List::part(rows, page, total))
}

/// The cart item with this id, with its user and product.
///
/// # Errors
/// `NotFound`.
pub async fn find(conn: &mut Connection, id: i32) -> Result<(CartItem, User, Product), Error> {
    cart::table
        .inner_join(users_table::table)
        .inner_join(products_table::table)
        .filter(cart::id.eq(id))
        .select((
            CartItem::as_select(),
            User::as_select(),
            Product::as_select(),
        ))
        .first(conn)
        .await
        .map_err(or_missing("Cart item"))
}

/// Puts a product into a user's cart. The foreign keys say whether both exist.
///
/// # Errors
/// `Conflict` when the user or the product does not exist.
pub async fn add(
    conn: &mut Connection,
    user_id: i32,
    product_id: i32,
) -> Result<(CartItem, User, Product), Error> {
    transaction(conn, |conn| {
        async move {
            diesel::insert_into(cart::table)
                .values((cart::user_id.eq(user_id), cart::product_id.eq(product_id)))
                .execute(conn)
                .await?;
            cart::table
                .inner_join(users_table::table)
                .inner_join(products_table::table)
                .filter(cart::id.eq(last_insert_id()))
                .select((
                    CartItem::as_select(),
                    User::as_select(),
                    Product::as_select(),
                ))
                .first(conn)
                .await
        }
        .scope_boxed()
    })
    .await
    .map_err(or_conflict(
        ForeignKeyViolation,
        "The user or the product does not exist",
    ))
}

/// Takes one item out of its cart.
///
/// # Errors
/// `NotFound`.
pub async fn remove(conn: &mut Connection, id: i32) -> Result<(), Error> {
    match diesel::delete(cart::table.find(id)).execute(conn).await? {
        0 => Err(Error::NotFound("Cart item")),
        _ => Ok(()),
    }
}

/// Empties one user's cart; gives how many items were in it.
///
/// # Errors
/// `NotFound` when there is no such user.
pub async fn clear(conn: &mut Connection, user_id: i32) -> Result<usize, Error> {
    transaction(conn, |conn| {
        async move {
            // The lock on the user's row holds off whoever would add to this cart meanwhile.
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

//! Cart items: the rows, with the user and the product that they join, and the queries.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel::result::Error as DieselError;
use diesel::sql_types::Integer;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::{StreamExt, TryStreamExt};
use scoped_futures::ScopedFutureExt;

use crate::error::{Conflict, Error};

use super::errors::{QueryError, diagnose, or_missing};
use super::ids::Ids;
use super::products::{self, Product};
use super::schema::{cart, products as products_table, users as users_table};
use super::transaction::{Condition, Retries, check_precondition, transaction};
use super::users::{self, User};
use super::{Connection, List, ListRange, last_insert_id};

/// How many bytes of text are kept of the carts of one batch at most.
const MAX_TEXT: usize = 512 * 1024;

/// A product in a user's cart.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = cart)]
pub struct CartItem {
    /// The primary key.
    pub id: i32,
    /// Whose cart it is.
    pub user_id: i32,
    /// The product in it.
    pub product_id: i32,
}

/// A cart item with what it joins.
pub type FullItem = (CartItem, User, Product);

/// A product to put into a user's cart.
#[derive(Debug, Clone, Copy)]
pub struct NewCartItem {
    /// Whose cart it is.
    pub user_id: i32,
    /// What to put into it.
    pub product_id: i32,
}

/// The cart items with their users and products, in the order of their ids or the reverse of it.
///
/// # Errors
/// Only those of the database.
pub async fn list(
    conn: &mut Connection,
    is_reversed: bool,
    range: ListRange,
) -> Result<List<'_, (CartItem, User, Product)>, Error> {
    // Left joins hold the database to the order of the cart's primary key: of inner joins it may
    // begin with another table, and sort everything before the first row. No row is without its
    // user and product, by the foreign keys.
    let all = cart::table
        .left_join(users_table::table)
        .left_join(products_table::table)
        .select((
            CartItem::as_select(),
            Option::<User>::as_select(),
            Option::<Product>::as_select(),
        ))
        .into_boxed();
    let all = if is_reversed {
        all.order(cart::id.desc())
    } else {
        all.order(cart::id)
    };
    let complete = |(item, user, product): (CartItem, Option<User>, Option<Product>)| {
        let parts = user.zip(product).ok_or(DieselError::NotFound)?;
        Ok((item, parts.0, parts.1))
    };
    let page = match range {
        ListRange::Page(page) => page,
        ListRange::After(id) => {
            let rows = all.filter(cart::id.gt(id)).load_stream(conn).await?;
            return Ok(List::whole(rows.map(move |row| row.and_then(complete))));
        }
    };
    let total = cart::table.count().get_result(conn).await?;
    if let Some(nothing) = List::past_the_end(page, total) {
        return Ok(nothing);
    }
    let rows = all
        .limit(page.limit())
        .offset(page.offset())
        .load_stream(conn)
        .await?;
    Ok(List::part(
        rows.map(move |row| row.and_then(complete)),
        page,
        total,
    ))
}

/// The items in one user's cart, each with its product, in the order of their ids or the reverse.
///
/// # Errors
/// `NotFound` when there is no such user.
pub async fn of_user(
    conn: &mut Connection,
    user_id: i32,
    is_reversed: bool,
    range: ListRange,
) -> Result<List<'_, (CartItem, Product)>, Error> {
    users::find(conn, user_id).await?;
    let all = cart::table
        .inner_join(products_table::table)
        .filter(cart::user_id.eq(user_id))
        .select((CartItem::as_select(), Product::as_select()))
        .into_boxed();
    let all = if is_reversed {
        all.order(cart::id.desc())
    } else {
        all.order(cart::id)
    };
    let page = match range {
        ListRange::Page(page) => page,
        ListRange::After(id) => {
            let rows = all.filter(cart::id.gt(id)).load_stream(conn).await?;
            return Ok(List::whole(rows));
        }
    };
    let total = cart::table
        .filter(cart::user_id.eq(user_id))
        .count()
        .get_result(conn)
        .await?;
    if let Some(nothing) = List::past_the_end(page, total) {
        return Ok(nothing);
    }
    let rows = all
        .limit(page.limit())
        .offset(page.offset())
        .load_stream(conn)
        .await?;
    Ok(List::part(rows, page, total))
}

/// The cart items that contain one product, each with its user, in the order of their ids or the
/// reverse.
///
/// # Errors
/// `NotFound` when there is no such product.
pub async fn with_product(
    conn: &mut Connection,
    product_id: i32,
    is_reversed: bool,
    range: ListRange,
) -> Result<List<'_, (CartItem, User)>, Error> {
    products::find(conn, product_id).await?;
    let all = cart::table
        .inner_join(users_table::table)
        .filter(cart::product_id.eq(product_id))
        .select((CartItem::as_select(), User::as_select()))
        .into_boxed();
    let all = if is_reversed {
        all.order(cart::id.desc())
    } else {
        all.order(cart::id)
    };
    let page = match range {
        ListRange::Page(page) => page,
        ListRange::After(id) => {
            let rows = all.filter(cart::id.gt(id)).load_stream(conn).await?;
            return Ok(List::whole(rows));
        }
    };
    let total = cart::table
        .filter(cart::product_id.eq(product_id))
        .count()
        .get_result(conn)
        .await?;
    if let Some(nothing) = List::past_the_end(page, total) {
        return Ok(nothing);
    }
    let rows = all
        .limit(page.limit())
        .offset(page.offset())
        .load_stream(conn)
        .await?;
    Ok(List::part(rows, page, total))
}

/// Those cart items of these ids that exist, with their users and products, in any order.
///
/// # Errors
/// Only those of the database.
pub(super) async fn with_ids(
    conn: &mut Connection,
    ids: &[i32],
) -> Result<Vec<(CartItem, User, Product)>, Error> {
    let items = cart::table
        .inner_join(users_table::table)
        .inner_join(products_table::table)
        .filter(cart::id.eq_any(Ids::new(ids)))
        .select((
            CartItem::as_select(),
            User::as_select(),
            Product::as_select(),
        ));
    Ok(items.load(conn).await?)
}

/// The carts of those users of these ids that exist, by user, the items in any order; `None` when
/// they are more than `limit` items or [`MAX_TEXT`] bytes.
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
    // To the end, also when there are too many rows: the connection is used again.
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

/// Puts products into users' carts; returns the new items, in the same order, with users and products
/// as they were just before. An item that the database refuses fails alone: with `Conflict` when its
/// user or product does not exist.
///
/// # Errors
/// Those that concern every item: the connection is lost.
pub(super) async fn add(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> Result<Vec<Result<FullItem, Error>>, Error> {
    let parents = parents_of(conn, items).await?;
    let known = items.iter().zip(&parents).filter(|(_, row)| row.is_ok());
    let known: Vec<NewCartItem> = known.map(|(item, _)| *item).collect();
    // A user or a product may be deleted meanwhile, which the foreign keys find out.
    let mut ids = insert_known(conn, &known).await?.into_iter();
    let result = |(new, parents): (&NewCartItem, Parents)| {
        let (user, product) = parents?;
        let id = ids.next().expect("one for each whose parents are known")?;
        let item = CartItem {
            id,
            user_id: new.user_id,
            product_id: new.product_id,
        };
        Ok((item, user, product))
    };
    Ok(items.iter().zip(parents).map(result).collect())
}

/// An item's user and product, or the error for the one that does not exist.
type Parents = Result<(User, Product), Error>;

/// The user and the product of each item, read with two statements for all; or with two for each,
/// where one row cannot be read, which must not fail the other items.
async fn parents_of(conn: &mut Connection, items: &[NewCartItem]) -> Result<Vec<Parents>, Error> {
    let parents = read_parents(conn, items).await;
    match diagnose(conn, parents).await {
        Err(Error::Internal(_)) if items.len() > 1 => {}
        parents => return parents,
    }
    let mut each = Vec::with_capacity(items.len());
    for item in items {
        let parents = read_parents(conn, std::slice::from_ref(item)).await;
        match diagnose(conn, parents).await {
            Ok(mut parents) => each.append(&mut parents),
            Err(error @ Error::Internal(_)) => each.push(Err(error)),
            Err(error) => return Err(error),
        }
    }
    Ok(each)
}

async fn read_parents(conn: &mut Connection, items: &[NewCartItem]) -> Result<Vec<Parents>, Error> {
    let user_ids: Vec<i32> = items.iter().map(|item| item.user_id).collect();
    let users = users::with_ids(conn, &user_ids).await?;
    let users: HashMap<i32, User> = users.into_iter().map(|user| (user.id, user)).collect();
    let product_ids: Vec<i32> = items.iter().map(|item| item.product_id).collect();
    let products = products::with_ids(conn, &product_ids).await?;
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

/// Adds items; returns their ids.
async fn insert_known(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> Result<Vec<Result<i32, Error>>, Error> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    match insert(conn, items).await {
        Ok(()) => {
            let ids = new_ids(conn, items.len()).await?;
            Ok(ids.into_iter().map(Ok).collect())
        }
        Err(error) if items.len() == 1 => Ok(vec![Err(refused(conn, items[0], error).await)]),
        Err(error) if error.is_lost() => Err(error.into()),
        Err(_) => insert_each(conn, items).await,
    }
}

/// Adds one item after the other. An item that needs a row for whose lock an earlier item has waited in
/// vain fails without waiting again.
async fn insert_each(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> Result<Vec<Result<i32, Error>>, Error> {
    let mut results = Vec::with_capacity(items.len());
    let mut unavailable: Vec<&NewCartItem> = Vec::new();
    for item in items {
        let is_locked = |other: &&NewCartItem| {
            other.user_id == item.user_id || other.product_id == item.product_id
        };
        results.push(if unavailable.iter().any(is_locked) {
            Err(Error::Unavailable(
                "another transaction has the user or the product locked".into(),
            ))
        } else {
            match insert(conn, std::slice::from_ref(item)).await {
                Ok(()) => {
                    let ids = new_ids(conn, 1).await.map_err(Error::from);
                    diagnose(conn, ids).await.map(|ids| ids[0])
                }
                Err(error) if error.is_lost() => {
                    // The items before this one are stored, and their callers must be told so.
                    let error = Error::from(error);
                    results.resize_with(items.len(), || Err(error.share()));
                    return Ok(results);
                }
                Err(error) => {
                    if error.is_temporary() {
                        unavailable.push(item);
                    }
                    Err(refused(conn, *item, error).await)
                }
            }
        });
    }
    Ok(results)
}

/// Inserts all items or none.
async fn insert(conn: &mut Connection, items: &[NewCartItem]) -> Result<(), QueryError> {
    // Not with diesel, which would prepare a statement each time, as their SQL depends on the number
    // of rows.
    let row = |item: &NewCartItem| format!("({}, {})", item.user_id, item.product_id);
    let rows: Vec<String> = items.iter().map(row).collect();
    let rows = rows.join(", ");
    let text = format!("INSERT INTO cart (user_id, product_id) VALUES {rows}");
    let mut retries = Retries::default();
    loop {
        let Err(error) = conn.batch_execute(&text).await else {
            return Ok(());
        };
        let error = QueryError::from(error).diagnose(conn).await;
        if !retries.again_after(&error).await {
            return Err(error);
        }
    }
}

/// The ids of the `rows` that were just inserted.
///
/// The database returns the first. The others follow at equal distances in every lock mode of InnoDB,
/// since the number of rows was known before the insert ("simple inserts" in MySQL's manual,
/// "AUTO_INCREMENT Handling in InnoDB").
async fn new_ids(conn: &mut Connection, rows: usize) -> QueryResult<Vec<i32>> {
    let (first, step): (i32, i32) = if rows == 1 {
        (diesel::select(last_insert_id()).get_result(conn).await?, 1)
    } else {
        let step = sql::<Integer>("@@auto_increment_increment");
        diesel::select((last_insert_id(), step))
            .get_result(conn)
            .await?
    };
    Ok((0..).map(|row| first + row * step).take(rows).collect())
}

/// Why an item was not added. A violated foreign key means that the user or the product was deleted
/// after it was read; reading both again finds out which.
async fn refused(conn: &mut Connection, item: NewCartItem, error: QueryError) -> Error {
    if !error.is_violation(ForeignKeyViolation) {
        return error.into();
    }
    let parents = read_parents(conn, &[item]).await;
    match diagnose(conn, parents).await.map(|mut both| both.pop()) {
        Ok(Some(Err(missing))) => missing,
        Ok(_) => error.into(),
        Err(error) => error,
    }
}

/// Takes one item out of its cart.
///
/// # Errors
/// `NotFound`, or `Stale` when it, its user or its product is not as the precondition requires.
pub async fn remove(
    conn: &mut Connection,
    id: i32,
    condition: Option<&Condition<(CartItem, User, Product)>>,
) -> Result<(), Error> {
    let removed = if condition.is_none() {
        diesel::delete(cart::table.find(id))
            .execute(conn)
            .await
            .map_err(QueryError::from)
    } else {
        let removal = transaction(conn, |conn| {
            async move {
                // All three rows are locked, since an item is shown with its user and product.
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
                check_precondition(condition, &item.first(conn).await?)?;
                diesel::delete(cart::table.find(id)).execute(conn).await
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

//! Cart items: the rows, with the user and the product that they join, and the queries.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel::result::Error::{self as DieselError, DatabaseError};
use diesel::sql_types::Integer;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::{StreamExt, TryStreamExt};
use scoped_futures::ScopedFutureExt;

use crate::error::{Conflict, Error};

use super::ids::Ids;
use super::pages::{self, Known, Page, Window};
use super::products::{self, Product};
use super::schema::{cart, products as products_table, users as users_table};
use super::users::{self, User};
use super::{
    Condition, Connection, DEADLOCK_RETRIES, List, ListRange, check_precondition, is_lost,
    is_passing, last_insert_id, lost_deadlock, or_missing, pause_apart, transaction,
};

/// The most bytes of text that are read of many carts at a time.
const MAX_CARTS: usize = 512 * 1024;

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

/// Whose cart items a list has.
#[derive(Clone, Copy)]
enum Owner {
    Anyone,
    User(i32),
    Product(i32),
}

type Items = cart::BoxedQuery<'static, Mysql>;

/// The cart items of an owner.
fn items(owner: Owner) -> Items {
    let items = cart::table.into_boxed();
    match owner {
        Owner::Anyone => items,
        Owner::User(id) => items.filter(cart::user_id.eq(id)),
        Owner::Product(id) => items.filter(cart::product_id.eq(id)),
    }
}

/// The number of an owner's cart items, and the ids of those on one page, in any order.
async fn total_and_ids(
    conn: &mut Connection,
    owner: Owner,
    is_reversed: bool,
    page: (Page, Known),
) -> QueryResult<(i64, Vec<i32>)> {
    let ids = |window: &Window| {
        let mut items = items(owner);
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
    pages::total_and_ids(conn, page, items(owner).count(), ids).await
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
    match range {
        ListRange::After(id) => {
            let rows = all.filter(cart::id.gt(id)).load_stream(conn).await?;
            Ok(List::whole(rows.map(move |row| row.and_then(complete))))
        }
        ListRange::Page(page, known) => {
            let (total, ids) =
                total_and_ids(conn, Owner::Anyone, is_reversed, (page, known)).await?;
            if ids.is_empty() {
                return Ok(List::past_the_end(page, total));
            }
            let rows = all.filter(cart::id.eq_any(Ids::new(&ids)));
            let rows = rows.load_stream(conn).await?;
            let rows = rows.map(move |row| row.and_then(complete));
            Ok(List::part(rows, page, total))
        }
    }
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
            let owner = Owner::User(user_id);
            let (total, ids) = total_and_ids(conn, owner, is_reversed, (page, known)).await?;
            if ids.is_empty() {
                return Ok(List::past_the_end(page, total));
            }
            let rows = all.filter(cart::id.eq_any(Ids::new(&ids)));
            Ok(List::part(rows.load_stream(conn).await?, page, total))
        }
    }
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
            let owner = Owner::Product(product_id);
            let (total, ids) = total_and_ids(conn, owner, is_reversed, (page, known)).await?;
            if ids.is_empty() {
                return Ok(List::past_the_end(page, total));
            }
            let rows = all.filter(cart::id.eq_any(Ids::new(&ids)));
            Ok(List::part(rows.load_stream(conn).await?, page, total))
        }
    }
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

/// The carts of those users of these ids that exist, by user, the items in any order; nothing when
/// they are more than `limit` items or [`MAX_CARTS`] bytes.
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
    // To the end, also when it is too much: the connection is to be used again.
    while let Some((user_id, id, product)) = found.try_next().await? {
        count += 1;
        let cart = carts.entry(user_id).or_default();
        let (Some(id), Some(product)) = (id, product) else {
            continue;
        };
        let optional = [&product.image_url, &product.description];
        let optional = optional.map(|text| text.as_ref().map_or(0, String::len));
        bytes += product.title.len() + optional[0] + optional[1];
        if bytes <= MAX_CARTS {
            let item = CartItem {
                id,
                user_id,
                product_id: product.id,
            };
            cart.push((item, product));
        }
    }
    Ok((count <= limit && bytes <= MAX_CARTS).then_some(carts))
}

/// Puts products into users' carts; gives the new items, in the same order, with users and products
/// as they were just before. What the database refuses of one of them fails that one alone: with
/// `Conflict` when its user or product does not exist.
///
/// # Errors
/// What concerns all: the connection is lost.
pub(super) async fn add(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> Result<Vec<Result<FullItem, Error>>, Error> {
    let parents = parents_of(conn, items).await?;
    let known = items.iter().zip(&parents).filter(|(_, row)| row.is_ok());
    let known: Vec<NewCartItem> = known.map(|(item, _)| *item).collect();
    // Either parent may go meanwhile: the foreign keys have the last word.
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

/// An item's user and product, or why there are not both.
type Parents = Result<(User, Product), Error>;

/// The user and the product of each item, read together, or alone where one cannot be read: the
/// others are not to blame.
async fn parents_of(conn: &mut Connection, items: &[NewCartItem]) -> Result<Vec<Parents>, Error> {
    match read_parents(conn, items).await {
        Err(Error::Internal(_)) if items.len() > 1 => {}
        parents => return parents,
    }
    let mut each = Vec::with_capacity(items.len());
    for item in items {
        match read_parents(conn, std::slice::from_ref(item)).await {
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

/// Adds items; gives their ids.
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
        Err(error @ DatabaseError(..)) if !is_lost(&error) => insert_each(conn, items).await,
        Err(error) => Err(error.into()),
    }
}

/// Adds one after the other. Whoever needs a row for which another has waited in vain does not wait
/// again.
async fn insert_each(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> Result<Vec<Result<i32, Error>>, Error> {
    let mut results = Vec::with_capacity(items.len());
    let mut in_vain: Vec<&NewCartItem> = Vec::new();
    for item in items {
        let is_locked = |other: &&NewCartItem| {
            other.user_id == item.user_id || other.product_id == item.product_id
        };
        results.push(if in_vain.iter().any(is_locked) {
            Err(Error::Unavailable(
                "another holds the user or the product".into(),
            ))
        } else {
            match insert(conn, std::slice::from_ref(item)).await {
                Ok(()) => new_ids(conn, 1)
                    .await
                    .map(|ids| ids[0])
                    .map_err(Error::from),
                Err(error) if is_lost(&error) => {
                    // Those before this one are stored, and their callers are to know it.
                    let error = Error::from(error);
                    results.resize_with(items.len(), || Err(error.share()));
                    return Ok(results);
                }
                Err(error) => {
                    if is_passing(&error) {
                        in_vain.push(item);
                    }
                    Err(refused(conn, *item, error).await)
                }
            }
        });
    }
    Ok(results)
}

/// Inserts all or none.
async fn insert(conn: &mut Connection, items: &[NewCartItem]) -> QueryResult<()> {
    // As a text: diesel would prepare a statement for each number of rows, every time.
    let row = |item: &NewCartItem| format!("({}, {})", item.user_id, item.product_id);
    let rows: Vec<String> = items.iter().map(row).collect();
    let rows = rows.join(", ");
    let text = format!("INSERT INTO cart (user_id, product_id) VALUES {rows}");
    let mut attempt = 0;
    loop {
        let inserted = conn.batch_execute(&text).await;
        match inserted {
            Ok(()) => return Ok(()),
            Err(error) if lost_deadlock(&error) && attempt < DEADLOCK_RETRIES => {
                attempt += 1;
                pause_apart(attempt).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The ids of the `rows` that were just inserted.
///
/// The database tells the first. The others follow in steps, in every lock mode of InnoDB, since the
/// number of rows was known before the first ("simple inserts" in MySQL's manual, "AUTO_INCREMENT
/// Handling in InnoDB").
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
/// after it was read: what is missing now tells which.
async fn refused(conn: &mut Connection, item: NewCartItem, error: DieselError) -> Error {
    if !matches!(error, DatabaseError(ForeignKeyViolation, _)) {
        return error.into();
    }
    match read_parents(conn, &[item]).await.map(|mut both| both.pop()) {
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
        diesel::delete(cart::table.find(id)).execute(conn).await
    } else {
        let removal = transaction(conn, |conn| {
            async move {
                // All three rows: what is shown of an item is in each of them.
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

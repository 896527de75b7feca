//! Additions to carts in batches: one statement inserts all items of a batch, and an item that the
//! database rejects does not fail the others.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel::result::QueryResult;
use diesel::sql_types::Integer;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use crate::db::errors::{QueryError, diagnose};
use crate::db::rows::{Product, User};
use crate::db::transaction::Retries;
use crate::db::{Connection, last_insert_id};
use crate::error::{Conflict, Error};

use super::{CartItem, FullItem, NewCartItem};

/// Puts products into users' carts. Returns the new items in the same order, with users and
/// products as they were just before the insert. An item that the database rejects fails alone:
/// with `Conflict` when its user or product does not exist.
///
/// # Errors
/// When the connection is lost, which fails every item.
pub(in crate::db) async fn add(
    conn: &mut Connection,
    items: &[NewCartItem],
) -> Result<Vec<Result<FullItem, Error>>, Error> {
    let parents = parents_of(conn, items).await?;
    let known = items.iter().zip(&parents).filter(|(_, row)| row.is_ok());
    let known: Vec<NewCartItem> = known.map(|(item, _)| *item).collect();
    // The foreign keys detect a user or a product that is deleted meanwhile.
    let mut ids = insert_known(conn, &known).await?.into_iter();
    let result = |(new, parents): (&NewCartItem, Parents)| {
        let (user, product) = parents?;
        let id = ids
            .next()
            .expect("one id for each item that was inserted")?;
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

/// Reads the user and the product of each item, with two statements for all items. If a row cannot
/// be read, reads those of each item with two statements, so that the other items do not fail.
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
    let users = User::with_ids(conn, &user_ids).await?;
    let users: HashMap<i32, User> = users.into_iter().map(|user| (user.id, user)).collect();
    let product_ids: Vec<i32> = items.iter().map(|item| item.product_id).collect();
    let products = Product::with_ids(conn, &product_ids).await?;
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

/// Inserts items; returns the id or the error of each.
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
        Err(error) if items.len() == 1 => {
            Ok(vec![Err(insertion_error(conn, items[0], error).await)])
        }
        Err(error) if error.is_lost() => Err(error.into()),
        Err(_) => insert_each(conn, items).await,
    }
}

/// Inserts one item after the other. When an item has waited too long for the lock of its user or
/// product, the later items with the same user or product fail without waiting.
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
                    // The items before this one are stored: their callers must get the ids.
                    let error = Error::from(error);
                    results.resize_with(items.len(), || Err(error.share()));
                    return Ok(results);
                }
                Err(error) => {
                    if error.is_temporary() {
                        unavailable.push(item);
                    }
                    Err(insertion_error(conn, *item, error).await)
                }
            }
        });
    }
    Ok(results)
}

/// Inserts all items or none.
async fn insert(conn: &mut Connection, items: &[NewCartItem]) -> Result<(), QueryError> {
    // Not with diesel, which would prepare a statement each time, since the SQL depends on the
    // number of rows.
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

/// The ids of the rows that the last statement inserted.
///
/// The database returns the first id. The others follow at equal distances in every lock mode of
/// InnoDB, since the number of rows was known before the insert ("simple inserts" in MySQL's
/// manual, "AUTO_INCREMENT Handling in InnoDB").
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

/// The error of an item that was not inserted. A violated foreign key means that the user or the
/// product was deleted after it was read; reading both again shows which.
async fn insertion_error(conn: &mut Connection, item: NewCartItem, error: QueryError) -> Error {
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

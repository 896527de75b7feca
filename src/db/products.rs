//! The queries on products. Imports `db::rows`, `db::pages`, `db::texts` and `db::transaction`.

use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel::sql_types::Integer;
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;

use crate::error::{Conflict, Error};

use super::dialect::Returning;
use super::errors::{or_conflict, or_missing};
use super::idempotency::{self, Key, Outcome, Response};
use super::ids::Ids;
use super::pages::{Window, prepared_anew, total_and_ids};
use super::schema::{cart, products};
use super::texts::{fits, reject_unstorable};
use super::transaction::{Condition, check_precondition, transaction};
use super::{Connection, List, ListRange, Order, beginning_with, last_insert_id};

pub use super::rows::Product;

/// A product to store.
#[derive(Insertable)]
#[diesel(table_name = products)]
pub struct NewProduct {
    /// The product's name.
    pub title: String,
    /// The URL of a picture.
    pub image_url: Option<String>,
    /// A text about the product.
    pub description: Option<String>,
}

impl NewProduct {
    /// The columns that hold a text, with their texts.
    fn texts(&self) -> [(&'static str, Option<&str>); 3] {
        [
            ("title", Some(&self.title)),
            ("image_url", self.image_url.as_deref()),
            ("description", self.description.as_deref()),
        ]
    }
}

/// The changes to a product: `None` keeps a column, `Some(None)` clears it.
#[derive(Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = products)]
pub struct ProductChanges {
    /// The new name.
    pub title: Option<String>,
    /// The new picture.
    pub image_url: Option<Option<String>>,
    /// The new text.
    pub description: Option<Option<String>>,
}

/// A column that orders products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Column {
    /// The id.
    #[default]
    Id,
    /// The title.
    Title,
}

/// The products that a list contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The beginning of the title.
    pub prefix: Option<String>,
}

type Products<'f> = products::BoxedQuery<'f, Mysql>;

/// The products that match a filter.
fn filtered(filter: &Filter) -> Products<'_> {
    let products = products::table.into_boxed();
    match &filter.prefix {
        Some(prefix) => products.filter(products::title.like(beginning_with(prefix)).escape('!')),
        None => products,
    }
}

fn ordered(products: Products<'_>, order: Order<Column>) -> Products<'_> {
    match (order.by, order.is_reversed) {
        (Column::Id, false) => products.order(products::id),
        (Column::Id, true) => products.order(products::id.desc()),
        (Column::Title, false) => products.order((products::title, products::id)),
        (Column::Title, true) => products.order((products::title.desc(), products::id.desc())),
    }
}

/// The products that match a filter, in this order.
///
/// # Errors
/// Only those of the database.
pub async fn list<'c>(
    conn: &'c mut Connection,
    filter: &Filter,
    order: Order<Column>,
    range: ListRange,
) -> Result<List<'c, Product>, Error> {
    // MariaDB rejects a comparison with a text that the column cannot hold.
    if let Some(text) = &filter.prefix
        && !fits(conn, ("products", "title"), text).await?
    {
        return Ok(List::empty(range));
    }
    let (page, known) = match range {
        ListRange::Page(page, known) => (page, known),
        ListRange::After(id) => {
            let rows = ordered(filtered(filter), order).filter(products::id.gt(id));
            let rows = rows.select(Product::as_select()).load_stream(conn).await?;
            return Ok(List::whole(rows));
        }
    };
    // A landmark is a position in id order. It is of no use in another order, or when the database
    // finds the rows through another index and sorts them.
    let known = known.landmark_if(order.by == Column::Id && filter.prefix.is_none());
    let count = filtered(filter).count();
    let ids = |window: &Window| ids(filter, order, window);
    let (total, ids) = total_and_ids(conn, (page, known), count, ids).await?;
    if ids.is_empty() {
        return Ok(List::past_the_end(page, total));
    }
    let rows = products::table.filter(products::id.eq_any(Ids::new(&ids)));
    let rows = ordered(rows.into_boxed(), order).select(Product::as_select());
    Ok(List::page(rows.load_stream(conn).await?, page, total))
}

/// The ids of the products in a window of a list.
fn ids<'f>(
    filter: &'f Filter,
    order: Order<Column>,
    window: &Window,
) -> products::BoxedQuery<'f, Mysql, Integer> {
    let mut products = ordered(filtered(filter), order.reversed_if(window.is_backwards));
    if let Some(id) = window.after {
        products = if order.is_reversed {
            products.filter(products::id.lt(id))
        } else {
            products.filter(products::id.gt(id))
        };
    }
    if window.is_deep() {
        products = products.filter(prepared_anew());
    }
    let products = products.limit(window.rows).offset(window.skipped);
    products.select(products::id)
}

/// Stores a new product.
///
/// # Errors
/// `Invalid` when a column cannot hold its text.
pub async fn create(conn: &mut Connection, new: &NewProduct) -> Result<Product, Error> {
    let created = transaction(conn, |conn| insert(conn, new).scope_boxed()).await;
    Ok(reject_unstorable(conn, "products", &new.texts(), created).await??)
}

/// Stores a new product and keeps the response for this key, or returns the response that is kept for
/// the key.
///
/// # Errors
/// As [`create`]; nothing is kept then.
pub(super) async fn create_with_key(
    conn: &mut Connection,
    new: &NewProduct,
    key: &Key,
    respond: fn(Product) -> Response,
) -> Result<Outcome, Error> {
    let outcome = transaction(conn, |conn| {
        async move {
            if let Some(kept) = idempotency::claim(conn, key, None).await? {
                return Ok(Outcome::Kept(kept));
            }
            let response = respond(insert(conn, new).await?);
            idempotency::keep(conn, key, &response).await?;
            Ok(Outcome::Created(response))
        }
        .scope_boxed()
    })
    .await;
    Ok(reject_unstorable(conn, "products", &new.texts(), outcome).await??)
}

/// Inserts a product within the caller's transaction.
async fn insert(conn: &mut Connection, new: &NewProduct) -> QueryResult<Product> {
    let insert = diesel::insert_into(products::table).values(new);
    let columns = Product::as_select();
    let mut stored: Vec<Product> = Returning { insert, columns }.get_results(conn).await?;
    if let Some(row) = stored.pop() {
        return Ok(row);
    }
    products::table
        .filter(products::id.eq(last_insert_id()))
        .select(Product::as_select())
        .first(conn)
        .await
}

/// Changes a product; returns the changed row.
///
/// # Errors
/// `NotFound`, `Stale` when the precondition does not hold, or `Invalid` when a column cannot hold
/// its text.
pub async fn update(
    conn: &mut Connection,
    id: i32,
    changes: &ProductChanges,
    condition: Option<&Condition<Product>>,
) -> Result<Product, Error> {
    if *changes == ProductChanges::default() {
        let product = Product::find(conn, id).await?;
        check_precondition(condition, &product).map_err(or_missing("Product"))?;
        return Ok(product);
    }
    let updated = transaction(conn, |conn| {
        async move {
            if condition.is_some() {
                check_precondition(condition, &lock(conn, id).await?)?;
            }
            diesel::update(products::table.find(id))
                .set(changes)
                .execute(conn)
                .await?;
            products::table
                .find(id)
                .select(Product::as_select())
                .first(conn)
                .await
        }
        .scope_boxed()
    })
    .await;
    let texts = [
        ("title", changes.title.as_deref()),
        (
            "image_url",
            changes.image_url.as_ref().and_then(Option::as_deref),
        ),
        (
            "description",
            changes.description.as_ref().and_then(Option::as_deref),
        ),
    ];
    reject_unstorable(conn, "products", &texts, updated)
        .await?
        .map_err(or_missing("Product"))
}

/// Reads and locks the product: no other transaction changes the row until this one ends.
async fn lock(conn: &mut Connection, id: i32) -> QueryResult<Product> {
    let product = products::table.find(id).select(Product::as_select());
    product.for_update().first(conn).await
}

/// Deletes a product with the cart items that contain it; returns the number of these items.
///
/// # Errors
/// `NotFound`, `Stale` when the precondition does not hold, or `Conflict` when a table of another
/// program still refers to the product.
pub async fn delete(
    conn: &mut Connection,
    id: i32,
    condition: Option<&Condition<Product>>,
) -> Result<usize, Error> {
    let removed = transaction(conn, |conn| {
        async move {
            // While the product's row is locked, no other transaction puts it into a cart.
            check_precondition(condition, &lock(conn, id).await?)?;
            let removed = diesel::delete(cart::table.filter(cart::product_id.eq(id)))
                .execute(conn)
                .await?;
            diesel::delete(products::table.find(id))
                .execute(conn)
                .await?;
            Ok(removed)
        }
        .scope_boxed()
    });
    let conflict = Conflict::HasDependents;
    removed
        .await
        .map_err(or_conflict(ForeignKeyViolation, conflict, "Product"))
}

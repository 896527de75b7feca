//! Products: the rows and the queries.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::ForeignKeyViolation;
use diesel::result::Error as DieselError;
use diesel_async::RunQueryDsl;
use scoped_futures::ScopedFutureExt;

use crate::error::{Conflict, Error};

use super::ids::Ids;
use super::schema::{cart, products};
use super::{
    Condition, Connection, List, Span, demand, last_insert_id, or_conflict, or_missing, transaction,
};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
pub struct Product {
    /// The primary key.
    pub id: i32,
    /// Its name.
    pub title: String,
    /// Where its picture is.
    pub image_url: Option<String>,
    /// What there is to say about it.
    pub description: Option<String>,
}

/// A product to store.
#[derive(Insertable)]
#[diesel(table_name = products)]
pub struct NewProduct {
    /// Its name.
    pub title: String,
    /// Where its picture is.
    pub image_url: Option<String>,
    /// What there is to say about it.
    pub description: Option<String>,
}

/// What to change of a product: `None` leaves as it is, `Some(None)` clears.
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

/// Which products are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What the title begins with.
    pub prefix: Option<String>,
}

/// The products, in id order.
///
/// # Errors
/// Only those of the database.
pub async fn list<'c>(
    conn: &'c mut Connection,
    _filter: &Filter,
    _order: super::Order<Column>,
    span: Span,
) -> Result<List<'c, Product>, Error> {
    let all = products::table
        .select(Product::as_select())
        .order(products::id);
    let page = match span {
        Span::Page(page) => page,
        Span::After(id) => {
            let rows = all.filter(products::id.gt(id)).load_stream(conn).await?;
            return Ok(List::whole(rows));
        }
    };
    let total = products::table.count().get_result(conn).await?;
    let rows = all
        .limit(page.limit())
        .offset(page.offset())
        .load_stream(conn)
        .await?;
    Ok(List::part(rows, page, total))
}

/// The product with this id.
///
/// # Errors
/// `NotFound`.
pub async fn find(conn: &mut Connection, id: i32) -> Result<Product, Error> {
    products::table
        .find(id)
        .select(Product::as_select())
        .first(conn)
        .await
        .map_err(or_missing("Product"))
}

/// Those products of these ids that exist, in any order.
///
/// # Errors
/// Only those of the database.
pub(super) async fn with_ids(conn: &mut Connection, ids: &[i32]) -> Result<Vec<Product>, Error> {
    let products = products::table.filter(products::id.eq_any(Ids::new(ids)));
    Ok(products.select(Product::as_select()).load(conn).await?)
}

/// Stores a new product.
///
/// # Errors
/// Only those of the database.
pub async fn create(conn: &mut Connection, new: &NewProduct) -> Result<Product, Error> {
    let product = transaction(conn, |conn| {
        async move {
            diesel::insert_into(products::table)
                .values(new)
                .execute(conn)
                .await?;
            products::table
                .filter(products::id.eq(last_insert_id()))
                .select(Product::as_select())
                .first(conn)
                .await
        }
        .scope_boxed()
    });
    Ok(product.await?)
}

/// Changes a product and gives it back as it is then.
///
/// # Errors
/// `NotFound`, or `Stale` when it is not as the condition demands.
pub async fn update(
    conn: &mut Connection,
    id: i32,
    changes: &ProductChanges,
    condition: Option<&Condition<Product>>,
) -> Result<Product, Error> {
    if *changes == ProductChanges::default() {
        let product = find(conn, id).await?;
        demand(condition, &product).map_err(or_missing("Product"))?;
        return Ok(product);
    }
    transaction(conn, |conn| {
        async move {
            if condition.is_some() {
                demand(condition, &lock(conn, id).await?)?;
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
    .await
    .map_err(or_missing("Product"))
}

/// The product, which nobody else can change until this transaction ends.
async fn lock(conn: &mut Connection, id: i32) -> QueryResult<Product> {
    let product = products::table.find(id).select(Product::as_select());
    product.for_update().first(conn).await
}

/// Deletes a product and takes it out of every cart; gives how many cart items that were.
///
/// # Errors
/// `NotFound`, `Stale` when it is not as the condition demands, or `Conflict` when a table that is not
/// ours still refers to the product.
pub async fn delete(
    conn: &mut Connection,
    id: i32,
    condition: Option<&Condition<Product>>,
) -> Result<usize, Error> {
    let removed = transaction(conn, |conn| {
        async move {
            // The lock on the product's row holds off whoever would put it into a cart meanwhile.
            demand(condition, &lock(conn, id).await?)?;
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
    removed.await.map_err(|error| match error {
        DieselError::DatabaseError(..) => {
            or_conflict(ForeignKeyViolation, Conflict::HasDependents)(error)
        }
        error => or_missing("Product")(error),
    })
}

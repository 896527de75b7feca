//! The contract's tag `Products`: one handler for each operation.

use futures_util::FutureExt;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};

use crate::db::{self, Database, Pooled};

use super::conditions::{Tags, condition};
use super::json::JsonBody;
use super::lists::{Listing, Lists};
use super::responses::{
    Answer, ChangeError, Created, EditError, FindError, Found, RequestError, Updated,
};
use super::schemas::{
    Product, ProductCartsResponse, ProductChanges, ProductDraft, ProductListResponse,
    ProductResponse, RemovalResponse,
};
use super::types::Id;
use super::{Tag, page};

/// The operations on products.
#[derive(Clone)]
pub struct Products {
    /// The shop.
    pub db: Database,
    /// Its lists.
    pub lists: Lists,
}

#[OpenApi(tag = "Tag::Products")]
impl Products {
    /// List products
    ///
    /// Every product in the order of the ids, or one page of them.
    #[oai(path = "/api/products", method = "get", operation_id = "listProducts")]
    async fn list(
        &self,
        /// Which page, from 1; 1 when only `limit` is given. A page past the end is empty.
        #[oai(name = "page")]
        number: Query<Option<Id>>,
        /// How many rows a page holds; 10 when only `page` is given.
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
    ) -> Result<Listing<ProductListResponse>, RequestError> {
        let page = page(number.0, size.0);
        let list = self.lists.read(None, page, |conn, span| {
            db::products::list(conn, span).boxed()
        });
        Ok(list.await?)
    }

    /// Create a product
    ///
    /// Only the title is needed.
    #[oai(
        path = "/api/products",
        method = "post",
        operation_id = "createProduct"
    )]
    async fn create(
        &self,
        /// The new product
        body: JsonBody<ProductDraft>,
    ) -> Result<Created<ProductResponse>, RequestError> {
        let new = body.0.into();
        let query = async move |mut conn: Pooled| db::products::create(&mut conn, &new).await;
        let product = self.db.run(query).await?;
        let location = format!("/api/products/{}", product.id);
        Ok(Created {
            location,
            body: ProductResponse::new(product, "Product created"),
        })
    }

    /// Get a product
    ///
    /// One product, by id.
    #[oai(
        path = "/api/products/:id",
        method = "get",
        operation_id = "getProduct"
    )]
    async fn get(
        &self,
        /// The product's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states that the client has, or `*` for any; 304
        /// when it still has one of them. A weak tag (`W/"…"`) stands for its strong one.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<Tags>>,
    ) -> Result<Found<ProductResponse>, FindError> {
        let product = self.db.product(id.0.0).await?;
        let body = ProductResponse::new(product, "Product found");
        Ok(Found::unless(if_none_match.0, body))
    }

    /// Update a product
    ///
    /// Changes the properties that are present and leaves the others; an empty object changes
    /// nothing, and `null` clears the image or the description.
    #[oai(
        path = "/api/products/:id",
        method = "put",
        operation_id = "updateProduct"
    )]
    async fn update(
        &self,
        /// The product's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states in which it may be changed, or `*` for any;
        /// 412 when it has none of them now. A weak tag (`W/"…"`) is none.
        #[oai(name = "If-Match")]
        if_match: Header<Option<Tags>>,
        /// What to change
        body: JsonBody<ProductChanges>,
    ) -> Result<Updated<ProductResponse>, EditError> {
        let changes = body.0.into();
        let condition = condition::<_, Product>(if_match.0);
        let query = async move |mut conn: Pooled| {
            db::products::update(&mut conn, id.0.0, &changes, condition.as_ref()).await
        };
        let product = self.db.run(query).await?;
        Ok(Updated(ProductResponse::new(product, "Product updated")))
    }

    /// Delete a product
    ///
    /// Removes the product and takes it out of every cart, both or neither. 409 when other tables
    /// of the shop, orders for example, still refer to the product.
    #[oai(
        path = "/api/products/:id",
        method = "delete",
        operation_id = "deleteProduct"
    )]
    async fn delete(
        &self,
        /// The product's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states in which it may be changed, or `*` for any;
        /// 412 when it has none of them now. A weak tag (`W/"…"`) is none.
        #[oai(name = "If-Match")]
        if_match: Header<Option<Tags>>,
    ) -> Result<Answer<RemovalResponse>, ChangeError> {
        let condition = condition::<_, Product>(if_match.0);
        let query = async move |mut conn: Pooled| {
            db::products::delete(&mut conn, id.0.0, condition.as_ref()).await
        };
        let removed = self.db.run(query).await?;
        Ok(Answer(RemovalResponse::cascading("Product", removed)))
    }

    /// List the carts that hold a product
    ///
    /// The cart items that contain one product, each with its user, in the order in which they
    /// were added.
    #[oai(
        path = "/api/products/:id/carts",
        method = "get",
        operation_id = "getProductCarts"
    )]
    async fn carts(
        &self,
        /// The product's id
        id: Path<Id>,
        /// Which page, from 1; 1 when only `limit` is given. A page past the end is empty.
        #[oai(name = "page")]
        number: Query<Option<Id>>,
        /// How many rows a page holds; 10 when only `page` is given.
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
    ) -> Result<Listing<ProductCartsResponse>, FindError> {
        let page = page(number.0, size.0);
        let id = id.0.0;
        let list = self.lists.read(Some(id), page, move |conn, span| {
            db::cart::with_product(conn, id, span).boxed()
        });
        Ok(list.await?)
    }
}

//! The handlers of the operations with the tag `Products`.

use futures_util::FutureExt;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};

use crate::db::{self, Database, ListIndex};

use super::conditions::{EntityTags, condition};
use super::context::RequestContext;
use super::failures::{ChangeError, CreateError, FindError, RequestError};
use super::idempotency;
use super::json::JsonBody;
use super::lists::paging::page;
use super::lists::{Listing, Lists};
use super::responses::{Conditional, Created, Success, Updated};
use super::schemas::{
    Product, ProductCartsResponse, ProductChanges, ProductDraft, ProductListResponse,
    ProductResponse, RemovalResponse,
};
use super::sorting::{CartOrder, ProductOrder, check_index};
use super::tags::Tag;
use super::types::{EnumValue, Id, check_id};

/// The operations on products.
#[derive(Clone)]
pub struct Products {
    /// The database.
    pub db: Database,
    /// The reader of lists.
    pub lists: Lists,
}

/// The response to the creation of `product`.
fn created(product: db::products::Product) -> Created<ProductResponse> {
    let location = format!("/api/products/{}", product.id);
    Created::new(location, &ProductResponse::new(product, "Product created"))
}

#[OpenApi(tag = "Tag::Products")]
impl Products {
    /// List products
    ///
    /// All products, or one page of them, ordered by id unless `sort` is given.
    #[oai(path = "/api/products", method = "get", operation_id = "listProducts")]
    async fn list(
        &self,
        context: Data<&RequestContext>,
        #[oai(name = "page")] number: Query<Option<Id>>,
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
        /// The property that orders the list; a minus sign reverses the order. Rows with equal
        /// values are ordered by id, in the same direction. `title` and `-title` only together with
        /// `page` or `limit`.
        sort: Query<Option<EnumValue<ProductOrder>>>,
        /// Only products whose title begins with this text, as the database's collation compares:
        /// in the tables that the server creates, letter case and accents are ignored. No character
        /// is a wildcard. Only together with `page` or `limit`.
        #[oai(name = "q", validator(min_length = 2, max_length = 255))]
        prefix: Query<Option<String>>,
    ) -> Result<Listing<ProductListResponse>, RequestError> {
        let order = sort.0.map_or_else(ProductOrder::default, |sort| sort.0);
        let filter = db::products::Filter { prefix: prefix.0 };
        let is_sorted = order.by == db::products::Column::Title;
        let used = [("q", filter.prefix.is_some()), ("sort", is_sorted)];
        check_index(&self.db, ListIndex::ProductTitle, used).await?;
        let is_plain = order == ProductOrder::default() && filter.prefix.is_none();
        let page = page(number.0, size.0);
        let selection = (filter.clone(), order);
        let list = self.lists.read(
            context.0,
            None,
            page,
            is_plain,
            selection,
            move |conn, range| {
                let filter = filter.clone();
                async move { db::products::list(conn, &filter, order, range).await }.boxed()
            },
        );
        Ok(list.await?)
    }

    /// Create a product
    ///
    /// Only the title is required. Only for administrators.
    #[oai(
        path = "/api/products",
        method = "post",
        operation_id = "createProduct"
    )]
    async fn create(
        &self,
        context: Data<&RequestContext>,
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 255, pattern = "^[!-~]+$")
        )]
        key: Header<Option<String>>,
        /// The new product
        body: JsonBody<ProductDraft>,
    ) -> Result<Created<ProductResponse>, CreateError> {
        let key = idempotency::key(context.0, key.0.as_deref(), &body.0);
        let new = body.0.into();
        let Some(key) = key else {
            return Ok(created(self.db.create_product(new).await?));
        };
        let respond = |product| created(product).into_response_to_keep();
        let create = self.db.create_product_with_key(new, key, respond);
        Ok(idempotency::replay_or(&self.db, &key, None, create).await?)
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
        id: Path<Id>,
        #[oai(name = "If-None-Match")] if_none_match: Header<Option<EntityTags>>,
    ) -> Result<Conditional<ProductResponse>, FindError> {
        let product = self.db.product(id.0.0).await?;
        let body = ProductResponse::new(product, "Product found");
        Ok(Conditional::new(if_none_match.0, body))
    }

    /// Update a product
    ///
    /// Changes the properties that are present and leaves the others as they are; an empty object
    /// changes nothing, and `null` clears the image or the description. The `data` of a response
    /// may be sent as it is, `id` included, and changes nothing either, provided that it keeps to
    /// the schema of the body. Only for administrators.
    #[oai(
        path = "/api/products/:id",
        method = "put",
        operation_id = "updateProduct"
    )]
    async fn update(
        &self,
        id: Path<Id>,
        #[oai(name = "If-Match")] if_match: Header<Option<EntityTags>>,
        /// The changes
        body: JsonBody<ProductChanges>,
    ) -> Result<Updated<ProductResponse>, ChangeError> {
        check_id(body.0.id, id.0)?;
        let changes = body.0.into();
        let condition = condition::<_, Product>(if_match.0);
        let product = self.db.update_product(id.0.0, changes, condition).await?;
        Ok(Updated(ProductResponse::new(product, "Product updated")))
    }

    /// Delete a product
    ///
    /// Deletes the product and removes it from every cart, in one transaction. 409 when other
    /// tables of the shop, orders for example, still refer to the product. Only for administrators.
    #[oai(
        path = "/api/products/:id",
        method = "delete",
        operation_id = "deleteProduct"
    )]
    async fn delete(
        &self,
        id: Path<Id>,
        #[oai(name = "If-Match")] if_match: Header<Option<EntityTags>>,
    ) -> Result<Success<RemovalResponse>, ChangeError> {
        let condition = condition::<_, Product>(if_match.0);
        let removed = self.db.delete_product(id.0.0, condition).await?;
        Ok(Success(RemovalResponse::cascading("Product", removed)))
    }

    /// List the carts that hold a product
    ///
    /// The cart items that contain one product, each with its user, ordered by id unless `sort` is
    /// given. Only for administrators.
    #[oai(
        path = "/api/products/:id/carts",
        method = "get",
        operation_id = "getProductCarts"
    )]
    async fn carts(
        &self,
        context: Data<&RequestContext>,
        id: Path<Id>,
        #[oai(name = "page")] number: Query<Option<Id>>,
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
        sort: Query<Option<EnumValue<CartOrder>>>,
    ) -> Result<Listing<ProductCartsResponse>, FindError> {
        let is_reversed = sort.0.is_some_and(|sort| sort.0.is_reversed);
        let page = page(number.0, size.0);
        let id = id.0.0;
        let list = self.lists.read(
            context.0,
            Some(id),
            page,
            !is_reversed,
            is_reversed,
            move |conn, range| db::cart::with_product(conn, id, is_reversed, range).boxed(),
        );
        Ok(list.await?)
    }
}

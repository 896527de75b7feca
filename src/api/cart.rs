//! The handlers of the operations with the tag `Cart`.

use futures_util::FutureExt;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};

use crate::db::{self, Database};

use super::conditions::{EntityTags, condition};
use super::context::RequestContext;
use super::failures::{ChangeError, CreateError, EmptyError, FindError, RequestError};
use super::idempotency;
use super::json::JsonBody;
use super::lists::paging::page;
use super::lists::{Listing, Lists};
use super::responses::{Conditional, Created, Success};
use super::schemas::{
    CartItem, CartItemDraft, CartItemListResponse, CartItemResponse, RemovalResponse,
};
use super::sorting::CartOrder;
use super::tags::Tag;
use super::types::{EnumValue, Id};

/// The operations on cart items.
#[derive(Clone)]
pub struct Cart {
    /// The database.
    pub db: Database,
    /// The reader of lists.
    pub lists: Lists,
}

/// The response to the addition of `item`.
fn added(item: db::cart::FullItem) -> Created<CartItemResponse> {
    let location = format!("/api/cart/{}", item.0.id);
    Created::new(location, &CartItemResponse::new(item, "Cart item added"))
}

#[OpenApi(tag = "Tag::Cart")]
impl Cart {
    /// List cart items
    ///
    /// The items in all carts, or one page of them, each with its user and product, ordered by id
    /// unless `sort` is given. Users see only the items in their own cart.
    #[oai(path = "/api/cart", method = "get", operation_id = "listCartItems")]
    async fn list(
        &self,
        context: Data<&RequestContext>,
        #[oai(name = "page")] number: Query<Option<Id>>,
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
        sort: Query<Option<EnumValue<CartOrder>>>,
    ) -> Result<Listing<CartItemListResponse>, RequestError> {
        let page = page(number.0, size.0);
        let is_reversed = sort.0.is_some_and(|sort| sort.0.is_reversed);
        let scope = context.scope;
        let list = self.lists.read(
            context.0,
            None,
            page,
            !is_reversed,
            is_reversed,
            move |conn, range| db::cart::list(conn, scope, is_reversed, range).boxed(),
        );
        Ok(list.await?)
    }

    /// Add a product to a cart
    ///
    /// Adds one item; adding the same product twice adds two. 409 when the user or the product does
    /// not exist. Users may add only to their own cart.
    #[oai(path = "/api/cart", method = "post", operation_id = "addCartItem")]
    async fn add(
        &self,
        context: Data<&RequestContext>,
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 255, pattern = "^[!-~]+$")
        )]
        key: Header<Option<String>>,
        /// The user and the product
        body: JsonBody<CartItemDraft>,
    ) -> Result<Created<CartItemResponse>, CreateError> {
        let key = idempotency::key(context.0, key.0.as_deref(), &body.0);
        let new = body.0.into();
        let Some(key) = key else {
            return Ok(added(self.db.add_to_cart(new).await?));
        };
        let respond = |item| added(item).into_response_to_keep();
        let add = self.db.add_to_cart_with_key(new, key, respond);
        Ok(idempotency::replay_or(&self.db, &key, None, add).await?)
    }

    /// Get a cart item
    ///
    /// One cart item, by id, with its user and product. Users see only the items in their own cart.
    #[oai(path = "/api/cart/:id", method = "get", operation_id = "getCartItem")]
    async fn get(
        &self,
        context: Data<&RequestContext>,
        id: Path<Id>,
        #[oai(name = "If-None-Match")] if_none_match: Header<Option<EntityTags>>,
    ) -> Result<Conditional<CartItemResponse>, FindError> {
        let item = self.db.cart_item(id.0.0, context.scope).await?;
        let body = CartItemResponse::new(item, "Cart item found");
        Ok(Conditional::new(if_none_match.0, body))
    }

    /// Remove a cart item
    ///
    /// Removes one item from its cart; the user and the product remain. Users may remove only the items
    /// in their own cart.
    #[oai(
        path = "/api/cart/:id",
        method = "delete",
        operation_id = "removeCartItem"
    )]
    async fn remove(
        &self,
        context: Data<&RequestContext>,
        id: Path<Id>,
        #[oai(name = "If-Match")] if_match: Header<Option<EntityTags>>,
    ) -> Result<Success<RemovalResponse>, ChangeError> {
        let condition = condition::<_, CartItem>(if_match.0);
        let (id, scope) = (id.0.0, context.scope);
        self.db.remove_cart_item(id, scope, condition).await?;
        Ok(Success(RemovalResponse::of_cart_items(1)))
    }

    /// Empty a user's cart
    ///
    /// Removes every item from one user's cart. 404 when the user does not exist; no item is
    /// removed when the cart is already empty. Users may empty only their own cart.
    #[oai(
        path = "/api/cart/user/:user_id",
        method = "delete",
        operation_id = "clearUserCart"
    )]
    async fn clear(&self, user_id: Path<Id>) -> Result<Success<RemovalResponse>, EmptyError> {
        let removed = self.db.clear_cart(user_id.0.0).await?;
        Ok(Success(RemovalResponse::of_cart_items(removed)))
    }
}

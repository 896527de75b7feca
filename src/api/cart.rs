//! The contract's tag `Cart`: one handler for each operation.

use futures_util::FutureExt;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};

use crate::db::{self, Database, Pooled};

use super::Tag;
use super::conditions::{Tags, condition};
use super::failures::{CreateError, EditError, FindError, RequestError};
use super::json::JsonBody;
use super::lists::paging::page;
use super::lists::{Listing, Lists};
use super::responses::{Answer, Created, Found};
use super::schemas::{
    CartItem, CartItemDraft, CartItemListResponse, CartItemResponse, RemovalResponse,
};
use super::sorting::CartOrder;
use super::types::{Id, Word};

/// The operations on cart items.
#[derive(Clone)]
pub struct Cart {
    /// The shop.
    pub db: Database,
    /// Its lists.
    pub lists: Lists,
}

#[OpenApi(tag = "Tag::Cart")]
impl Cart {
    /// List cart items
    ///
    /// Every item in every cart, or one page of them, each with its user and product, in the order
    /// of the ids unless `sort` says otherwise.
    #[oai(path = "/api/cart", method = "get", operation_id = "listCartItems")]
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
        /// The property that orders the list; a minus sign reverses the order.
        sort: Query<Option<Word<CartOrder>>>,
    ) -> Result<Listing<CartItemListResponse>, RequestError> {
        let page = page(number.0, size.0);
        let is_reversed = sort.0.is_some_and(|sort| sort.0.is_reversed);
        let list = self
            .lists
            .read(None, page, !is_reversed, is_reversed, move |conn, range| {
                db::cart::list(conn, is_reversed, range).boxed()
            });
        Ok(list.await?)
    }

    /// Add a product to a cart
    ///
    /// One item for each call; adding the same product twice makes two items. 409 when the user or
    /// the product does not exist.
    #[oai(path = "/api/cart", method = "post", operation_id = "addCartItem")]
    async fn add(
        &self,
        /// Whose cart, and which product
        body: JsonBody<CartItemDraft>,
    ) -> Result<Created<CartItemResponse>, CreateError> {
        let item = self.db.add_to_cart(body.0.into()).await?;
        let location = format!("/api/cart/{}", item.0.id);
        Ok(Created {
            location,
            body: CartItemResponse::new(item, "Cart item added"),
        })
    }

    /// Get a cart item
    ///
    /// One cart item, by id, with its user and product.
    #[oai(path = "/api/cart/:id", method = "get", operation_id = "getCartItem")]
    async fn get(
        &self,
        /// The cart item's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states that the client has, or `*` for any; 304
        /// when it still has one of them. A weak tag (`W/"…"`) stands for its strong one; what is
        /// no tag is none of them.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<Tags>>,
    ) -> Result<Found<CartItemResponse>, FindError> {
        let item = self.db.cart_item(id.0.0).await?;
        let body = CartItemResponse::new(item, "Cart item found");
        Ok(Found::unless(if_none_match.0, body))
    }

    /// Remove a cart item
    ///
    /// Takes one item out of its cart; the user and the product stay.
    #[oai(
        path = "/api/cart/:id",
        method = "delete",
        operation_id = "removeCartItem"
    )]
    async fn remove(
        &self,
        /// The cart item's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states in which it may be changed, or `*` for any;
        /// 412 when it has none of them now. A weak tag (`W/"…"`), and what is no tag, is none of
        /// them.
        #[oai(name = "If-Match")]
        if_match: Header<Option<Tags>>,
    ) -> Result<Answer<RemovalResponse>, EditError> {
        let condition = condition::<_, CartItem>(if_match.0);
        let query = async move |mut conn: Pooled| {
            db::cart::remove(&mut conn, id.0.0, condition.as_ref()).await
        };
        self.db.run(query).await?;
        Ok(Answer(RemovalResponse::of_cart_items(1)))
    }

    /// Empty a user's cart
    ///
    /// Takes every item out of one user's cart; 404 when there is no such user, and 0 items
    /// removed when the cart is empty already.
    #[oai(
        path = "/api/cart/user/:user_id",
        method = "delete",
        operation_id = "clearUserCart"
    )]
    async fn clear(
        &self,
        /// The id of the user whose cart it is
        user_id: Path<Id>,
    ) -> Result<Answer<RemovalResponse>, FindError> {
        let query = async move |mut conn: Pooled| db::cart::clear(&mut conn, user_id.0.0).await;
        let removed = self.db.run(query).await?;
        Ok(Answer(RemovalResponse::of_cart_items(removed)))
    }
}

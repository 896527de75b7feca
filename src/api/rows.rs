//! Conversions between the database's rows and the contract's types, and the properties of each list
//! (`ListResponse`).
//!
//! Imports `db` for the types of the rows.

use crate::db;

use super::lists::ListResponse;
use super::responses::{ResourceBody, counted};
use super::schemas::{
    CartItem, CartItemDraft, CartItemListResponse, CartItemResponse, Product, ProductCartItem,
    ProductCartsResponse, ProductChanges, ProductDraft, ProductListResponse, ProductResponse,
    Removal, RemovalResponse, Role, User, UserCartItem, UserCartResponse, UserListResponse,
    UserResponse,
};
use super::types::{Constant, Id, Nullable};

impl From<db::users::Role> for Role {
    fn from(role: db::users::Role) -> Self {
        match role {
            db::users::Role::Admin => Self::Admin,
            db::users::Role::User => Self::User,
        }
    }
}

impl From<Role> for db::users::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::User => Self::User,
        }
    }
}

impl From<db::users::User> for User {
    fn from(row: db::users::User) -> Self {
        Self {
            id: Id(row.id),
            email: row.email,
            role: row.role.into(),
        }
    }
}

impl From<db::products::Product> for Product {
    fn from(row: db::products::Product) -> Self {
        Self {
            id: Id(row.id),
            title: row.title,
            image_url: Nullable(row.image_url),
            description: Nullable(row.description),
        }
    }
}

impl From<ProductDraft> for db::products::NewProduct {
    fn from(new: ProductDraft) -> Self {
        Self {
            title: new.title,
            image_url: new.image_url.take(),
            description: new.description.take(),
        }
    }
}

impl From<ProductChanges> for db::products::ProductChanges {
    fn from(changes: ProductChanges) -> Self {
        Self {
            title: changes.title,
            image_url: changes.image_url.into(),
            description: changes.description.into(),
        }
    }
}

impl From<CartItemDraft> for db::cart::NewCartItem {
    fn from(new: CartItemDraft) -> Self {
        Self {
            user_id: new.user_id.0,
            product_id: new.product_id.0,
        }
    }
}

type CartItemRow = (db::cart::CartItem, db::users::User, db::products::Product);

impl From<CartItemRow> for CartItem {
    fn from((item, user, product): CartItemRow) -> Self {
        Self {
            id: Id(item.id),
            user_id: Id(item.user_id),
            product_id: Id(item.product_id),
            user: user.into(),
            product: product.into(),
        }
    }
}

impl From<(db::cart::CartItem, db::products::Product)> for UserCartItem {
    fn from((item, product): (db::cart::CartItem, db::products::Product)) -> Self {
        Self {
            id: Id(item.id),
            user_id: Id(item.user_id),
            product_id: Id(item.product_id),
            product: product.into(),
        }
    }
}

impl From<(db::cart::CartItem, db::users::User)> for ProductCartItem {
    fn from((item, user): (db::cart::CartItem, db::users::User)) -> Self {
        Self {
            id: Id(item.id),
            user_id: Id(item.user_id),
            product_id: Id(item.product_id),
            user: user.into(),
        }
    }
}

impl UserResponse {
    pub(super) fn new(user: db::users::User, message: &str) -> Self {
        Self {
            success: Constant,
            data: user.into(),
            message: message.to_owned(),
        }
    }
}

impl ProductResponse {
    pub(super) fn new(product: db::products::Product, message: &str) -> Self {
        Self {
            success: Constant,
            data: product.into(),
            message: message.to_owned(),
        }
    }
}

impl CartItemResponse {
    pub(super) fn new(item: CartItemRow, message: &str) -> Self {
        Self {
            success: Constant,
            data: item.into(),
            message: message.to_owned(),
        }
    }
}

impl ResourceBody for UserResponse {
    type Data = User;

    fn data(&self) -> &User {
        &self.data
    }
}

impl ResourceBody for ProductResponse {
    type Data = Product;

    fn data(&self) -> &Product {
        &self.data
    }
}

impl ResourceBody for CartItemResponse {
    type Data = CartItem;

    fn data(&self) -> &CartItem {
        &self.data
    }
}

impl RemovalResponse {
    /// The response to an operation that removed only cart items.
    pub(super) fn of_cart_items(removed: usize) -> Self {
        Self::new(
            removed,
            format!("{} removed", counted(removed, "cart item")),
        )
    }

    /// The response to the deletion of a user or product. `what` is its name in the message, and
    /// `removed` the number of cart items that were deleted with it.
    pub(super) fn cascading(what: &str, removed: usize) -> Self {
        Self::new(
            removed,
            format!("{what} deleted, {} removed", counted(removed, "cart item")),
        )
    }

    fn new(removed: usize, message: String) -> Self {
        let cart_items_removed = i32::try_from(removed).unwrap_or(i32::MAX);
        Self {
            success: Constant,
            data: Removal { cart_items_removed },
            message,
        }
    }
}

impl ListResponse for UserListResponse {
    type Item = User;
    const NOUN: &'static str = "user";

    fn id(item: &Self::Item) -> i32 {
        item.id.0
    }
}

impl ListResponse for ProductListResponse {
    type Item = Product;
    const NOUN: &'static str = "product";

    fn id(item: &Self::Item) -> i32 {
        item.id.0
    }
}

impl ListResponse for CartItemListResponse {
    type Item = CartItem;
    const NOUN: &'static str = "cart item";

    fn id(item: &Self::Item) -> i32 {
        item.id.0
    }
}

impl ListResponse for UserCartResponse {
    type Item = UserCartItem;
    const NOUN: &'static str = "cart item";

    fn id(item: &Self::Item) -> i32 {
        item.id.0
    }
}

impl ListResponse for ProductCartsResponse {
    type Item = ProductCartItem;
    const NOUN: &'static str = "cart item";

    fn id(item: &Self::Item) -> i32 {
        item.id.0
    }
}

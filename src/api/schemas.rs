//! One type for each of the contract's `components/schemas`, in the contract's order and with its
//! names.
//!
//! poem-openapi derives the schemas from these types (the contract gate compares them) and parses
//! request bodies into them; serde writes response bodies from them. The types of whole lists only
//! describe the response, which is written row by row (see `lists`).

use poem_openapi::types::{MaybeUndefined, Password};
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::error::Place;

use super::types::{Always, Email, Id, Nullable, Word};

/// The role of a user
#[derive(Enum, Serialize, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "UPPERCASE")]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// An administrator of the shop.
    Admin,
    /// A customer.
    User,
}

/// A user of the shop
#[derive(Object, Serialize)]
pub struct User {
    /// The user's id
    pub(super) id: Id,
    /// The user's email address, as it is stored
    #[oai(validator(max_length = 255))]
    pub(super) email: String,
    pub(super) role: Role,
}

/// A user to create
#[derive(Object)]
pub struct UserDraft {
    /// An email address (RFC 5321, without a display name) that no other user has
    #[oai(validator(max_length = 255))]
    pub(super) email: Email,
    /// The password; only its Argon2id hash is stored
    #[oai(write_only, validator(min_length = 6, max_length = 255))]
    pub(super) password: Password,
    pub(super) role: Role,
}

/// Changes to a user; absent properties stay as they are
#[derive(Object)]
pub struct UserChanges {
    /// An email address (RFC 5321, without a display name) that no other user has
    #[oai(validator(max_length = 255))]
    pub(super) email: Option<Email>,
    /// The new password; only its Argon2id hash is stored
    #[oai(write_only, validator(min_length = 6, max_length = 255))]
    pub(super) password: Option<Password>,
    pub(super) role: Option<Role>,
    /// The user's id, which must be the one in the path
    pub(super) id: Option<Id>,
}

/// A product of the shop
#[derive(Object, Serialize)]
pub struct Product {
    /// The product's id
    pub(super) id: Id,
    /// The product's name
    #[oai(validator(max_length = 255))]
    pub(super) title: String,
    /// The address of the product's picture
    #[oai(validator(max_length = 500))]
    pub(super) image_url: Nullable<String>,
    /// The product's description
    #[oai(validator(max_length = 16383))]
    pub(super) description: Nullable<String>,
}

/// A product to create
#[derive(Object)]
pub struct ProductDraft {
    /// The product's name
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) title: String,
    /// The address of the product's picture
    #[oai(nullable, validator(max_length = 500))]
    pub(super) image_url: MaybeUndefined<String>,
    /// The product's description
    #[oai(nullable, validator(max_length = 16383))]
    pub(super) description: MaybeUndefined<String>,
}

/// Changes to a product; absent properties stay as they are, and `null` clears
#[derive(Object)]
pub struct ProductChanges {
    /// The product's name
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) title: Option<String>,
    /// The address of the product's picture
    #[oai(nullable, validator(max_length = 500))]
    pub(super) image_url: MaybeUndefined<String>,
    /// The product's description
    #[oai(nullable, validator(max_length = 16383))]
    pub(super) description: MaybeUndefined<String>,
    /// The product's id, which must be the one in the path
    pub(super) id: Option<Id>,
}

/// An item in a user's cart, with its user and product
#[derive(Object, Serialize)]
pub struct CartItem {
    /// The cart item's id
    pub(super) id: Id,
    /// The id of the user who has the cart
    pub(super) user_id: Id,
    /// The id of the product in the cart
    pub(super) product_id: Id,
    pub(super) user: User,
    pub(super) product: Product,
}

/// A product to add to a user's cart
#[derive(Object)]
pub struct CartItemDraft {
    /// The id of the user who has the cart
    pub(super) user_id: Id,
    /// The id of the product to add
    pub(super) product_id: Id,
}

/// An item in one user's cart, with its product
#[derive(Object, Serialize)]
pub struct UserCartItem {
    /// The cart item's id
    pub(super) id: Id,
    /// The id of the user who has the cart
    pub(super) user_id: Id,
    /// The id of the product in the cart
    pub(super) product_id: Id,
    pub(super) product: Product,
}

/// A cart item that contains one product, with its user
#[derive(Object, Serialize)]
pub struct ProductCartItem {
    /// The cart item's id
    pub(super) id: Id,
    /// The id of the user who has the cart
    pub(super) user_id: Id,
    /// The id of the product in the cart
    pub(super) product_id: Id,
    pub(super) user: User,
}

/// What a deletion removed from carts
#[derive(Object, Serialize)]
pub struct Removal {
    /// The number of cart items removed
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    pub(super) cart_items_removed: i32,
}

/// The position of a page in its list
#[derive(Object, Serialize)]
pub struct Pagination {
    /// The number of the page, from 1
    pub(super) page: Id,
    /// The number of rows on a page
    #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
    pub(super) limit: i32,
    /// The number of rows of the whole list
    #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
    pub(super) total: i64,
}

/// The user
#[derive(Object, Serialize)]
pub struct UserResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: User,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The users
#[derive(Object)]
pub struct UserListResponse {
    /// Always true
    pub(super) success: Always<true>,
    /// The users
    pub(super) data: Vec<User>,
    pub(super) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The product
#[derive(Object, Serialize)]
pub struct ProductResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: Product,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The products
#[derive(Object)]
pub struct ProductListResponse {
    /// Always true
    pub(super) success: Always<true>,
    /// The products
    pub(super) data: Vec<Product>,
    pub(super) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The cart item
#[derive(Object, Serialize)]
pub struct CartItemResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: CartItem,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The cart items
#[derive(Object)]
pub struct CartItemListResponse {
    /// Always true
    pub(super) success: Always<true>,
    /// The cart items
    pub(super) data: Vec<CartItem>,
    pub(super) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The items in the user's cart
#[derive(Object)]
pub struct UserCartResponse {
    /// Always true
    pub(super) success: Always<true>,
    /// The items in the cart
    pub(super) data: Vec<UserCartItem>,
    pub(super) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The cart items that contain the product
#[derive(Object)]
pub struct ProductCartsResponse {
    /// Always true
    pub(super) success: Always<true>,
    /// The cart items
    pub(super) data: Vec<ProductCartItem>,
    pub(super) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// What the deletion removed
#[derive(Object, Serialize)]
pub struct RemovalResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: Removal,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// A failure
#[derive(Object, Serialize)]
pub struct ErrorResponse {
    /// Always false
    pub(super) success: Always<false>,
    pub(super) error: ErrorInfo,
}

/// What went wrong
#[derive(Object, Serialize)]
pub struct ErrorInfo {
    /// The kind of failure, for programs. Later versions may have new codes; `x-error-codes` lists
    /// the present ones, each with its status.
    #[oai(validator(max_length = 64))]
    pub(super) code: String,
    /// What went wrong, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
    /// The violations found in the request, at most 100 of them and 64 KiB in all; `message` says when
    /// there are more
    #[oai(validator(max_items = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<Vec<ErrorDetail>>,
    /// The cause, for programs, where a `code` has several. Later versions may have new reasons;
    /// `x-error-reasons` lists the present ones, each with its status.
    #[oai(validator(max_length = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// One violation in a request
#[derive(Object, Serialize)]
pub struct ErrorDetail {
    /// A JSON pointer into the body (`/email`), or the name of a parameter or header (`page`)
    #[oai(validator(max_length = 255))]
    pub(super) field: String,
    /// What is wrong, without the value that was sent
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
    /// The part of the request that has the violation
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "in")]
    pub(super) place: Option<Word<Place>>,
}

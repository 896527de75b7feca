//! One type for each of the contract's `components/schemas`, in its order and under its names.
//!
//! poem-openapi derives the schemas from these types (the contract gate compares them) and reads
//! request bodies with them; serde writes answers with them. Lists are written row by row (see
//! `lists`): their types only say what comes out.

use poem_openapi::types::{MaybeUndefined, Password};
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::error::Place;

use super::types::{Always, Email, Id, Nullable, Word};

/// What a user may do
#[derive(Enum, Serialize, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "UPPERCASE")]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Runs the shop.
    Admin,
    /// Shops.
    User,
}

/// A user of the shop
#[derive(Object, Serialize)]
pub struct User {
    /// The user's id
    pub(super) id: Id,
    /// The user's email address, as it was stored
    #[oai(validator(max_length = 255))]
    pub(super) email: String,
    pub(super) role: Role,
}

/// A user to create
#[derive(Object)]
pub struct UserDraft {
    /// An email address that no other user has
    #[oai(validator(max_length = 255))]
    pub(super) email: Email,
    /// The password; only its Argon2id hash is stored
    #[oai(write_only, validator(min_length = 6, max_length = 255))]
    pub(super) password: Password,
    pub(super) role: Role,
}

/// What to change of a user; what is absent stays as it is
#[derive(Object)]
pub struct UserChanges {
    /// An email address that no other user has
    #[oai(validator(max_length = 255))]
    pub(super) email: Option<Email>,
    /// The new password; only its Argon2id hash is stored
    #[oai(write_only, validator(min_length = 6, max_length = 255))]
    pub(super) password: Option<Password>,
    pub(super) role: Option<Role>,
    /// The user's id, as it was shown; another id than the one in the path is refused
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
    /// Where its picture is
    #[oai(validator(max_length = 500))]
    pub(super) image_url: Nullable<String>,
    /// What there is to say about it
    #[oai(validator(max_length = 16383))]
    pub(super) description: Nullable<String>,
}

/// A product to create
#[derive(Object)]
pub struct ProductDraft {
    /// The product's name
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) title: String,
    /// Where its picture is
    #[oai(nullable, validator(max_length = 500))]
    pub(super) image_url: MaybeUndefined<String>,
    /// What there is to say about it
    #[oai(nullable, validator(max_length = 16383))]
    pub(super) description: MaybeUndefined<String>,
}

/// What to change of a product; what is absent stays as it is, and `null` clears
#[derive(Object)]
pub struct ProductChanges {
    /// The product's name
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) title: Option<String>,
    /// Where its picture is
    #[oai(nullable, validator(max_length = 500))]
    pub(super) image_url: MaybeUndefined<String>,
    /// What there is to say about it
    #[oai(nullable, validator(max_length = 16383))]
    pub(super) description: MaybeUndefined<String>,
    /// The product's id, as it was shown; another id than the one in the path is refused
    pub(super) id: Option<Id>,
}

/// A product in a user's cart, with both
#[derive(Object, Serialize)]
pub struct CartItem {
    /// The cart item's id
    pub(super) id: Id,
    /// The id of the user whose cart it is
    pub(super) user_id: Id,
    /// The id of the product in it
    pub(super) product_id: Id,
    pub(super) user: User,
    pub(super) product: Product,
}

/// A product to add to a user's cart
#[derive(Object)]
pub struct CartItemDraft {
    /// The id of the user whose cart it is
    pub(super) user_id: Id,
    /// The id of the product to add
    pub(super) product_id: Id,
}

/// An item in one user's cart, with its product
#[derive(Object, Serialize)]
pub struct UserCartItem {
    /// The cart item's id
    pub(super) id: Id,
    /// The id of the user whose cart it is
    pub(super) user_id: Id,
    /// The id of the product in it
    pub(super) product_id: Id,
    pub(super) product: Product,
}

/// A cart item that contains one product, with its user
#[derive(Object, Serialize)]
pub struct ProductCartItem {
    /// The cart item's id
    pub(super) id: Id,
    /// The id of the user whose cart it is
    pub(super) user_id: Id,
    /// The id of the product in it
    pub(super) product_id: Id,
    pub(super) user: User,
}

/// What a deletion took with it
#[derive(Object, Serialize)]
pub struct Removal {
    /// How many cart items are gone
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    pub(super) cart_items_removed: i32,
}

/// Where a page lies in its list
#[derive(Object, Serialize)]
pub struct Pagination {
    /// Which page this is, from 1
    pub(super) page: Id,
    /// How many rows a page holds
    #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
    pub(super) limit: i32,
    /// How many rows the whole list has
    #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
    pub(super) total: i64,
}

/// The user
#[derive(Object, Serialize)]
pub struct UserResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: User,
    /// What happened, for people
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
    /// What happened, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The product
#[derive(Object, Serialize)]
pub struct ProductResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: Product,
    /// What happened, for people
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
    /// What happened, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// The cart item
#[derive(Object, Serialize)]
pub struct CartItemResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: CartItem,
    /// What happened, for people
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
    /// What happened, for people
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
    /// What happened, for people
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
    /// What happened, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// What the deletion removed
#[derive(Object, Serialize)]
pub struct RemovalResponse {
    /// Always true
    pub(super) success: Always<true>,
    pub(super) data: Removal,
    /// What happened, for people
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
    /// What kind of failure it is, for programs. Expect new codes in later versions; `x-error-codes`
    /// has today's, each with its status.
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
    /// Which of several failures of this kind it is, for programs, where there are several. Expect
    /// new reasons in later versions; `x-error-reasons` has today's, each with its status.
    #[oai(validator(max_length = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// One thing that is wrong with a request
#[derive(Object, Serialize)]
pub struct ErrorDetail {
    /// A JSON pointer into the body (`/email`), or the name of a parameter or header (`page`)
    #[oai(validator(max_length = 255))]
    pub(super) field: String,
    /// What is wrong, without the value that was sent
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
    /// Where in the request it is wrong
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "in")]
    pub(super) place: Option<Word<Place>>,
}

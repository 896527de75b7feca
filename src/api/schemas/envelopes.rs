//! The schemas of response bodies.
//!
//! The types of lists exist only for the generated document: `lists` serialises the rows one by one.

use poem_openapi::Object;
use serde::Serialize;

use crate::violation::Place;

use super::super::types::{Constant, EnumValue};
use super::{CartItem, Pagination, Product, ProductCartItem, Removal, User, UserCartItem};

/// The user
#[derive(Object, Serialize)]
pub struct UserResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    pub(in crate::api) data: User,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// The users
#[derive(Object)]
pub struct UserListResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    /// The users
    pub(in crate::api) data: Vec<User>,
    pub(in crate::api) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// The product
#[derive(Object, Serialize)]
pub struct ProductResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    pub(in crate::api) data: Product,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// The products
#[derive(Object)]
pub struct ProductListResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    /// The products
    pub(in crate::api) data: Vec<Product>,
    pub(in crate::api) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// The cart item
#[derive(Object, Serialize)]
pub struct CartItemResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    pub(in crate::api) data: CartItem,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// The cart items
#[derive(Object)]
pub struct CartItemListResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    /// The cart items
    pub(in crate::api) data: Vec<CartItem>,
    pub(in crate::api) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// The items in the user's cart
#[derive(Object)]
pub struct UserCartResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    /// The items in the cart
    pub(in crate::api) data: Vec<UserCartItem>,
    pub(in crate::api) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// The cart items that contain the product
#[derive(Object)]
pub struct ProductCartsResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    /// The cart items
    pub(in crate::api) data: Vec<ProductCartItem>,
    pub(in crate::api) pagination: Option<Pagination>,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// What the deletion removed
#[derive(Object, Serialize)]
pub struct RemovalResponse {
    /// Always true
    pub(in crate::api) success: Constant<true>,
    pub(in crate::api) data: Removal,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
}

/// A failure
#[derive(Object, Serialize)]
pub struct ErrorResponse {
    /// Always false
    pub(in crate::api) success: Constant<false>,
    pub(in crate::api) error: ErrorInfo,
}

/// What went wrong
#[derive(Object, Serialize)]
pub struct ErrorInfo {
    /// The kind of failure, for programs. Later versions may have new codes; `x-error-codes` lists
    /// the present ones, each with its status.
    #[oai(validator(max_length = 64))]
    pub(in crate::api) code: String,
    /// What went wrong, for people
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
    /// The violations found in the request, at most 100 of them and 64 KiB in all; `message` says when
    /// there are more
    #[oai(validator(max_items = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::api) details: Option<Vec<ErrorDetail>>,
    /// The cause, for programs, where a `code` has several. Later versions may have new reasons;
    /// `x-error-reasons` lists the present ones, each with its status.
    #[oai(validator(max_length = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::api) reason: Option<String>,
}

/// One violation in a request
#[derive(Object, Serialize)]
pub struct ErrorDetail {
    /// A JSON pointer into the body (`/email`), or the name of a parameter or header (`page`)
    #[oai(validator(max_length = 255))]
    pub(in crate::api) field: String,
    /// What is wrong, without the value that was sent
    #[oai(validator(max_length = 255))]
    pub(in crate::api) message: String,
    /// The part of the request that has the violation
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "in")]
    pub(in crate::api) place: Option<EnumValue<Place>>,
}

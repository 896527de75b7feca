//! One type for each schema in the contract's `components/schemas`, with its name: the resources and the
//! request bodies here, the response bodies in `envelopes`. The order is that of the contract.
//!
//! poem-openapi generates the schemas from these types (a test compares them with the contract) and parses request bodies into them. serde serialises response bodies from them.

mod envelopes;

use poem_openapi::types::{MaybeUndefined, Password};
use poem_openapi::{Enum, Object};
use serde::Serialize;

use super::types::{Email, Id, Nullable};

pub use envelopes::*;

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
    /// The user's present password, with which users confirm a change of their own email or password;
    /// ignored in any other request
    #[oai(write_only, validator(min_length = 1, max_length = 255))]
    pub(super) current_password: Option<Password>,
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

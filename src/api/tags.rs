//! The tags that group the operations of each contract.

use poem_openapi::Tags;

/// The tags of the contract `openapi`, in its order.
#[derive(Tags)]
pub(super) enum Tag {
    /// Customers and administrators of the shop
    Users,
    /// The products that the shop sells
    Products,
    /// The items in users' carts
    Cart,
}

/// The tags of the contract `auth`.
#[derive(Tags)]
pub(super) enum AuthTag {
    /// Logging in and out, and the password
    Authentication,
}

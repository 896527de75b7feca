//! The tags that group the operations of the contract.

use poem_openapi::Tags;

/// The tags, in the contract's order.
#[derive(Tags)]
pub(super) enum Tag {
    /// Customers and administrators of the shop
    Users,
    /// The products that the shop sells
    Products,
    /// The items in users' carts
    Cart,
}

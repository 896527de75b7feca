//! The contract's tags, which group the operations.

use poem_openapi::Tags;

/// The tags, in the contract's order.
#[derive(Tags)]
pub(super) enum Tag {
    /// The people who shop here, and those who run the shop
    Users,
    /// What the shop sells
    Products,
    /// Which products lie in whose cart
    Cart,
}

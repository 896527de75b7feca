//! The orders of lists: the values of `sort`.
//!
//! Imports `db` for the orders that it knows.

use crate::db::{Order, products, users};

use super::types::Words;

/// How a list of users is ordered.
pub(super) type UserOrder = Order<users::Column>;
/// How a list of products is ordered.
pub(super) type ProductOrder = Order<products::Column>;

/// How a list of cart items is ordered: by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CartOrder {
    /// From the largest to the smallest.
    pub is_reversed: bool,
}

const fn order<C>(by: C, is_reversed: bool) -> Order<C> {
    Order { by, is_reversed }
}

impl Words for UserOrder {
    const ALL: &'static [(&'static str, Self)] = &[
        ("id", order(users::Column::Id, false)),
        ("-id", order(users::Column::Id, true)),
        ("email", order(users::Column::Email, false)),
        ("-email", order(users::Column::Email, true)),
    ];
    const DEFAULT: Option<&'static str> = Some("id");
}

impl Words for ProductOrder {
    const ALL: &'static [(&'static str, Self)] = &[
        ("id", order(products::Column::Id, false)),
        ("-id", order(products::Column::Id, true)),
        ("title", order(products::Column::Title, false)),
        ("-title", order(products::Column::Title, true)),
    ];
    const DEFAULT: Option<&'static str> = Some("id");
}

impl Words for CartOrder {
    const ALL: &'static [(&'static str, Self)] = &[
        ("id", Self { is_reversed: false }),
        ("-id", Self { is_reversed: true }),
    ];
    const DEFAULT: Option<&'static str> = Some("id");
}

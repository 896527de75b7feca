//! The orders of lists: the values of `sort`, and the indexes that they need.
//!
//! Imports `db` for the types of orders and indexes.

use crate::db::{Database, ListIndex, Order, products, users};
use crate::error::{Error, Place, Violation};

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

/// Refuses parameters that need `index` when the database does not have it: each page would read the
/// whole table. `used` has the parameters and whether the request uses them.
///
/// # Errors
/// `Invalid` with the names of the parameters, or an error of the database.
pub(super) async fn check_index(
    db: &Database,
    index: ListIndex,
    used: [(&str, bool); 2],
) -> Result<(), Error> {
    let used = used.into_iter().filter(|(_, is_used)| *is_used);
    let problem = "is not available: the database has no index for it";
    let violations = used.map(|(name, _)| Violation::new(Place::Query, name, problem));
    let violations: Vec<Violation> = violations.collect();
    if violations.is_empty() || db.has_index(index).await? {
        return Ok(());
    }
    Err(Error::Invalid(violations))
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

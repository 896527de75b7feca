//! The orders of lists: the values of the parameter `sort`, and the database indexes that they need.
//!
//! Imports `db` for the types of orders and indexes.

use crate::db::{Database, ListIndex, Order, products, users};
use crate::error::Error;
use crate::violation::{Place, Violation};

use super::types::StringEnum;

/// The order of a list of users.
pub(super) type UserOrder = Order<users::Column>;
/// The order of a list of products.
pub(super) type ProductOrder = Order<products::Column>;

/// The order of a list of cart items, which are always ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CartOrder {
    /// Whether the list begins with the largest id.
    pub is_reversed: bool,
}

/// Checks that the database has the index that some parameters need. Without it each page would read the
/// whole table. `used` lists these parameters, each with whether the request uses it.
///
/// # Errors
/// [`Error::Invalid`] for each parameter that is used without the index, or an error of the database.
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

impl StringEnum for UserOrder {
    const VALUES: &'static [(&'static str, Self)] = &[
        ("id", order(users::Column::Id, false)),
        ("-id", order(users::Column::Id, true)),
        ("email", order(users::Column::Email, false)),
        ("-email", order(users::Column::Email, true)),
    ];
    const DEFAULT: Option<&'static str> = Some("id");
}

impl StringEnum for ProductOrder {
    const VALUES: &'static [(&'static str, Self)] = &[
        ("id", order(products::Column::Id, false)),
        ("-id", order(products::Column::Id, true)),
        ("title", order(products::Column::Title, false)),
        ("-title", order(products::Column::Title, true)),
    ];
    const DEFAULT: Option<&'static str> = Some("id");
}

impl StringEnum for CartOrder {
    const VALUES: &'static [(&'static str, Self)] = &[
        ("id", Self { is_reversed: false }),
        ("-id", Self { is_reversed: true }),
    ];
    const DEFAULT: Option<&'static str> = Some("id");
}

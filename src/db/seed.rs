//! Rows for a new database. Imports `db::session` and `db::schema`.
//!
//! - [`sample_shop`]: a small, believable shop for the first start. Fills empty tables only.
//! - [`bulk()`]: any number of made-up rows, in addition to the existing ones.
//!
//! Both take the hash of a password as an argument, so that no account has a default password.

mod bulk;
mod sample;

pub use bulk::{Error, Plan, bulk};
pub use sample::sample_shop;

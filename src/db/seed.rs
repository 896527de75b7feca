//! Rows for a new database. Imports `db::session` and `db::schema`.
//!
//! - [`sample_shop`]: a small, believable shop for the first start, into empty tables alone.
//! - [`bulk`]: as many made-up rows as asked for, added to what is there.
//!
//! Both are called with the hash of a password, so that no account has a default password.

mod bulk;
mod sample;

pub use bulk::{Error, Plan, bulk};
pub use sample::sample_shop;

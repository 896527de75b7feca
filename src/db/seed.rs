//! Rows for a new database. Imports `db::session` and `db::schema`.
//!
//! - [`sample_shop`]: a small, believable shop for the first start, into empty tables alone.
//! - [`bulk`]: as many made-up rows as asked for, added to what is there.
//!
//! Neither knows a password: both are given hashes, and take care that no account has a default one.

mod bulk;
mod sample;

pub use bulk::{Error, Plan, bulk};
pub use sample::sample_shop;

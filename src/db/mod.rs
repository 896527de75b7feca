//! (being written)

pub mod check;
pub mod migrations;
pub mod schema;
pub mod seed;
pub mod session;
pub mod url;

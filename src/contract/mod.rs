//! (being written)

pub mod diff;

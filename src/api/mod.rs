//! (being written)

pub mod site;

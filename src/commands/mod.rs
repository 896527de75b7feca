//! What each subcommand does, one function for each; `main` only parses and calls.

mod openapi;
pub use openapi::{Document, openapi};

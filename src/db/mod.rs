//! (being written)

mod catalogue;
pub mod check;
pub mod migrations;
#[expect(missing_docs, reason = "printed by diesel, untouched")]
#[allow(
    clippy::wildcard_imports,
    reason = "the same; and test builds let it pass"
)]
pub mod schema;
pub mod seed;
pub mod session;
pub mod url;

//! `openapi`: the contract as JSON, poem-openapi's document, or how the two differ. Needs no
//! database.

use anyhow::bail;

use crate::api::generated_document;
use crate::contract::{self, diff};

use super::print;

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The contract.
    Contract,
    /// What poem-openapi generates.
    Generated,
    /// The differences between the two.
    Check,
}

/// Prints `which` to standard output.
///
/// # Errors
/// When the two documents differ (with [`Document::Check`]), or standard output cannot be written.
pub fn openapi(which: Document) -> anyhow::Result<()> {
    match which {
        Document::Contract => print(&format!("{:#}", contract::document())),
        Document::Generated => print(&format!("{:#}", generated_document())),
        Document::Check => {
            let differences = diff::diff(contract::document(), &generated_document());
            if !differences.is_empty() {
                print(diff::report(&differences).trim_end())?;
                bail!(
                    "the generated document differs from the contract in {} places",
                    differences.len()
                );
            }
            print(&format!(
                "the generated document equals the contract: {} operations",
                contract::operations().len()
            ))
        }
    }
}

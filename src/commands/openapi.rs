//! `openapi`: the contract as JSON, poem-openapi's document, or how the two differ. Needs no
//! database.

use std::io::{self, Write};

use anyhow::bail;

use crate::api::generated_document;
use crate::contract::{self, diff};

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
/// When the two documents differ (with [`Document::Check`]), or standard output is closed.
pub fn openapi(which: Document) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match which {
        Document::Contract => writeln!(out, "{:#}", contract::document())?,
        Document::Generated => writeln!(out, "{:#}", generated_document())?,
        Document::Check => {
            let differences = diff::diff(contract::document(), &generated_document());
            if !differences.is_empty() {
                write!(out, "{}", diff::report(&differences))?;
                bail!(
                    "the generated document differs from the contract in {} places",
                    differences.len()
                );
            }
            writeln!(
                out,
                "the generated document equals the contract: {} operations",
                contract::operations().len()
            )?;
        }
    }
    Ok(())
}

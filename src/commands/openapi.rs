//! `openapi`: the contract as JSON, poem-openapi's document, how the two differ, or what changed
//! from an older contract to this or another one. Needs no database.

use std::fs;
use std::path::Path;

use anyhow::{anyhow, bail};

use crate::api::generated_document;
use crate::contract::evolution::{self, Edition};
use crate::contract::{self, diff};

use super::{BadSetting, print};

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

/// Prints what changed for clients from the contract in the file `old` to the one in `new`, or to
/// this program's.
///
/// # Errors
/// A [`BadSetting`] when a file cannot be read: nothing was compared then. Else when the version has
/// to move further for what changed, or standard output is closed.
pub fn compare(old: &Path, new: Option<&Path>) -> anyhow::Result<()> {
    let before = edition(old)?;
    let now = match new {
        Some(new) => edition(new)?,
        None => Edition::new(contract::document())
            .map_err(|problem| anyhow!("the contract of this program: {problem}"))?,
    };
    let changes = evolution::changes(&before.normalised, &now.normalised);
    for change in &changes {
        print(&change.to_string())?;
    }
    print(&format!(
        "compared with {}: {} changes for clients from {} to {}",
        old.display(),
        changes.len(),
        before.version,
        now.version
    ))?;
    evolution::verdict(&changes, &before.version, &now.version).map_err(|problem| anyhow!(problem))
}

/// Reads the contract in a file.
fn edition(file: &Path) -> anyhow::Result<Edition> {
    let unreadable = |problem: String| BadSetting(format!("{}: {problem}", file.display()));
    let source = fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    Ok(Edition::read(&source).map_err(unreadable)?)
}

//! `openapi`: a contract as JSON, poem-openapi's document, how the two differ, or what changed from
//! an older contract to this or another one. Needs no database.

use std::fs;
use std::path::Path;

use anyhow::{anyhow, bail};

use crate::api::contracts::{Published, contracts};
use crate::contract::diff;
use crate::contract::evolution::{self, Edition};

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
    /// The names of the contracts.
    Names,
}

/// Prints `which` to standard output: of the contract of this name. Without a name the check is of
/// every contract, and the rest needs none as long as there is one contract only.
///
/// # Errors
/// A [`BadSetting`] when the name is unknown or missing. Else when the two documents differ (with
/// [`Document::Check`]), or standard output cannot be written.
pub fn openapi(which: Document, name: Option<&str>) -> anyhow::Result<()> {
    match which {
        Document::Contract => print(&format!("{:#}", chosen(name)?.contract.document())),
        Document::Generated => print(&format!("{:#}", chosen(name)?.generated_document())),
        Document::Check if name.is_some() => check(chosen(name)?),
        Document::Check => contracts().iter().try_for_each(check),
        Document::Names => contracts()
            .iter()
            .try_for_each(|published| print(published.contract.name())),
    }
}

/// The contract of this name, or the only one.
fn chosen(name: Option<&str>) -> Result<&'static Published, BadSetting> {
    let names = contracts().iter().map(|it| it.contract.name());
    let index = choose(name, &names.collect::<Vec<_>>())?;
    Ok(&contracts()[index])
}

/// The index of this name among those of all contracts, or of the only one.
fn choose(name: Option<&str>, names: &[&str]) -> Result<usize, BadSetting> {
    let all = || names.join(", ");
    match name {
        Some(name) => names.iter().position(|it| *it == name).ok_or_else(|| {
            BadSetting(format!(
                "there is no contract called {name}: the contracts are {}",
                all()
            ))
        }),
        None if names.len() == 1 => Ok(0),
        None => Err(BadSetting(format!(
            "there are several contracts: choose one with --contract: {}",
            all()
        ))),
    }
}

fn check(published: &Published) -> anyhow::Result<()> {
    let contract = &published.contract;
    let differences = diff::diff(contract.document(), &published.generated_document());
    if !differences.is_empty() {
        print(diff::report(&differences).trim_end())?;
        bail!(
            "the generated document differs from the contract {} in {} places",
            contract.name(),
            differences.len()
        );
    }
    print(&format!(
        "the generated document equals the contract {}: {} operations",
        contract.name(),
        contract.operations().len()
    ))
}

/// Prints what changed for clients from the contract in the file `old` to the one in `new`, or to
/// this program's of this name.
///
/// # Errors
/// A [`BadSetting`] when a file cannot be read, or the name is unknown or missing: nothing was
/// compared then. Else when the version has
/// to move further for what changed, or standard output is closed.
pub fn compare(old: &Path, new: Option<&Path>, name: Option<&str>) -> anyhow::Result<()> {
    let before = edition(old)?;
    let now = match new {
        Some(new) => edition(new)?,
        None => Edition::new(chosen(name)?.contract.document())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_several_contracts_one_is_chosen_by_its_name() {
        let names = ["openapi", "auth"];
        assert_eq!(choose(Some("auth"), &names).ok(), Some(1));
        assert_eq!(choose(None, &["openapi"]).ok(), Some(0));
        let problem = |name| choose(name, &names).err().map(|it| it.to_string());
        let several = "there are several contracts: choose one with --contract: openapi, auth";
        assert_eq!(problem(None).as_deref(), Some(several));
        let unknown = "there is no contract called other: the contracts are openapi, auth";
        assert_eq!(problem(Some("other")).as_deref(), Some(unknown));
    }
}

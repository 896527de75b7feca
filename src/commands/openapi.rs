//! The subcommand `openapi`: prints a contract, the generated document or the differences between
//! the two, and compares contracts. Needs no database.

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
    /// The contract, as JSON.
    Contract,
    /// The contract as it is written, in YAML.
    Yaml,
    /// What poem-openapi generates.
    Generated,
    /// The differences between the two.
    Check,
    /// The names of the contracts.
    Names,
}

/// Prints `which` of the contract called `name` to standard output. Without a name,
/// [`Document::Check`] checks every contract, and the others take the only contract.
///
/// # Errors
/// A [`BadSetting`] when the name is unknown, or missing although there are several contracts.
/// Otherwise when the two documents differ (with [`Document::Check`]), or standard output cannot be
/// written.
pub fn openapi(which: Document, name: Option<&str>) -> anyhow::Result<()> {
    match which {
        Document::Contract => print(&format!("{:#}", chosen(name)?.contract.document())),
        Document::Yaml => print(chosen(name)?.source.trim_end()),
        Document::Generated => print(&format!("{:#}", chosen(name)?.generated_document())),
        Document::Check if name.is_some() => check(chosen(name)?),
        Document::Check => contracts().iter().try_for_each(check),
        Document::Names => contracts()
            .iter()
            .try_for_each(|published| print(published.contract.name())),
    }
}

/// The contract of this name; without a name, the only one.
fn chosen(name: Option<&str>) -> Result<&'static Published, BadSetting> {
    let names = contracts().iter();
    let names = names.map(|published| published.contract.name());
    let index = choose(name, &names.collect::<Vec<_>>())?;
    Ok(&contracts()[index])
}

/// The index of `name` in `names`; without a name, that of the only one.
fn choose(name: Option<&str>, names: &[&str]) -> Result<usize, BadSetting> {
    let all = || names.join(", ");
    match name {
        Some(name) => {
            let position = names.iter().position(|known| *known == name);
            position.ok_or_else(|| {
                BadSetting(format!(
                    "there is no contract called {name}: the contracts are {}",
                    all()
                ))
            })
        }
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

/// Prints the changes for clients from the contract in the file `old` to the contract in the file
/// `new`, or without `new` to this program's contract called `name`.
///
/// # Errors
/// A [`BadSetting`] when a file cannot be read, or the name is unknown or missing: then nothing was
/// compared. Otherwise when the changes need a higher version, or standard output cannot be
/// written.
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
    fn one_of_several_contracts_is_chosen_by_its_name() {
        let names = ["openapi", "auth"];
        assert_eq!(choose(Some("auth"), &names).ok(), Some(1));
        assert_eq!(choose(None, &["openapi"]).ok(), Some(0));
        let problem = |name| choose(name, &names).err().map(|error| error.to_string());
        let several = "there are several contracts: choose one with --contract: openapi, auth";
        assert_eq!(problem(None).as_deref(), Some(several));
        let unknown = "there is no contract called other: the contracts are openapi, auth";
        assert_eq!(problem(Some("other")).as_deref(), Some(unknown));
    }
}

//! How far `info.version` has to move for a list of changes.
//!
//! Imports the module's `change`. The rule is that of semantic versions (semver.org, items 4 to 8),
//! with the reading of 0.x that cargo has: the minor number is the one that may break clients.

use semver::Version;

use super::change::{Change, Severity};

/// Parses a version of the form `1.2.3`. Pre-release and build parts are refused: a contract is either
/// released or not.
pub(super) fn parse(text: &str) -> Result<Version, String> {
    let version = Version::parse(text).ok();
    version
        .filter(|version| version.pre.is_empty() && version.build.is_empty())
        .ok_or_else(|| format!("{text:?} is not a version of the form 1.2.3"))
}

/// The lowest version that may follow `old` with changes of this severity.
fn next(old: &Version, severity: Severity) -> Version {
    let &Version {
        major,
        minor,
        patch,
        ..
    } = old;
    match (severity, major) {
        (Severity::Breaking, 1..) => Version::new(major + 1, 0, 0),
        (Severity::Breaking, 0) | (Severity::Compatible, 1..) => Version::new(major, minor + 1, 0),
        (Severity::Compatible, 0) => Version::new(major, minor, patch + 1),
    }
}

/// Checks that the version moved far enough for the changes.
///
/// # Errors
/// When it has to move further, with the version that is needed; or when it moved backwards. The message
/// is one line.
pub fn verdict(changes: &[Change], old: &Version, new: &Version) -> Result<(), String> {
    if new < old {
        return Err(format!(
            "info.version goes back from {old} to {new}: versions only grow"
        ));
    }
    let Some(worst) = changes.iter().map(|change| change.severity).max() else {
        return Ok(());
    };
    let needed = next(old, worst);
    if *new < needed {
        return Err(format!(
            "there are {worst} changes since {old}, and info.version is {new}: set it to {needed} or later, or take them back"
        ));
    }
    Ok(())
}

//! How far `info.version` has to move for what changed.
//!
//! Imports the module's `change`. The rule is that of semantic versions (semver.org, items 4 to 8),
//! read for 0.x as cargo reads it: the minor number takes the major's place.

use semver::Version;

use super::change::{Change, Severity};

/// Reads a version of the form `1.2.3`. A contract is released or not: one with a pre-release or build
/// part is refused.
pub(super) fn read(text: &str) -> Result<Version, String> {
    let version = Version::parse(text).ok();
    version
        .filter(|version| version.pre.is_empty() && version.build.is_empty())
        .ok_or_else(|| format!("{text:?} is not a version of the form 1.2.3"))
}

/// The lowest version after `old` that may have changes of this severity.
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

/// Whether the version moved far enough for what changed.
///
/// # Errors
/// In one line, how far it has to move; or that it moved backwards.
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

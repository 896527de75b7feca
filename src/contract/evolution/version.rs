//! How far `info.version` has to move for what changed.
//!
//! Imports the module's `change`. The rule is that of semantic versions (semver.org, items 4
//! to 8), read for 0.x as cargo reads it: the minor number takes the major's place.

use std::fmt;
use std::str::FromStr;

use super::change::{Change, Severity};

/// A version of the form `1.2.3`; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Moves when clients break.
    pub major: u64,
    /// Moves when clients do not.
    pub minor: u64,
    /// While the major number is 0, moves when clients do not break.
    pub patch: u64,
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            part.parse().ok().filter(|_| is_number)
        };
        let numbers: Option<Vec<u64>> = text.split('.').map(number).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self {
                major,
                minor,
                patch,
            }),
            _ => Err(format!("{text:?} is not a version of the form 1.2.3")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Version {
    /// The first version that may change as much as this.
    fn next(self, severity: Severity) -> Self {
        let Self {
            major,
            minor,
            patch,
        } = self;
        let (major, minor, patch) = match (severity, major) {
            (Severity::Breaking, 1..) => (major + 1, 0, 0),
            (Severity::Breaking, 0) | (Severity::Compatible, 1..) => (major, minor + 1, 0),
            (Severity::Compatible, 0) => (major, minor, patch + 1),
        };
        Self {
            major,
            minor,
            patch,
        }
    }
}

/// Whether the version moved far enough for what changed.
///
/// # Errors
/// In one line, how far it has to move; or that it moved backwards.
pub fn verdict(changes: &[Change], old: Version, new: Version) -> Result<(), String> {
    if new < old {
        return Err(format!(
            "info.version goes back from {old} to {new}: versions only grow"
        ));
    }
    let Some(worst) = changes.iter().map(|change| change.severity).max() else {
        return Ok(());
    };
    let needed = old.next(worst);
    if new < needed {
        return Err(format!(
            "there are {worst} changes since {old}, and info.version is {new}: set it to {needed} or later, or take them back"
        ));
    }
    Ok(())
}

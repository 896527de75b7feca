//! The rules for new passwords: long enough, and not among the most common ones.
//!
//! Imports nothing of this program.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use secrecy::{ExposeSecret, SecretString};

/// The fewest characters of a new password.
pub const MIN_LENGTH: usize = 8;

/// The most common passwords that are long enough, in lower case.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| lines().collect());

fn lines() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("common.txt").lines();
    lines.filter(|line| !line.starts_with('#'))
}

/// Why a new password is not accepted. The text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    /// It has less than [`MIN_LENGTH`] characters.
    TooShort,
    /// It is one of the most common passwords, in any letter case.
    Common,
}

impl fmt::Display for WeakPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "must have at least {MIN_LENGTH} characters"),
            Self::Common => f.write_str("is one of the most common passwords: choose another one"),
        }
    }
}

/// Checks a password that somebody chooses.
///
/// # Errors
/// See [`WeakPassword`].
pub fn check_new(password: &SecretString) -> Result<(), WeakPassword> {
    let password = password.expose_secret();
    if password.chars().count() < MIN_LENGTH {
        Err(WeakPassword::TooShort)
    } else if COMMON.contains(password.to_lowercase().as_str()) {
        Err(WeakPassword::Common)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_3000_passwords_that_the_other_rule_accepts() {
        assert_eq!(COMMON.len(), 3000);
        assert!(lines().is_sorted(), "the list is not sorted");
        for password in lines() {
            assert!(password.chars().count() >= MIN_LENGTH, "{password}");
            assert_eq!(password, password.to_lowercase());
        }
    }

    #[test]
    fn short_and_common_passwords_are_weak_in_any_letter_case() {
        for (password, expected) in [
            ("", Err(WeakPassword::TooShort)),
            ("secret", Err(WeakPassword::TooShort)),
            ("Xk3.öüä", Err(WeakPassword::TooShort)),
            ("Xk3.öüäß", Ok(())),
            ("password", Err(WeakPassword::Common)),
            ("PassWord", Err(WeakPassword::Common)),
            ("Trustno1", Err(WeakPassword::Common)),
            ("1234567890", Err(WeakPassword::Common)),
            ("password ", Ok(())),
            ("# The 3,", Ok(())),
            ("correct horse battery staple", Ok(())),
        ] {
            assert_eq!(check_new(&password.into()), expected, "{password}");
        }
    }
}

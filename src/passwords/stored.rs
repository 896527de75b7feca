//! The verification of passwords against rows of the database, which other programs may have written.
//!
//! Imports `error` and the queue of `passwords`. A row is one of these kinds:
//!
//! - Argon2id or Argon2i, as a PHC string. Only one with the parameters of new hashes is up to date.
//! - bcrypt (`$2a$`, `$2b$`, `$2y$`). Only the first 72 bytes of a password count for it, so a longer
//!   password than the user's may be right once. The caller replaces the row by a hash of what was sent,
//!   of which every byte counts.
//! - plain text, unless [`refuse_plain_text`] was called. It never begins with `$`, so that nobody logs in
//!   with the text of a hash, and for the same reason it is no unsalted hash in hexadecimal.
//!
//! Any other row has no password, and a warning is logged. How much time and memory a row may require is
//! bounded.
//!
//! A client that measures the time of a login must not learn whether an email belongs to a user. So everything
//! that needs no Argon2 takes the time of one computation of Argon2 with the parameters of new hashes:
//! plain text, rows without a password, and emails of nobody. A row with another hash takes the time that
//! its parameters say, until its user has logged in once.

use std::sync::atomic::{AtomicBool, Ordering};

use argon2::password_hash::phc::{Output, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version, password_hash};
use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U32;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::clients::Network;
use crate::error::Error;

use super::{MAX_MEMORY, QUEUE, compute, verify_blocking};

/// The most work that a row with Argon2 may require: blocks of 1 KiB, times passes. About ten times as
/// much as that of a new hash, and twice as much as PHP's default.
const MAX_BLOCKS: u64 = 512 * 1024;

/// The highest cost of a row with bcrypt: the largest default in use is 12, and each step doubles the
/// work.
const MAX_COST: u32 = 14;

static ACCEPTS_PLAIN_TEXT: AtomicBool = AtomicBool::new(true);

/// From now on, rows in plain text have no password.
pub fn refuse_plain_text() {
    ACCEPTS_PLAIN_TEXT.store(false, Ordering::Relaxed);
}

/// Whether a password is that of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// It is not.
    Wrong,
    /// It is.
    Right,
    /// It is, and the row is to be replaced by a new hash of the password.
    RightAndOutdated,
}

/// Compares `password` with `stored`, a row of the database, for a client in `network`.
///
/// # Errors
/// As [`super::hash`]. A row that is no password is not an error: every password is wrong.
pub async fn verify_stored(
    password: SecretString,
    stored: &SecretString,
    network: Option<Network>,
) -> Result<Verified, Error> {
    let stored = stored.clone();
    let accepts_plain_text = ACCEPTS_PLAIN_TEXT.load(Ordering::Relaxed);
    QUEUE
        .run(network, move || {
            verify(&password, &stored, accepts_plain_text)
        })
        .await?
}

/// Does the work of [`verify_stored`] for an email that nobody has.
///
/// # Errors
/// As [`super::hash`].
pub async fn verify_nobody(password: SecretString, network: Option<Network>) -> Result<(), Error> {
    QUEUE.run(network, move || work(&password)).await?
}

/// The kinds of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Argon2,
    Bcrypt,
    PlainText,
    /// No password.
    Unknown,
}

impl Kind {
    fn of(stored: &str) -> Self {
        let begins_with = |prefixes: &[&str]| prefixes.iter().any(|it| stored.starts_with(it));
        if begins_with(&["$argon2id$", "$argon2i$"]) {
            Self::Argon2
        } else if begins_with(&["$2a$", "$2b$", "$2y$"]) {
            Self::Bcrypt
        } else if stored.is_empty() || stored.starts_with('$') || is_unsalted_hash(stored) {
            Self::Unknown
        } else {
            Self::PlainText
        }
    }
}

/// Whether `stored` looks like a hash in hexadecimal (MD5, SHA-1, SHA-2), or one of MySQL's `PASSWORD()`.
fn is_unsalted_hash(stored: &str) -> bool {
    let digits = stored.strip_prefix('*').unwrap_or(stored);
    matches!(digits.len(), 32 | 40 | 56 | 64 | 96 | 128)
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn verify(
    password: &SecretString,
    stored: &SecretString,
    accepts_plain_text: bool,
) -> Result<Verified, Error> {
    let verified = match Kind::of(stored.expose_secret()) {
        Kind::Argon2 => verify_argon2(password, stored),
        Kind::Bcrypt => verify_bcrypt(password, stored),
        Kind::PlainText if accepts_plain_text => {
            work(password)?;
            Ok(outdated_if(is_same_text(password, stored)))
        }
        Kind::PlainText => Err("it is in plain text, and LEGACY_PASSWORDS is false".to_owned()),
        Kind::Unknown => Err("it is empty or of an unknown kind".to_owned()),
    };
    verified.or_else(|problem| {
        tracing::warn!(problem, "a stored password cannot be verified");
        work(password)?;
        Ok(Verified::Wrong)
    })
}

fn outdated_if(is_right: bool) -> Verified {
    if is_right {
        Verified::RightAndOutdated
    } else {
        Verified::Wrong
    }
}

fn verify_argon2(password: &SecretString, stored: &SecretString) -> Result<Verified, String> {
    let hash = PasswordHash::new(stored.expose_secret()).map_err(|error| error.to_string())?;
    let params = Params::try_from(&hash).map_err(|error| error.to_string())?;
    let blocks = u64::try_from(params.block_count()).unwrap_or(u64::MAX);
    if blocks.saturating_mul(params.t_cost().into()) > MAX_BLOCKS {
        return Err(format!(
            "it needs more than {MAX_BLOCKS} blocks of Argon2 or more than {MAX_MEMORY} KiB"
        ));
    }
    let is_current = Algorithm::try_from(hash.algorithm.as_str()) == Ok(Algorithm::default())
        && hash.version == Some(Version::default().into())
        && hash.hash.as_ref().map(Output::len) == Some(Params::DEFAULT_OUTPUT_LEN)
        && (params.m_cost(), params.t_cost(), params.p_cost()) == cost(&Params::DEFAULT);
    let is_right = verify_blocking(password, stored)?;
    Ok(match is_right {
        true if is_current => Verified::Right,
        is_right => outdated_if(is_right),
    })
}

/// The memory, the passes and the lanes.
fn cost(params: &Params) -> (u32, u32, u32) {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

fn verify_bcrypt(password: &SecretString, stored: &SecretString) -> Result<Verified, String> {
    let (password, stored) = (password.expose_secret(), stored.expose_secret());
    let parts: bcrypt::HashParts = stored
        .parse()
        .map_err(|error: bcrypt::BcryptError| error.to_string())?;
    if parts.get_cost() > MAX_COST {
        return Err(format!("its cost of bcrypt is higher than {MAX_COST}"));
    }
    let is_right = bcrypt::verify(password, stored).map_err(|error| error.to_string())?;
    // bcrypt repeats a password and a NUL until it has enough bytes: "a" and "a\0a" have the same hash.
    Ok(outdated_if(is_right && !password.contains('\0')))
}

/// Compares two texts in a time that does not depend on them.
fn is_same_text(one: &SecretString, other: &SecretString) -> bool {
    let digest = |text: &SecretString| Blake2b::<U32>::digest(text.expose_secret());
    digest(one).ct_eq(&digest(other)).into()
}

/// Computes a hash of `password` as a verification does, for the time that it takes.
fn work(password: &SecretString) -> Result<(), Error> {
    let computed = || -> password_hash::Result<_> {
        let salt = Salt::new(&[0; Salt::RECOMMENDED_LENGTH])?;
        let output = Params::DEFAULT_OUTPUT_LEN;
        compute(&Argon2::default(), password, &salt, output)
    };
    let computed = computed().map_err(|error| Error::Internal(error.to_string().into()))?;
    std::hint::black_box(computed);
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::hash_blocking;
    use super::Verified::{Right, RightAndOutdated, Wrong};
    use super::*;

    fn verified(password: &str, stored: &str) -> Verified {
        verify(&password.into(), &stored.into(), true).unwrap()
    }

    /// Rows that PHP's `password_hash` wrote, of "secret", of "pässwörd-äöü" and of 80 times "a".
    const ROWS_OF_PHP: [[&str; 3]; 3] = [
        [
            "$2y$05$.gKEH2K2XRisq1oJOrpgP.xbv1Qua2JhTpkTn1.VrlQRP7iLMKI2e",
            "$argon2i$v=19$m=1024,t=2,p=1$V1VXL2hDSVZyNWRPeWpsZg$AHYfKsSZPTGdRc5ZmtASA1o3mBVYuDXYt2QtNhnLRLI",
            "$argon2id$v=19$m=1024,t=2,p=1$cDIwL01MdG5XYmZxdk5kbQ$qY0XuCXYigbAbiT/PkehZhkoEvHVxEU2Yo2SkH60G3Q",
        ],
        [
            "$2y$05$yG24Yk5tAy0MnLNBAOQ9fuPpRhcGA3yKcMwv1ns5B16EllZJcbbGe",
            "$argon2i$v=19$m=1024,t=2,p=1$ZVloTHNkVGlvR3dqaGQwVQ$cpYH5StGBmRUU0e++24oQ6Jh5QlXTnJ8rIIbkL0fsrY",
            "$argon2id$v=19$m=1024,t=2,p=1$aDZDWGpTcWFmelFEcFdKNA$OB2edX+YJ1QSRjajMNwqD086NxdN/GgGguA/vuQu2Dg",
        ],
        [
            "$2y$05$jRzxnvfDVNEg/d/U2hFbUeoiDfiHuVBffewzZwop3doeLKBqfdGsq",
            "$argon2i$v=19$m=1024,t=2,p=1$QTg2QlF2ZHQ2ZjhsdjNkZw$gnwyimwugTMy85HvbiQvQ4o3ggiOZWILhDM/ERfKvmw",
            "$argon2id$v=19$m=1024,t=2,p=1$cXUzYWZxeFdPNVhXLlR4Qw$T3SpTJcSdGK8iH3ynDAJZ+yziA9VGbITUeFTT+Qqha0",
        ],
    ];

    #[test]
    fn a_hash_of_this_program_is_up_to_date() {
        let hash = hash_blocking(&"secret".into()).unwrap();
        assert_eq!(verified("secret", hash.expose_secret()), Right);
        assert_eq!(verified("Secret", hash.expose_secret()), Wrong);
    }

    #[test]
    fn rows_of_other_programs_are_right_and_outdated() {
        let long = "a".repeat(80);
        let passwords = ["secret", "pässwörd-äöü", &long];
        for (password, rows) in passwords.iter().zip(ROWS_OF_PHP) {
            for row in rows {
                assert_eq!(verified(password, row), RightAndOutdated, "{row}");
                assert_eq!(verified(&format!("X{password}"), row), Wrong, "{row}");
                assert_eq!(verified(row, row), Wrong, "the text of {row}");
            }
            // The versions differ only in their names. Node writes 2b, Rails 2a.
            for version in ["$2a$", "$2b$"] {
                let row = rows[0].replace("$2y$", version);
                assert_eq!(verified(password, &row), RightAndOutdated, "{row}");
            }
        }
    }

    #[test]
    fn only_72_bytes_of_a_password_count_for_bcrypt() {
        let [row, ..] = ROWS_OF_PHP[2];
        assert_eq!(verified(&"a".repeat(72), row), RightAndOutdated);
        assert_eq!(verified(&"a".repeat(71), row), Wrong);
        let [row, ..] = ROWS_OF_PHP[0];
        assert_eq!(verified("secret\0secret", row), Wrong, "repeated");
    }

    #[test]
    fn plain_text_is_right_and_outdated_if_it_is_accepted() {
        assert_eq!(verified("secret", "secret"), RightAndOutdated);
        for other in ["Secret", "secret ", "secre", "", "sécret"] {
            assert_eq!(verified(other, "secret"), Wrong, "{other}");
        }
        let refused = verify(&"secret".into(), &"secret".into(), false);
        assert_eq!(refused.unwrap(), Wrong);
    }

    #[test]
    fn a_row_that_is_no_password_is_the_text_of_no_password() {
        for row in [
            "",
            "$",
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
            "$5$rounds=5000$salt$hash",
            "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
            "$2$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
            "$2y$05$short",
            "$argon2d$v=19$m=1024,t=2,p=1$cDIwL01MdG5XYmZxdk5kbQ$qY0XuCXYigbAbiT/PkehZhkoEvHVxEU2Yo2SkH60G3Q",
            "$argon2id$v=19$m=1024,t=2,p=1$",
            "$argon2id$",
            "5ebe2294ecd0e0f08eab7690d2a6ee69",
            "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7",
            "2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B",
        ] {
            assert_eq!(verified(row, row), Wrong, "{row}");
            assert_eq!(verified("secret", row), Wrong, "{row}");
        }
        // Of "secret", but the bug of this version changes other passwords.
        let row = ROWS_OF_PHP[0][0].replace("$2y$", "$2x$");
        assert_eq!(verified("secret", &row), Wrong);
    }

    /// Right for "secret", if the work were done.
    fn with_parameters(memory: u32, passes: u32, lanes: u32) -> String {
        ROWS_OF_PHP[0][2].replace(
            "m=1024,t=2,p=1",
            &format!("m={memory},t={passes},p={lanes}"),
        )
    }

    #[test]
    fn a_row_that_needs_too_much_work_is_wrong() {
        for row in [
            with_parameters(u32::MAX, 1, 1),
            with_parameters(1024, u32::MAX, 1),
            with_parameters(u32::MAX, u32::MAX, 0x00FF_FFFF),
            with_parameters(128 * 1024 + 4, 1, 1),
            with_parameters(64 * 1024, 9, 1),
            ROWS_OF_PHP[0][0].replace("$05$", "$15$"),
            ROWS_OF_PHP[0][0].replace("$05$", "$31$"),
            ROWS_OF_PHP[0][0].replace("$05$", "$99$"),
            ROWS_OF_PHP[0][0].replace("$05$", "$03$"),
        ] {
            let verified = match Kind::of(&row) {
                Kind::Argon2 => verify_argon2(&"secret".into(), &row.as_str().into()),
                _ => verify_bcrypt(&"secret".into(), &row.as_str().into()),
            };
            assert!(verified.is_err(), "{row}: {verified:?}");
        }
    }

    #[tokio::test]
    async fn passwords_are_verified_on_the_queue() {
        let stored = "secret".into();
        let right = verify_stored("secret".into(), &stored, None).await;
        assert_eq!(right.unwrap(), RightAndOutdated);
        verify_nobody("secret".into(), None).await.unwrap();
    }

    /// The time of `work` that is not exceeded by this share of its runs.
    fn quantile(times: &[Duration], percent: usize) -> Duration {
        times[(times.len() - 1) * percent / 100]
    }

    #[test]
    #[ignore = "prints times: just login-timing"]
    #[expect(clippy::print_stdout, reason = "the times are its result")]
    fn login_timing() {
        const ROUNDS: usize = 200;
        let current = hash_blocking(&"secret".into()).unwrap();
        let stored = |row: &str| Some(SecretString::from(row));
        let cases = [
            ("unknown email", None),
            ("wrong password", Some(current)),
            ("wrong password, row in plain text", stored("secret!")),
            ("row without a password", stored("$1$salt$hash")),
        ];
        let mut times = cases.each_ref().map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for ((_, stored), times) in cases.iter().zip(&mut times) {
                let (password, start) = ("guess".into(), Instant::now());
                match stored {
                    Some(stored) => drop(verify(&password, stored, true)),
                    None => drop(work(&password)),
                }
                times.push(start.elapsed());
            }
        }
        println!(
            "{:36} {:>9} {:>9} {:>9} {:>9} ms",
            "", "5 %", "50 %", "95 %", "100 %"
        );
        for ((name, _), mut times) in cases.into_iter().zip(times) {
            times.sort();
            let quantiles = [5, 50, 95, 100].map(|percent| {
                let time = quantile(&times, percent).as_secs_f64() * 1e3;
                format!("{time:9.2}")
            });
            println!("{name:36} {}", quantiles.join(" "));
        }
    }
}

//! Hashes passwords with Argon2id and verifies them. No other module does.
//!
//! Imports `budget`, `clients`, `deadlines` and `error`. Hashing is slow and takes 19 MiB on purpose,
//! so it runs on blocking threads, on all cores but one: however many passwords wait, other requests go
//! on (see `queue`).
//!
//! - `common`: the rules for new passwords
//! - `memory`: the memory for hashing, which is reused
//! - `queue`: which passwords wait, and for how long
//! - `stored`: verification against rows that other programs may have written

mod common;
mod memory;
mod queue;
mod stored;

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version, password_hash};
use secrecy::{ExposeSecret, SecretString};

use crate::clients::Network;
use crate::error::Error;

use memory::Memory;
use queue::Queue;

pub use common::{MIN_LENGTH, WeakPassword, check_new};
pub use stored::{Verified, refuse_plain_text, verify_nobody, verify_stored};

/// The most memory that the verification of a hash may need, in KiB: three times as much as any
/// recommendation of OWASP. Hashes of this program need 19 MiB.
const MAX_MEMORY: usize = 128 * 1024;

static MEMORY: Memory = Memory::new();

/// How many threads may hash on this machine.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| threads(available_parallelism().map_or(1, NonZero::get)));

static QUEUE: LazyLock<Queue> = LazyLock::new(|| Queue::new(*THREADS));

/// How many threads may hash on a machine with this many cores.
fn threads(cores: usize) -> usize {
    cores.saturating_sub(1).max(1)
}

/// Hashes `password`, which a client in `network` has sent, with a new random salt and OWASP's parameters for Argon2id (19 MiB, 2 passes,
/// 1 lane: the crate's defaults, which a test checks). Returns the PHC string.
///
/// # Errors
/// [`Error::Busy`] when too many passwords wait, in all or of the network, [`Error::Internal`] when the machine has no
/// randomness or memory left.
pub async fn hash(password: SecretString, network: Option<Network>) -> Result<SecretString, Error> {
    QUEUE.run(network, move || hash_blocking(&password)).await?
}

/// Whether `hash`, a PHC string that [`hash`] has made, is that of `password`.
///
/// # Errors
/// As [`hash`], and when `hash` is no PHC string.
pub async fn verify(
    password: SecretString,
    hash: &SecretString,
    network: Option<Network>,
) -> Result<bool, Error> {
    let hash = hash.clone();
    let verify =
        move || verify_blocking(&password, &hash).map_err(|error| Error::Internal(error.into()));
    QUEUE.run(network, verify).await?
}

/// Hashes `password` like [`hash`], on the calling thread.
///
/// # Errors
/// As [`hash`].
pub fn hash_blocking(password: &SecretString) -> Result<SecretString, Error> {
    let hash = new_hash(password).map_err(|error| Error::Internal(error.to_string().into()))?;
    Ok(hash.to_string().into())
}

fn new_hash(password: &SecretString) -> password_hash::Result<PasswordHash> {
    let argon2 = Argon2::default();
    let salt = Salt::new(&password_hash::try_generate_salt()?)?;
    let hash = compute(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
    Ok(PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt),
        hash: Some(hash),
    })
}

/// Whether `hash` is that of `password`, with the parameters that are in `hash`.
fn verify_blocking(password: &SecretString, hash: &SecretString) -> Result<bool, String> {
    let hash = PasswordHash::new(hash.expose_secret()).map_err(|error| error.to_string())?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err("the hash has no salt or no output".to_owned());
    };
    let argon2 = argon2_of(&hash).map_err(|error| error.to_string())?;
    if argon2.params().block_count() > MAX_MEMORY {
        return Err(format!("the hash needs more than {MAX_MEMORY} KiB"));
    }
    let computed = compute(&argon2, password, salt, expected.len());
    // Outputs are compared in constant time.
    computed
        .map(|computed| computed == *expected)
        .map_err(|error| error.to_string())
}

/// The function that made `hash`.
fn argon2_of(hash: &PasswordHash) -> password_hash::Result<Argon2<'static>> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?;
    Ok(Argon2::new(
        algorithm,
        version.unwrap_or_default(),
        Params::try_from(hash)?,
    ))
}

/// Computes a hash of this length, in memory that is reused.
fn compute(
    argon2: &Argon2<'_>,
    password: &SecretString,
    salt: &[u8],
    length: usize,
) -> password_hash::Result<Output> {
    let password = password.expose_secret().as_bytes();
    let mut buffer = [0; Output::MAX_LENGTH];
    let output = buffer
        .get_mut(..length)
        .ok_or(password_hash::Error::OutputSize)?;
    let computed = MEMORY.with(argon2.params().block_count(), *THREADS, |blocks| {
        argon2.hash_password_into_with_memory(password, salt, &mut *output, blocks)
    });
    computed.ok_or(argon2::Error::OutOfMemory)??;
    Ok(Output::new(output)?)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[tokio::test]
    async fn a_hash_has_owasp_parameters_a_salt_of_its_own_and_verifies() {
        let (first, second) = (
            hash("secret".into(), None).await.unwrap(),
            hash("secret".into(), None).await.unwrap(),
        );
        assert!(
            first
                .expose_secret()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert_ne!(first.expose_secret(), second.expose_secret());
        assert!(verify("secret".into(), &first, None).await.unwrap());
        assert!(!verify("Secret".into(), &first, None).await.unwrap());
        assert!(
            verify("secret".into(), &"secret".into(), None)
                .await
                .is_err()
        );
        let parsed = PasswordHash::new(first.expose_secret()).unwrap();
        assert!(
            Argon2::default()
                .verify_password(b"secret", &parsed)
                .is_ok()
        );
        assert!(
            Argon2::default()
                .verify_password(b"Secret", &parsed)
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_is_verified_if_it_needs_little_memory() {
        for (memory, passes, lanes) in [(8, 1, 1), (4096, 3, 2), (20 * 1024, 1, 1)] {
            let params = Params::new(memory, passes, lanes, Some(16)).unwrap();
            for version in [Version::V0x10, Version::V0x13] {
                let argon2 = Argon2::new(Algorithm::Argon2i, version, params.clone());
                let hash = argon2.hash_password(b"secret").unwrap();
                let hash = SecretString::from(hash.to_string());
                assert!(
                    verify("secret".into(), &hash, None).await.unwrap(),
                    "{params:?}"
                );
                assert!(
                    !verify("Secret".into(), &hash, None).await.unwrap(),
                    "{params:?}"
                );
            }
        }
        let hash = hash("secret".into(), None).await.unwrap();
        let hash = hash.expose_secret().replace("m=19456", "m=4294967295");
        let too_large = verify("secret".into(), &hash.into(), None).await;
        assert!(
            matches!(too_large, Err(Error::Internal(_))),
            "{too_large:?}"
        );
    }

    #[test]
    fn one_core_is_left_to_other_requests_if_there_are_several() {
        assert_eq!([1, 2, 3, 64].map(threads), [1, 1, 2, 63]);
    }

    #[test]
    fn every_character_of_a_password_counts() {
        let is_hash_of = |hash: &SecretString, password: &str| {
            let hash = PasswordHash::new(hash.expose_secret()).unwrap();
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            verified.is_ok()
        };
        let same = "a".repeat(255);
        let wide = "\u{1f511}".repeat(255);
        let spaced = format!(" \t{}\r\n ", "e\u{301}".repeat(36));
        for password in [same, wide, spaced, "\0secret\0".to_owned()] {
            let hash = hash_blocking(&password.as_str().into()).unwrap();
            assert!(is_hash_of(&hash, &password), "{password:?}");
            let count = password.chars().count();
            for at in [0, 1, count / 2, 71, 72, 127, count - 1] {
                let other = |(index, character)| if index == at { 'X' } else { character };
                let other: String = password.chars().enumerate().map(other).collect();
                let is_same = at >= count;
                assert_eq!(is_hash_of(&hash, &other), is_same, "{at} of {password:?}");
            }
            let shorter = password.trim().trim_matches('\0');
            let is_same = shorter == password;
            assert_eq!(is_hash_of(&hash, shorter), is_same, "{password:?}");
        }
    }
}

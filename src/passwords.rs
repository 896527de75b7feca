//! Hashes passwords with Argon2id. No other module does.
//!
//! Imports `deadlines` and `error`. Hashing is slow and takes 19 MiB on purpose, so it runs on
//! blocking threads, on at most one for each core at a time.

use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::deadlines;
use crate::error::Error;

/// One permit for each core.
static CORES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    Arc::new(Semaphore::new(
        available_parallelism().map_or(1, NonZero::get),
    ))
});

/// Hashes `password` with a new random salt and OWASP's parameters for Argon2id (19 MiB, 2 passes,
/// 1 lane: the crate's defaults, which a test checks). Returns the PHC string.
///
/// # Errors
/// [`Error::Busy`] when too many passwords wait, [`Error::Internal`] when the machine has no
/// randomness or memory left.
pub async fn hash(password: SecretString) -> Result<SecretString, Error> {
    on_a_core(move || hash_blocking(&password)).await?
}

/// Whether `hash`, a PHC string that [`hash`] has made, is that of `password`.
///
/// # Errors
/// As [`hash`], and when `hash` is no PHC string.
pub async fn verify(password: SecretString, hash: &SecretString) -> Result<bool, Error> {
    let hash = hash.clone();
    on_a_core(move || {
        let hash = PasswordHash::new(hash.expose_secret())
            .map_err(|error| Error::Internal(error.to_string().into()))?;
        let password = password.expose_secret().as_bytes();
        match Argon2::default().verify_password(password, &hash) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(Error::Internal(error.to_string().into())),
        }
    })
    .await?
}

/// Runs `work` on a blocking thread, when a core is free for it.
async fn on_a_core<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let turn = tokio::time::timeout(
        deadlines::PASSWORD_QUEUE,
        Arc::clone(&CORES).acquire_owned(),
    )
    .await;
    let permit = turn
        .map_err(|_| Error::Busy("too many passwords wait to be hashed"))?
        .map_err(|error| Error::Internal(error.into()))?;
    let working = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    });
    working.await.map_err(|error| Error::Internal(error.into()))
}

/// Hashes `password` like [`hash`], on the calling thread.
///
/// # Errors
/// As [`hash`].
pub fn hash_blocking(password: &SecretString) -> Result<SecretString, Error> {
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| hash.to_string().into())
        .map_err(|error| Error::Internal(error.to_string().into()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_has_owasp_parameters_a_salt_of_its_own_and_verifies() {
        let (first, second) = (
            hash("secret".into()).await.unwrap(),
            hash("secret".into()).await.unwrap(),
        );
        assert!(
            first
                .expose_secret()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert_ne!(first.expose_secret(), second.expose_secret());
        assert!(verify("secret".into(), &first).await.unwrap());
        assert!(!verify("Secret".into(), &first).await.unwrap());
        assert!(verify("secret".into(), &"secret".into()).await.is_err());
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

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_an_error_that_does_not_blame_the_database() {
        let all = available_parallelism().map_or(1, NonZero::get);
        let all = CORES.acquire_many(all.try_into().unwrap()).await.unwrap();
        let rejected = hash("secret".into()).await;
        drop(all);
        assert!(matches!(rejected, Err(Error::Busy(_))));
        assert!(hash("secret".into()).await.is_ok());
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

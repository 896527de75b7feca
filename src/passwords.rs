//! Hashes passwords with Argon2id and verifies them. No other module does.
//!
//! Imports `deadlines` and `error`. Hashing is slow and takes 19 MiB on purpose, so it runs on
//! blocking threads, on all cores but one: however many passwords wait, other requests go on.
//!
//! - `common`: the rules for new passwords
//! - `memory`: the memory for hashing, which is reused
//! - `stored`: verification against rows that other programs may have written

mod common;
mod memory;
mod stored;

use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version, password_hash};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::deadlines;
use crate::error::Error;

use memory::Memory;

pub use common::{MIN_LENGTH, WeakPassword, check_new};
pub use stored::{Verified, refuse_plain_text, verify_nobody, verify_stored};

/// The most memory that the verification of a hash may need, in KiB: three times as much as any
/// recommendation of OWASP. Hashes of this program need 19 MiB.
const MAX_MEMORY: usize = 128 * 1024;

static MEMORY: Memory = Memory::new();

/// How many passwords may wait for each thread: about as many as it hashes within
/// [`deadlines::PASSWORD_QUEUE`].
const WAITING_PER_THREAD: usize = 64;

/// How many threads may hash on this machine.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| threads(available_parallelism().map_or(1, NonZero::get)));

static QUEUE: LazyLock<Queue> = LazyLock::new(|| Queue::new(*THREADS));

/// How many threads may hash on a machine with this many cores.
fn threads(cores: usize) -> usize {
    cores.saturating_sub(1).max(1)
}

/// Limits how much is hashed at a time, and how many callers wait.
struct Queue {
    /// One permit for each thread.
    threads: Arc<Semaphore>,
    /// One permit for each caller, whether it waits or its password is being hashed.
    callers: Semaphore,
}

impl Queue {
    fn new(threads: usize) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            callers: Semaphore::new(threads * (1 + WAITING_PER_THREAD)),
        }
    }

    /// Runs `work` on a blocking thread when one is free.
    ///
    /// # Errors
    /// [`Error::Busy`] at once when too many callers wait, and for a caller that has waited for too
    /// long; [`Error::Internal`] when `work` panics.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let too_many = Error::Busy("too many passwords wait to be hashed");
        let Ok(_caller) = self.callers.try_acquire() else {
            return Err(too_many);
        };
        let thread = Arc::clone(&self.threads).acquire_owned();
        let Ok(thread) = tokio::time::timeout(deadlines::PASSWORD_QUEUE, thread).await else {
            return Err(too_many);
        };
        let thread = thread.map_err(|error| Error::Internal(error.into()))?;
        let result = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(thread);
            result
        });
        result.await.map_err(|error| Error::Internal(error.into()))
    }
}

/// Hashes `password` with a new random salt and OWASP's parameters for Argon2id (19 MiB, 2 passes,
/// 1 lane: the crate's defaults, which a test checks). Returns the PHC string.
///
/// # Errors
/// [`Error::Busy`] when too many passwords wait, [`Error::Internal`] when the machine has no
/// randomness or memory left.
pub async fn hash(password: SecretString) -> Result<SecretString, Error> {
    QUEUE.run(move || hash_blocking(&password)).await?
}

/// Whether `hash`, a PHC string that [`hash`] has made, is that of `password`.
///
/// # Errors
/// As [`hash`], and when `hash` is no PHC string.
pub async fn verify(password: SecretString, hash: &SecretString) -> Result<bool, Error> {
    let hash = hash.clone();
    let verify =
        move || verify_blocking(&password, &hash).map_err(|error| Error::Internal(error.into()));
    QUEUE.run(verify).await?
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
    use std::time::Duration;

    use argon2::{PasswordHasher, PasswordVerifier};

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

    #[tokio::test]
    async fn a_hash_with_other_parameters_is_verified_if_it_needs_little_memory() {
        for (memory, passes, lanes) in [(8, 1, 1), (4096, 3, 2), (20 * 1024, 1, 1)] {
            let params = Params::new(memory, passes, lanes, Some(16)).unwrap();
            for version in [Version::V0x10, Version::V0x13] {
                let argon2 = Argon2::new(Algorithm::Argon2i, version, params.clone());
                let hash = argon2.hash_password(b"secret").unwrap();
                let hash = SecretString::from(hash.to_string());
                assert!(verify("secret".into(), &hash).await.unwrap(), "{params:?}");
                assert!(!verify("Secret".into(), &hash).await.unwrap(), "{params:?}");
            }
        }
        let hash = hash("secret".into()).await.unwrap();
        let hash = hash.expose_secret().replace("m=19456", "m=4294967295");
        let too_large = verify("secret".into(), &hash.into()).await;
        assert!(
            matches!(too_large, Err(Error::Internal(_))),
            "{too_large:?}"
        );
    }

    #[test]
    fn one_core_is_left_to_other_requests_if_there_are_several() {
        assert_eq!([1, 2, 3, 64].map(threads), [1, 1, 2, 63]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_that_waits_too_long_is_an_error_that_does_not_blame_the_database() {
        let queue = Queue::new(1);
        let thread = queue.threads.acquire().await.unwrap();
        let rejected = queue.run(|| ()).await;
        assert!(matches!(rejected, Err(Error::Busy(_))), "{rejected:?}");
        drop(thread);
        assert!(queue.run(|| ()).await.is_ok());
    }

    // The paused clock stands still while a blocking thread runs: nothing waits for too long.
    #[tokio::test(start_paused = true)]
    async fn passwords_beyond_a_full_queue_are_rejected_at_once() {
        let queue = Queue::new(1);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let wait_for_release = || {
            let released = Arc::clone(&released);
            move || released.lock().unwrap().recv().unwrap()
        };
        let accepted = (0..=WAITING_PER_THREAD).map(|_| queue.run(wait_for_release()));
        let accepted = futures_util::future::join_all(accepted);
        let beyond = async {
            // `join!` polls the accepted ones first. None of them ends before the release.
            let rejected = queue.run(|| ()).await;
            for _ in 0..=WAITING_PER_THREAD {
                release.send(()).unwrap();
            }
            rejected
        };
        let (accepted, rejected) = tokio::join!(biased; accepted, beyond);
        assert!(matches!(rejected, Err(Error::Busy(_))), "{rejected:?}");
        assert!(accepted.iter().all(Result::is_ok), "{accepted:?}");
        assert!(queue.run(|| ()).await.is_ok());
    }

    // The clock is paused for the same reason as above.
    #[tokio::test(start_paused = true)]
    async fn no_more_threads_than_allowed_hash_at_a_time() {
        let queue = Queue::new(2);
        let running = Arc::new(Semaphore::new(2));
        let work = || {
            let running = Arc::clone(&running);
            move || {
                let is_allowed = running.try_acquire().is_ok_and(|permit| {
                    // As hashing would, for long enough that a third thread is noticed.
                    std::thread::sleep(Duration::from_millis(5));
                    drop(permit);
                    true
                });
                assert!(is_allowed, "a third thread");
            }
        };
        let all = futures_util::future::join_all((0..16).map(|_| queue.run(work()))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
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

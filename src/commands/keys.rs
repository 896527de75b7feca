//! The keys that access tokens are signed with: from the settings, from a file in the data directory of the
//! private MariaDB, or random ones.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Settings;
use crate::tokens::{Keys, random_secret};

use super::BadSetting;

/// The file in the data directory that has the generated secret.
const FILE: &str = "secret-key";

/// The keys that the settings give; `None` without `SECRET_KEY`.
///
/// # Errors
/// One line, when a secret is too short or cannot be read.
pub(super) fn given(settings: &Settings) -> Result<Option<Keys>, BadSetting> {
    let (current, previous) = settings.secret_keys().map_err(BadSetting)?;
    let Some(current) = current else {
        return match previous {
            None => Ok(None),
            Some(_) => Err(BadSetting(
                "SECRET_KEY_PREVIOUS is set without SECRET_KEY: tokens are signed with SECRET_KEY"
                    .to_owned(),
            )),
        };
    };
    let keys = Keys::new(&current, previous.as_ref());
    keys.map(Some).map_err(|problem| {
        BadSetting(format!(
            "SECRET_KEY, SECRET_KEY_PREVIOUS: {problem}; make one with: openssl rand -base64 32"
        ))
    })
}

/// Keys that no other process knows, so that their tokens are valid until this process ends.
pub(super) fn random() -> anyhow::Result<Keys> {
    Keys::random().map_err(|problem| anyhow!(problem))
}

/// The keys from the secret in the data directory, which is generated at the first call.
///
/// # Errors
/// When the file cannot be read or created, or has no secret.
pub(super) fn in_data_directory(data_dir: &Path) -> anyhow::Result<Keys> {
    let path = data_dir.join(FILE);
    let secret = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(data_dir, &path),
        read => read,
    };
    let secret = secret.with_context(|| format!("cannot read or create {}", path.display()))?;
    let secret: SecretString = secret.trim().into();
    Keys::new(&secret, None).map_err(|problem| {
        let path = path.display();
        anyhow!("{path}: {problem}; without the file a new one is made, which logs everybody out")
    })
}

/// Creates the file with a new secret, for its owner only, and returns its content. The file appears complete
/// or not at all; when two processes create it at once, both return the same secret.
fn create(data_dir: &Path, path: &Path) -> io::Result<String> {
    let secret = random_secret().map_err(io::Error::other)?;
    let partial = data_dir.join(format!("{FILE}.{:016x}", rand::random::<u64>()));
    let written = write(&partial, secret.expose_secret());
    let linked = written.and_then(|()| match fs::hard_link(&partial, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&partial);
    linked.and(removed)?;
    fs::read_to_string(path)
}

fn write(path: &Path, secret: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Barrier;
    use std::thread;
    use std::time::SystemTime;

    use crate::tokens::Bearer;

    use super::*;

    const BEARER: Bearer = Bearer {
        user: 1,
        is_admin: true,
        session: 2,
    };

    fn agree(one: &Keys, other: &Keys) -> bool {
        let now = SystemTime::now();
        let token = one.sign(BEARER, now).unwrap();
        other.verify(token.expose_secret(), now) == Ok(BEARER)
    }

    #[test]
    fn the_secret_is_generated_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let first = in_data_directory(directory.path()).unwrap();
        let again = in_data_directory(directory.path()).unwrap();
        assert!(agree(&first, &again));
        assert!(!agree(&first, &random().unwrap()));
        let file = fs::metadata(directory.path().join(FILE)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        const PROCESSES: usize = 8;
        let directory = tempfile::tempdir().unwrap();
        let (path, barrier) = (directory.path().join(FILE), Barrier::new(PROCESSES));
        let secrets: Vec<String> = thread::scope(|scope| {
            let processes = [(); PROCESSES].map(|()| {
                scope.spawn(|| {
                    barrier.wait();
                    create(directory.path(), &path).unwrap()
                })
            });
            processes.map(|process| process.join().unwrap()).into()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_without_a_secret_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "short\n").unwrap();
        let problem = in_data_directory(directory.path()).unwrap_err().to_string();
        assert!(problem.contains("at least 32 bytes"), "{problem}");
        assert!(!problem.contains("short"), "{problem}");
    }
}

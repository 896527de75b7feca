//! A private `MariaDB` as a child process: the program's default database, and the server of tests.
//!
//! Imports no other module. All functions block, need no async runtime and may be called from any
//! thread; async callers use `spawn_blocking`.
//!
//! The data directory contains:
//!
//! - `mariadb/`: the database, which is `mariadb.partial/` until its installation is complete
//! - `mariadb.sock`, `mariadb.pid`, `mariadb.log`: the server's socket, process id and log
//! - `tmp/`: the server's temporary files, emptied at each start
//! - `sample-shop-done`: records that the program has offered its sample shop
//! - `instance.lock`: locked by the one process that uses the directory
//! - `server.lock`: locked until the last process of the server has ended
//!
//! The server never outlives this process, even after `kill -9`: the server's parent is a small
//! shell script (`supervisor`), which stops the server when the pipe from this process closes.

mod administration;
mod directory;
mod supervisor;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rustix::process::geteuid;

use directory::Socket;
use supervisor::{Log, Supervised};

const DATABASE: &str = "mariadb";
const PARTIAL: &str = "mariadb.partial";
const PID: &str = "mariadb.pid";
const TEMPORARY: &str = "tmp";

/// The option for the server's directory for temporary files, relative to the database, which is
/// the server's working directory. Relative, since the server would split a path with colons.
///
/// No other server may use the directory: each deletes all temporary tables in it when it starts.
const TMPDIR: &str = "--tmpdir=../tmp";

/// Directories of the server's programs in addition to PATH: on Debian, an ordinary user's PATH has
/// no `sbin`.
const PROGRAM_DIRS: [&str; 7] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/mariadb/bin",
    "/usr/local/bin",
    "/usr/local/opt/mariadb/bin",
];

const INSTALL_LIMIT: Duration = Duration::from_mins(2);
/// The limit of a start, which is long since the server may have to recover from a crash first.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Why the private `MariaDB` could not be started.
#[derive(Debug)]
pub enum Error {
    /// This program of `MariaDB` is not installed.
    Missing(&'static str),
    /// Another process uses the data directory.
    InUse(PathBuf),
    /// The data directory has other contents and is accessible to other users, who could reach the
    /// socket.
    Exposed(PathBuf),
    /// A server of an earlier process does not stop.
    StillRunning {
        /// The data directory.
        dir: PathBuf,
        /// The content of the server's pid file.
        pid: Option<String>,
    },
    /// `MariaDB` failed. The text says what failed and quotes its log.
    Failed(String),
    /// An operation of the operating system failed.
    Io {
        /// What was tried: a verb that follows "cannot".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(program) => write!(
                f,
                "MariaDB is not installed ({program} not found); set DATABASE_URL, or install it: {}",
                if cfg!(target_os = "macos") {
                    "brew install mariadb"
                } else {
                    "apt-get install -y --no-install-recommends mariadb-server-core mariadb-client-core"
                }
            ),
            Self::InUse(dir) => write!(
                f,
                "another instance uses this data directory, {}; stop it or set another DATA_DIR",
                dir.display()
            ),
            Self::Exposed(dir) => write!(
                f,
                "the data directory {dir} has other contents and is open to other users; \
                 set DATA_DIR to an empty directory, or run: chmod 700 '{dir}'",
                dir = dir.display()
            ),
            Self::StillRunning { dir, pid } => write!(
                f,
                "a MariaDB of an earlier run still uses {} and does not stop; end it{} and try again",
                dir.display(),
                pid.as_ref()
                    .map_or(String::new(), |pid| format!(" (kill {pid})"))
            ),
            Self::Failed(what) => f.write_str(what),
            Self::Io {
                doing,
                path,
                source,
            } => write!(f, "cannot {doing} {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Makes an [`Error::Io`] of the error of one call.
fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// A running private `MariaDB`. Dropping this stops the server.
///
/// `root` needs no password: only the owner of the data directory reaches the socket, and the server
/// listens on nothing else.
#[derive(Debug)]
pub struct Embedded {
    // Dropped in this order: the server stops, its socket is removed, then the directory is unlocked.
    server: Supervised,
    socket: Socket,
    log: Log,
    _server_lock: File,
    _instance_lock: File,
}

impl Embedded {
    /// Starts a server on `data_dir`, and installs the database there on first use. Returns when
    /// the server accepts connections: after about a second, or three the first time.
    ///
    /// A missing directory is created, for its owner only. The remains of a crash are removed, and a
    /// server that is still shutting down is waited for.
    ///
    /// # Errors
    /// Every [`Error`]; nothing is left running.
    pub fn start(data_dir: &Path) -> Result<Self, Error> {
        let programs = program_dirs(env::var_os("PATH").as_deref());
        let mariadbd = find_program("mariadbd", &programs)?;
        let dir = directory::prepare(data_dir)?;
        let instance_lock = directory::lock_instance(&dir)?;
        let server_lock = directory::lock_server(&dir)?;
        let log = Log::open(&dir)?;

        directory::clear(&dir)?;
        if !dir.join(DATABASE).exists() {
            let install_db = find_program("mariadb-install-db", &programs)?;
            install(&install_db, &dir, &server_lock, &log)?;
        }
        let socket = Socket::choose(&dir)?;
        let arguments = server_arguments(&dir, &socket.path);
        let mut server = Supervised::spawn(&mariadbd, &arguments, &dir, &server_lock, &log)?;
        await_greeting(&mut server, &socket.path, &log)?;
        Ok(Self {
            server,
            socket,
            log,
            _server_lock: server_lock,
            _instance_lock: instance_lock,
        })
    }

    /// The server's Unix socket, an absolute path. If the data directory's path is too long for a
    /// socket, the socket is in another directory, and `mariadb.sock` in the data directory is a
    /// link to it.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket.path
    }

    /// The URL of `database` on this server, as `mysql_async` reads it:
    /// `mysql://root@localhost/<database>?socket=<path>`. The database need not exist.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "mysql://root@localhost/{}?socket={}",
            percent_encode(database.as_bytes(), NON_ALPHANUMERIC),
            encoded(&self.socket.path)
        )
    }

    /// Creates a database in utf8mb4, unless it exists. The migrations create its tables.
    ///
    /// # Errors
    /// [`Error::Failed`] when the server rejects the statement.
    pub fn create_database(&self, name: &str) -> Result<(), Error> {
        administration::create_database(&self.socket.path, name)
            .map_err(|cause| Error::Failed(format!("cannot create the database {name}: {cause}")))
    }

    /// How the server ended by itself, with the end of its log, for people; `None` while it runs.
    /// Does not wait; call it about once a second.
    pub fn exit_report(&mut self) -> Option<String> {
        let status = self.server.exit_status()?;
        Some(self.log.last_lines(&format!("MariaDB ended ({status})")))
    }

    /// Shuts the server down cleanly and returns when it has ended: within 30 s, since it is killed
    /// after 20 s. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

/// Creates the database as [`PARTIAL`] and renames it when it is complete, so that an interrupted
/// installation is never mistaken for a database.
fn install(install_db: &Path, dir: &Path, lock: &File, log: &Log) -> Result<(), Error> {
    tracing::info!(data_dir = %dir.display(), "creating a database");
    let arguments = [
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        // No database `test` and no anonymous users: on localhost the server would prefer them to
        // any `'name'@'%'`.
        "--skip-test-db",
        // Installs even if this machine's own name does not resolve.
        "--force",
        // A relative path, since this shell script mangles backslashes. And no --user: for root the
        // script would change the owner of the system's PAM helper.
        &format!("--datadir=./{PARTIAL}"),
        TMPDIR,
    ]
    .map(OsString::from);
    let mut installer = Supervised::spawn(install_db, &arguments, dir, lock, log)?;
    let outcome = match wait_for(INSTALL_LIMIT, || installer.exit_status()) {
        Some(status) if status.success() => None,
        Some(status) => Some(status.to_string()),
        None => Some(format!("still busy after {} s", INSTALL_LIMIT.as_secs())),
    };
    if let Some(outcome) = outcome {
        let what = format!("MariaDB could not create a database ({outcome})");
        return Err(Error::Failed(log.first_errors(&what)));
    }
    let partial = dir.join(PARTIAL);
    fs::rename(&partial, dir.join(DATABASE)).map_err(io_error("rename", &partial))
}

/// The command line of `mariadbd`. Every other option has its default, so that a commit is on disk
/// before it is acknowledged.
fn server_arguments(dir: &Path, socket: &Path) -> Vec<OsString> {
    let with_path = |option: &str, path: &Path| {
        let mut argument = OsString::from(option);
        argument.push(path);
        argument
    };
    let mut arguments: Vec<OsString> = [
        "--no-defaults",
        "--skip-networking",
        "--character-set-server=utf8mb4",
        // A test suite opens a pool for each test.
        "--max-connections=500",
        // Do not log connections that are closed without a statement, as those of `greets` are.
        "--log-warnings=1",
        TMPDIR,
    ]
    .map(OsString::from)
    .into();
    if geteuid().is_root() {
        // Without this option the server does not run as root.
        arguments.push("--user=root".into());
    }
    arguments.push(with_path("--datadir=", &dir.join(DATABASE)));
    arguments.push(with_path("--pid-file=", &dir.join(PID)));
    arguments.push(with_path("--socket=", socket));
    arguments
}

/// Waits until the server greets connections to its socket.
fn await_greeting(server: &mut Supervised, socket: &Path, log: &Log) -> Result<(), Error> {
    let failure = wait_for(START_LIMIT, || match server.exit_status() {
        Some(status) => Some(Some(format!("MariaDB did not start ({status})"))),
        None => directory::greets(socket).then_some(None),
    })
    .unwrap_or_else(|| {
        Some(format!(
            "MariaDB did not respond within {} s",
            START_LIMIT.as_secs()
        ))
    });
    match failure {
        None => Ok(()),
        Some(what) => Err(Error::Failed(log.first_errors(&what))),
    }
}

/// The directories to search for programs: those of `path`, which has the form of PATH, and then
/// [`PROGRAM_DIRS`].
fn program_dirs(path: Option<&OsStr>) -> Vec<PathBuf> {
    env::split_paths(path.unwrap_or_default())
        // A relative directory depends on the working directory.
        .filter(|dir| dir.is_absolute())
        .chain(PROGRAM_DIRS.map(PathBuf::from))
        .collect()
}

fn find_program(program: &'static str, dirs: &[PathBuf]) -> Result<PathBuf, Error> {
    let executable = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    dirs.iter()
        .map(|dir| dir.join(program))
        .find(executable)
        .ok_or(Error::Missing(program))
}

/// Opens a file of the data directory, creating it for its owner only.
fn open_for(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    options
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(io_error("open", path))
}

/// A path, encoded for a URL's query.
fn encoded(path: &Path) -> String {
    percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC).to_string()
}

/// Calls `attempt` until it returns a value; `None` after `limit`.
fn wait_for<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let result = attempt();
        if result.is_some() || Instant::now() >= deadline {
            return result;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn without_mariadb_the_error_says_how_to_install_it() {
        let empty = tempfile::tempdir().expect("a temporary directory");
        let error = find_program("mariadbd", &[empty.path().to_owned()]).expect_err("no program");
        let message = error.to_string();
        assert!(message.contains("mariadbd not found"), "{message}");
        assert!(message.contains("install"), "{message}");
        assert_eq!(message.lines().count(), 1);
    }

    #[test]
    fn programs_are_found_beside_the_path_and_never_relative_to_it() {
        let dirs = program_dirs(Some(OsStr::new("bin:/opt/some/bin:")));
        assert_eq!(dirs[0], Path::new("/opt/some/bin"));
        assert_eq!(dirs[1], Path::new("/usr/sbin"));
        assert!(dirs.iter().all(|dir| dir.is_absolute()));
        assert_eq!(program_dirs(None).len(), PROGRAM_DIRS.len());
    }

    #[test]
    fn only_an_executable_file_is_a_program() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("mariadbd");
        fs::write(&file, "").expect("a file");
        let dirs = [dir.path().to_owned()];
        assert!(find_program("mariadbd", &dirs).is_err());
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("permissions");
        assert_eq!(find_program("mariadbd", &dirs).expect("found"), file);
    }
}

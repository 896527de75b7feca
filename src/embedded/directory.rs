//! The data directory: its permissions, its locks, the remains of a crash, and the socket.
//!
//! Part of `embedded`. Starts no process, but stops a server of an earlier run.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use super::{Error, PARTIAL, PID, TEMPORARY, administration, io_error, open_for, wait_for};

const SOCKET: &str = "mariadb.sock";
const INSTANCE_LOCK: &str = "instance.lock";
const SERVER_LOCK: &str = "server.lock";

/// The longest path of a socket in bytes: the size of `sun_path` without the final NUL.
const SOCKET_PATH_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// How long to wait for the instance lock: a process that is ending, or a child between fork and
/// exec, holds it a little longer.
const INSTANCE_LOCK_LIMIT: Duration = Duration::from_secs(1);
/// How long a server of an earlier run, which its supervisor stops, may take before this process
/// asks it to stop.
const EARLIER_SERVER_GRACE: Duration = Duration::from_secs(5);
/// How long that server may take afterwards. Its supervisor kills it after 20 s.
const EARLIER_SERVER_LIMIT: Duration = Duration::from_secs(25);

/// Creates the data directory, or makes the existing one inaccessible to other users; returns its
/// absolute path.
pub(super) fn prepare(data_dir: &Path) -> Result<PathBuf, Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(io_error("create the data directory", data_dir))?;
    let inspect = || -> io::Result<_> {
        let dir = data_dir.canonicalize()?;
        let exposed = fs::metadata(&dir)?.permissions().mode() & 0o077 != 0;
        let is_data_directory =
            dir.join(INSTANCE_LOCK).exists() || fs::read_dir(&dir)?.next().is_none();
        Ok((dir, exposed, is_data_directory))
    };
    let (dir, exposed, is_data_directory) =
        inspect().map_err(io_error("read the data directory", data_dir))?;
    if exposed && !is_data_directory {
        return Err(Error::Exposed(dir));
    }
    if exposed {
        fs::set_permissions(&dir, Permissions::from_mode(0o700))
            .map_err(io_error("restrict access to", &dir))?;
    }
    Ok(dir)
}

/// Locks the data directory for this process; an error when another process has it locked.
pub(super) fn lock_instance(dir: &Path) -> Result<File, Error> {
    let path = dir.join(INSTANCE_LOCK);
    let file = open_for(&path, OpenOptions::new().write(true))?;
    if acquire(&file, &path, INSTANCE_LOCK_LIMIT)? {
        Ok(file)
    } else {
        Err(Error::InUse(dir.to_owned()))
    }
}

/// Locks the data directory for a server: waits for a server of an earlier process, and stops it if
/// it does not end. The lock belongs to the open file, which the server inherits, so that the lock
/// is free when the last process that holds the file open has ended.
pub(super) fn lock_server(dir: &Path) -> Result<File, Error> {
    let path = dir.join(SERVER_LOCK);
    let file = open_for(&path, OpenOptions::new().write(true))?;
    if acquire(&file, &path, Duration::ZERO)? {
        return Ok(file);
    }
    tracing::info!(data_dir = %dir.display(), "waiting for the MariaDB of an earlier run to stop");
    if acquire(&file, &path, EARLIER_SERVER_GRACE)? {
        return Ok(file);
    }
    if let Err(reason) = request_shutdown(&dir.join(SOCKET)) {
        tracing::warn!(data_dir = %dir.display(), reason, "the MariaDB of an earlier run cannot be asked to stop");
    }
    if acquire(&file, &path, EARLIER_SERVER_LIMIT)? {
        return Ok(file);
    }
    Err(Error::StillRunning {
        dir: dir.to_owned(),
        pid: fs::read_to_string(dir.join(PID))
            .ok()
            .map(|pid| pid.trim().to_owned()),
    })
}

/// Whether the lock was free within `limit`.
fn acquire(file: &File, path: &Path, limit: Duration) -> Result<bool, Error> {
    wait_for(limit, || match file.try_lock() {
        Ok(()) => Some(Ok(true)),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => Some(Err(io_error("lock", path)(error))),
    })
    .unwrap_or(Ok(false))
}

/// Asks the server behind `socket`, which may be a link, to shut down.
fn request_shutdown(socket: &Path) -> Result<(), String> {
    let socket = fs::read_link(socket).unwrap_or_else(|_| socket.to_owned());
    if !greets(&socket) {
        return Err("it does not respond on its socket".to_owned());
    }
    administration::shut_down(&socket)
}

/// Removes the remains of a crash, and creates an empty directory for temporary files. Both locks are
/// held, so that none of this is in use.
pub(super) fn clear(dir: &Path) -> Result<(), Error> {
    remove_socket(&dir.join(SOCKET));
    for name in [SOCKET, PID] {
        let path = dir.join(name);
        unless_absent(fs::remove_file(&path)).map_err(io_error("remove the stale", &path))?;
    }
    for name in [PARTIAL, TEMPORARY] {
        let path = dir.join(name);
        unless_absent(fs::remove_dir_all(&path)).map_err(io_error("remove the stale", &path))?;
    }
    let temporary = dir.join(TEMPORARY);
    fs::create_dir(&temporary).map_err(io_error("create", &temporary))
}

fn unless_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a server greets a new connection: a packet's header of four bytes, then the protocol's
/// version, 10 (an error would be 255).
pub(super) fn greets(socket: &Path) -> bool {
    let greeting = || -> io::Result<u8> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(start[4])
    };
    greeting().is_ok_and(|version| version == 10)
}

/// Where the server listens.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) path: PathBuf,
    /// The path in the data directory: `path` itself or a link to it.
    entry: PathBuf,
}

impl Socket {
    /// Chooses the data directory if the path fits into a socket's address, else a new directory under
    /// the temporary directory, with a link from the data directory, by which the next start finds the
    /// socket after a crash. A path that is not Unicode does not fit, since it goes into a URL.
    pub(super) fn choose(dir: &Path) -> Result<Self, Error> {
        let fits = |path: &Path| {
            path.as_os_str().len() <= SOCKET_PATH_LIMIT && path.as_os_str().to_str().is_some()
        };
        let entry = dir.join(SOCKET);
        if fits(&entry) {
            return Ok(Self {
                path: entry.clone(),
                entry,
            });
        }
        let base = Some(env::temp_dir())
            .filter(|base| {
                base.is_absolute() && fits(&base.join("ecommerce-api-1234567-123/mariadb.sock"))
            })
            .unwrap_or_else(|| PathBuf::from("/tmp"));
        let parent = create_private_directory(&base)?;
        let path = parent.join(SOCKET);
        symlink(&path, &entry).map_err(io_error("create the link", &entry))?;
        Ok(Self { path, entry })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The server removes its socket when it ends cleanly. If the socket still exists, the
        // server may still run: the next start reaches the server through it.
        if !self.path.exists() {
            remove_socket(&self.entry);
        }
    }
}

/// Removes a socket, and its target if `entry` is a link. The next start reports a file that could
/// not be removed.
fn remove_socket(entry: &Path) {
    if let Ok(path) = fs::read_link(entry) {
        let _ = fs::remove_file(&path);
        // This removes only an empty directory.
        let _ = path.parent().map(fs::remove_dir);
    }
    let _ = fs::remove_file(entry);
}

/// Creates a directory below `base` that only its owner can access.
fn create_private_directory(base: &Path) -> Result<PathBuf, Error> {
    let mut number = 0;
    loop {
        let path = base.join(format!("ecommerce-api-{}-{number}", process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            // The directory belongs to another server of this process, or to a crashed process that
            // had this id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(io_error("create", &path)(error)),
        }
    }
}

//! Runs a program below a small shell script, so that it cannot outlive this process, and reads the
//! log that the program writes.
//!
//! Part of `embedded`. The only thing here that is specific to `MariaDB` is the format of errors in
//! its log.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Error, io_error, open_for, wait_for};

/// More than the 20 s after which the supervisor kills the program.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How much of the log an error quotes.
const QUOTED_LINES: usize = 3;

/// Runs `"$@"` until it ends. When standard input ends first, the script sends SIGTERM to the program,
/// and SIGKILL 20 s later. The script ends with the program's status.
///
/// Standard input is the pipe, standard output the locked `server.lock`, standard error the log.
/// The program inherits the lock as descriptor 3, the watcher does not: a `sleep` that is still
/// running must not keep the directory locked. Only POSIX is used, since `sh` may be dash or bash.
const SUPERVISOR: &str = r#"
exec 4<&0
"$@" </dev/null 3>&1 >&2 4<&- &
program=$!
{
    read -r _ <&4
    kill -TERM "$program"
    waited=0
    while [ "$waited" -lt 20 ] && kill -0 "$program"; do sleep 1; waited=$((waited + 1)); done
    kill -KILL "$program"
} >/dev/null 2>&1 &
watcher=$!
wait "$program"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// A program below [`SUPERVISOR`]; stopped when dropped.
#[derive(Debug)]
pub(super) struct Supervised {
    child: Child,
}

impl Supervised {
    /// Runs `program` in `dir` with `lock` inherited and all its output going to `log`.
    pub(super) fn spawn(
        program: &Path,
        arguments: &[OsString],
        dir: &Path,
        lock: &File,
        log: &Log,
    ) -> Result<Self, Error> {
        let spawn = || -> io::Result<Child> {
            Command::new("/bin/sh")
                .args(["-c", SUPERVISOR, "ecommerce-database"])
                .arg(program)
                .args(arguments)
                .current_dir(dir)
                .stdin(Stdio::piped())
                .stdout(lock.try_clone()?)
                .stderr(log.file.try_clone()?)
                // Ctrl-C in a terminal must reach this process alone, which then stops the server.
                .process_group(0)
                // Only this process tells systemd when it serves; MariaDB would, too.
                .env_remove("NOTIFY_SOCKET")
                .spawn()
        };
        let child = spawn().map_err(io_error("run", program))?;
        Ok(Self { child })
    }

    /// How the program ended; `None` while it runs.
    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        // If other code has reaped the child, its status is unknown.
        const UNKNOWN: i32 = 255 << 8;
        self.child
            .try_wait()
            .unwrap_or_else(|_| Some(ExitStatus::from_raw(UNKNOWN)))
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if wait_for(STOP_LIMIT, || self.exit_status()).is_none() {
            // Killing fails only if the child has ended meanwhile.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// The server's log, to which each run appends.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// The offset in bytes at which the part of this run begins.
    start: u64,
}

impl Log {
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("mariadb.log");
        let file = open_for(&path, OpenOptions::new().append(true))?;
        let start = file.metadata().map_err(io_error("read", &path))?.len();
        Ok(Self { path, file, start })
    }

    /// A message that `what` failed, with the first errors in this run's log, since later errors
    /// follow from them.
    pub(super) fn first_errors(&self, what: &str) -> String {
        let text = self.text();
        let errors = text
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("Errcode"))
            .filter(|line| !line.ends_with("[ERROR] Aborting"));
        let quoted: Vec<&str> = errors.take(QUOTED_LINES).collect();
        if quoted.is_empty() {
            return self.last_lines(what);
        }
        self.quote(what, &quoted)
    }

    /// A message that `what` happened, with the last lines of this run's log.
    pub(super) fn last_lines(&self, what: &str) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        self.quote(what, &lines[lines.len().saturating_sub(QUOTED_LINES)..])
    }

    fn quote(&self, what: &str, lines: &[&str]) -> String {
        let lines = lines.join("\n  ");
        format!("{what}; from its log, {}:\n  {lines}", self.path.display())
    }

    /// The end of this run's part, at most 64 KiB; empty if it cannot be read.
    fn text(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(
                self.start.max(end.saturating_sub(64 * 1024)),
            ))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}

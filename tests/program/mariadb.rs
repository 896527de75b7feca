//! The private MariaDB of a program that serves.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::process::eventually;

/// The MariaDB process of a data directory.
pub struct Mariadb {
    pid: Pid,
    lock: PathBuf,
}

impl Mariadb {
    pub fn of(data_dir: &Path) -> Self {
        let pid = std::fs::read_to_string(data_dir.join("mariadb.pid")).unwrap();
        Self {
            pid: Pid::from_raw(pid.trim().parse().unwrap()).unwrap(),
            lock: data_dir.join("server.lock"),
        }
    }

    pub fn kill(&self) {
        kill_process(self.pid, Signal::KILL).unwrap();
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        test_kill_process(self.pid).is_err()
    }

    /// Whether the process and its supervisor have ended.
    pub fn is_gone(&self) -> bool {
        self.has_ended() && File::open(&self.lock).unwrap().try_lock().is_ok()
    }

    #[track_caller]
    pub fn await_end(&self) {
        eventually(|| self.is_gone().then_some(())).expect("MariaDB ends with the program");
    }
}

//! One node of the cluster.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rustix::process::Signal;
use tokio::process::Child;
use tokio::time::timeout;

use crate::cluster::{deployed, render};
use crate::network::Host;
use crate::processes::{Root, command, connect_to_socket, run, send};

/// The user of the nodes, which do not run as root.
const USER: &str = "nobody";
const GROUP: &str = "nogroup";
pub const PORT: u16 = 3306;

pub struct Node {
    pub name: String,
    pub directory: PathBuf,
    pub host: Host,
    template: PathBuf,
    child: Option<Child>,
    /// How many bytes of the log are older than the process.
    log_before: usize,
    /// Whether all transactions since the start of the load are in its binary logs: they are not if it has
    /// got a copy of another node's data.
    pub has_all_binlogs: bool,
}

/// How a node that was away got the transactions that it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// It missed none.
    None,
    /// The missing transactions.
    Incremental,
    /// A copy of all data.
    Whole,
}

impl Node {
    /// A node that does not run yet, in a network of its own.
    pub async fn create(root: &Root, number: u8, members: &str) -> Self {
        let host = Host::create(number).await;
        let name = format!("node{number}");
        let directory = root.directory.join(&name);
        let path = |file: &str| directory.join(file).display().to_string();
        std::fs::create_dir(&directory).unwrap();
        let values = [
            ("CLUSTER", "test".to_owned()),
            ("NAME", name.clone()),
            ("NUMBER", number.to_string()),
            ("ADDRESS", host.address.to_string()),
            ("PORT", PORT.to_string()),
            ("GROUP_PORT", "4567".to_owned()),
            ("IST_PORT", "4568".to_owned()),
            ("SST_PORT", "4444".to_owned()),
            ("MEMBERS", members.to_owned()),
            ("GCACHE", "64M".to_owned()),
            ("BUFFER_POOL", "64M".to_owned()),
            ("DATA", path("data")),
            ("BINLOG", path("binlog")),
            ("SOCKET", path("sock")),
            ("PID_FILE", path("pid")),
            ("LOG", path("error.log")),
        ];
        let configuration = render("galera.cnf", &values).await;
        std::fs::write(directory.join("node.cnf"), configuration).unwrap();
        // The user of the nodes may be unable to read this clone.
        std::fs::copy(deployed("node"), directory.join("start")).unwrap();
        File::create(directory.join("error.log")).unwrap();
        let node = Self {
            name,
            directory,
            host,
            template: root.directory.join("template"),
            child: None,
            log_before: 0,
            has_all_binlogs: true,
        };
        node.lose_data().await;
        node
    }

    /// Replaces the data by those of an empty server, which does not run. The binary logs are kept aside,
    /// since the copy of another node's data would replace them.
    pub async fn lose_data(&self) {
        let data = self.directory.join("data");
        let _ = std::fs::remove_dir_all(&data);
        let aside = tempfile::Builder::new()
            .prefix("earlier")
            .disable_cleanup(true)
            .tempdir_in(&self.directory)
            .unwrap();
        for file in Self::binlogs_in(&self.directory) {
            let name = file.file_name().expect("a file");
            std::fs::rename(&file, aside.path().join(name)).unwrap();
        }
        let _ = std::fs::remove_file(self.directory.join("binlog.index"));
        run(command("cp").arg("-r").args([&self.template, &data])).await;
        let owner = format!("{USER}:{GROUP}");
        run(command("chown").args(["-R", &owner]).arg(&self.directory)).await;
    }

    /// Starts the process, without waiting.
    pub fn launch(&mut self, is_first: bool) {
        self.log_before = self.log().len();
        let mut node = self.host.enter("setpriv");
        node.args([&format!("--reuid={USER}"), &format!("--regid={GROUP}")])
            .args(["--clear-groups", "--pdeathsig=KILL"])
            .arg(self.directory.join("start"))
            .arg(self.directory.join("node.cnf"))
            .args(is_first.then_some("--wsrep-new-cluster"))
            .current_dir(&self.directory)
            .env("TMPDIR", &self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(node.spawn().unwrap());
    }

    /// Sends the signal and waits for the end of the process.
    pub async fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            send(&child, signal);
            let _ = child.wait().await;
        }
    }

    /// A connection of the administrator's to the shop's database.
    pub async fn connect(&self) -> Option<Conn> {
        connect_to_socket(&self.directory.join("sock"), "shop").await
    }

    /// The node's `wsrep_…` status, unless it does not respond.
    pub async fn status(&self) -> Option<HashMap<String, String>> {
        let query = async {
            let mut conn = connect_to_socket(&self.directory.join("sock"), "").await?;
            let rows = conn.query("SHOW GLOBAL STATUS LIKE 'wsrep%'").await;
            let rows: Vec<(String, String)> = rows.ok()?;
            Some(rows.into_iter().collect())
        };
        timeout(Duration::from_secs(2), query).await.ok()?
    }

    /// What the status says about this variable, or `?`.
    pub async fn variable(&self, name: &str) -> String {
        let status = self.status().await;
        let value = status.and_then(|mut status| status.remove(name));
        value.unwrap_or_else(|| "?".to_owned())
    }

    /// Whether it is synced, in a cluster of so many nodes.
    pub async fn is_synced(&self, size: usize) -> bool {
        let Some(status) = self.status().await else {
            return false;
        };
        status["wsrep_local_state"] == "4"
            && status["wsrep_ready"] == "ON"
            && status["wsrep_cluster_status"] == "Primary"
            && status["wsrep_cluster_size"] == size.to_string()
    }

    /// How the process got what it missed, according to its log.
    pub fn transfer(&self) -> Transfer {
        let log = self.log();
        let log = &log[self.log_before..];
        if log.contains("rsync SST completed on joiner") {
            Transfer::Whole
        } else if log.contains("IST received") {
            Transfer::Incremental
        } else {
            Transfer::None
        }
    }

    /// Forgets what the log says up to now.
    pub fn skip_log(&mut self) {
        self.log_before = self.log().len();
    }

    pub fn log(&self) -> String {
        let log = std::fs::read(self.directory.join("error.log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The files of its binary logs, those from before a loss of its data, too.
    pub fn binlogs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let is_aside = |path: &PathBuf| path.display().to_string().contains("/earlier");
        let mut binlogs = Self::binlogs_in(&self.directory);
        for directory in paths.filter(is_aside) {
            binlogs.extend(Self::binlogs_in(&directory));
        }
        binlogs
    }

    /// The files of its binary log in this directory.
    fn binlogs_in(directory: &Path) -> Vec<PathBuf> {
        let files = std::fs::read_dir(directory).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let mut binlogs: Vec<PathBuf> = paths.filter(|path| is_binlog(path)).collect();
        binlogs.sort();
        binlogs
    }
}

fn is_binlog(path: &Path) -> bool {
    path.file_stem().is_some_and(|name| name == "binlog")
        && path
            .extension()
            .and_then(|number| number.to_str())
            .is_some_and(|number| number.parse::<u32>().is_ok())
}

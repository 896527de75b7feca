//! The processes of a run: MariaDB and the service. The kernel kills them when this process ends, and
//! a shell removes their directories then.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// Removes the directory $1 when standard input ends, and what is mounted in it.
const CLEANER: &str = r#"read -r _
sleep 0.3
for disk in "$1"/*/data; do ! mountpoint -q "$disk" || umount -l "$disk"; done
rm -rf "$1""#;

/// How long a process may take to start or end.
const PATIENCE: Duration = Duration::from_mins(1);

/// The directory of a run, with a database that rows copy.
pub struct Root {
    pub directory: PathBuf,
    /// The end of its standard input starts it.
    cleaner: std::process::Child,
}

impl Root {
    /// Creates the directory, with the system tables of a server in `template`.
    pub async fn create() -> Self {
        // Under /tmp, since a socket's path must be short.
        let name = format!("ecommerce-faults-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let cleaner = std::process::Command::new("sh")
            .args(["-c", CLEANER, "cleaner"])
            .arg(&directory)
            .stdin(Stdio::piped())
            // An interrupt from the terminal does not reach it.
            .process_group(0)
            .spawn()
            .unwrap();
        let root = Self { directory, cleaner };
        let data = format!("--datadir={}/template", root.directory.display());
        let mut install = command("mariadb-install-db");
        install
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--innodb-log-file-size=16M", &data])
            .args(as_root())
            // Not a shared directory: a starting server deletes every temporary table in it.
            .env("TMPDIR", &root.directory);
        run(&mut install).await;
        root
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(self.cleaner.stdin.take());
        let _ = self.cleaner.wait();
    }
}

/// A MariaDB server on its own data directory.
pub struct Mariadb {
    directory: PathBuf,
    pub address: SocketAddr,
    options: Vec<String>,
    child: Option<Child>,
}

impl Mariadb {
    /// Starts a server on a copy of the template.
    pub async fn start(root: &Root, directory: &Path, options: &[&str]) -> Self {
        let data = directory.join("data");
        let template = root.directory.join("template");
        if !data.exists() {
            std::fs::create_dir(&data).unwrap();
        }
        let contents = template.join(".");
        run(command("cp").arg("-r").args([&contents, &data])).await;
        let mut server = Self {
            directory: directory.to_owned(),
            address: free_address(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            child: None,
        };
        server.launch().await;
        server
    }

    /// Starts the process, and waits until it answers.
    pub async fn launch(&mut self) {
        let mut mariadbd = bound("mariadbd");
        mariadbd
            .args(["--no-defaults", "--skip-name-resolve", "--skip-ssl"])
            .args(as_root())
            .args(["--bind-address=127.0.0.1", "--pid-file=pid"])
            .args(["--log-error=../log", "--innodb-buffer-pool-size=64M"])
            .args(["--innodb-log-file-size=16M", "--socket=../sock"])
            .args(["--extra-max-connections=10", "--max-connections=300"])
            .arg(format!("--port={}", self.address.port()))
            .arg(format!("--datadir={}/data", self.directory.display()))
            .args(&self.options)
            .current_dir(&self.directory)
            .env("TMPDIR", &self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(mariadbd.spawn().unwrap());
        let began = Instant::now();
        while self.try_connect("").await.is_none() {
            assert!(
                began.elapsed() < PATIENCE,
                "no server: {}",
                std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        send(child, signal);
    }

    /// Sends the signal and waits for the end of the process.
    pub async fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            send(&child, signal);
            let _ = child.wait().await;
        }
    }

    /// A connection of the administrator's, not through the proxy.
    pub async fn connect(&self, database: &str) -> Conn {
        let conn = self.try_connect(database).await;
        conn.expect("the server answers")
    }

    pub async fn try_connect(&self, database: &str) -> Option<Conn> {
        connect_to_socket(&self.directory.join("sock"), database).await
    }
}

/// A connection of the administrator's to a server.
pub async fn connect_to_socket(socket: &Path, database: &str) -> Option<Conn> {
    let options = OptsBuilder::default()
        .user(Some("root"))
        .socket(Some(socket.display().to_string()))
        .db_name(Some(database).filter(|name| !name.is_empty()));
    let mut conn = Conn::new(options).await.ok()?;
    conn.query_drop("SET SESSION autocommit = 1, lock_wait_timeout = 60")
        .await
        .ok()?;
    Some(conn)
}

/// The service.
pub struct Api {
    pub address: SocketAddr,
    directory: PathBuf,
    pub variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Api {
    pub fn new(directory: &Path, variables: Vec<(String, String)>) -> Self {
        Self {
            address: free_address(),
            directory: directory.to_owned(),
            variables,
            child: None,
        }
    }

    /// The file of the log of all processes in a directory.
    pub fn log(directory: &Path) -> PathBuf {
        directory.join("api.log")
    }

    /// Starts a process, without waiting until it serves.
    pub fn launch(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(Self::log(&self.directory));
        let mut program = bound(env!("CARGO_BIN_EXE_ecommerce-api"));
        program
            .arg("serve")
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", path_with_sbin())
            .env("SERVER_PORT", self.address.port().to_string())
            .env("RUST_LOG", "warn")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap());
        self.child = Some(program.spawn().unwrap());
    }

    /// Starts a process, and waits until it accepts connections.
    pub async fn start(&mut self) {
        self.launch();
        let began = Instant::now();
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            let child = self.child.as_mut().expect("it was launched");
            let end = child.try_wait().unwrap();
            assert!(
                end.is_none() && began.elapsed() < PATIENCE,
                "the service does not start: {}",
                std::fs::read_to_string(Self::log(&self.directory)).unwrap_or_default()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn pid(&self) -> u32 {
        let child = self.child.as_ref();
        child.and_then(Child::id).expect("the service runs")
    }

    pub fn signal(&self, signal: Signal) {
        send(self.child.as_ref().expect("the service runs"), signal);
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.wait().await;
        }
    }

    /// Sends the signal and waits for the end of the process.
    pub async fn end(&mut self, signal: Signal) {
        if self.child.is_some() {
            self.signal(signal);
            self.ended().await;
        }
    }
}

pub fn send(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    // The process may have ended by itself.
    let _ = pid.map(|pid| kill_process(pid, signal));
}

/// A command whose process is killed when this process ends, however it ends. The kernel does so at
/// the end of the thread that starts it, which is the main thread here.
pub fn bound(program: &str) -> Command {
    let mut command = command("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command.kill_on_drop(true);
    command.process_group(0);
    command
}

pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", path_with_sbin());
    command
}

/// Runs a command to its successful end.
pub async fn run(command: &mut Command) {
    let output = command.output().await.unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The option without which the server does not run as root; `None` if this process is not root's.
fn as_root() -> Option<&'static str> {
    is_root().then_some("--user=root")
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn path_with_sbin() -> String {
    format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    )
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

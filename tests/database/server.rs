//! MariaDB servers that stop when this process ends, even if it is killed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ecommerce_api::db::session::{self, Session};
use ecommerce_api::db::url::DatabaseUrl;

/// Runs the server until standard input ends. The kernel closes the pipe when this process ends.
const SUPERVISOR: &str = r#"directory=$1; shift
"$@" & child=$!
read -r _
kill "$child"; wait "$child"
rm -rf "$directory""#;

pub struct Server {
    pub directory: PathBuf,
    pub port: u16,
    /// Keeps the supervisor's standard input open.
    _supervisor: Child,
}

/// The server for all tests: with TLS, a certificate for localhost and 127.0.0.1, and the user
/// `shop` with the password `p w/#:@?&=%ü`, from anywhere.
pub static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let directory = fresh_directory("main");
    make_certificates(&directory);
    install(&directory);
    let server = start(directory, &["--innodb-log-file-size=16M"], Some("here"));
    server.sql(
        "mysql",
        "CREATE USER shop IDENTIFIED BY 'p w/#:@?&=%ü'; GRANT ALL ON *.* TO shop;
         CREATE DATABASE `my shop`",
    );
    server
});

/// Starts a server for one test, with these options.
pub fn own_server(name: &str, options: &[&str]) -> Server {
    let directory = fresh_directory(name);
    install(&directory);
    start(directory, options, None)
}

/// Creates the system tables of a server.
fn install(directory: &Path) {
    let data = format!("--datadir={}/data", directory.display());
    let install = [
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--force",
        &data,
    ];
    run(Command::new("mariadb-install-db")
        .args(install)
        // Not a shared directory: a starting server deletes every temporary table in it.
        .env("TMPDIR", directory)
        .args(as_root()));
}

/// A server without TLS, with the same users.
pub static PLAIN: LazyLock<Server> = LazyLock::new(|| small("plain", None));

/// A server whose certificate is for another host, with the same users.
pub static ELSEWHERE: LazyLock<Server> = LazyLock::new(|| small("elsewhere", Some("elsewhere")));

/// A server without `InnoDB`, on a copy of the first one's system tables.
fn small(name: &str, certificate: Option<&str>) -> Server {
    SERVER.sql("mysql", "FLUSH TABLES WITH READ LOCK; UNLOCK TABLES");
    let directory = fresh_directory(name);
    std::fs::create_dir(directory.join("data")).unwrap();
    let system = |directory: &Path| directory.join("data/mysql");
    run(Command::new("cp")
        .arg("-r")
        .args([system(&SERVER.directory), system(&directory)]));
    for file in ["ca.pem", "elsewhere.pem", "elsewhere.key"] {
        std::fs::copy(SERVER.directory.join(file), directory.join(file)).unwrap();
    }
    let server = start(
        directory,
        &["--skip-innodb", "--default-storage-engine=Aria"],
        certificate,
    );
    server.sql("mysql", "CREATE DATABASE IF NOT EXISTS `my shop`");
    server
}

/// A database for one test.
pub struct Database {
    pub url: DatabaseUrl,
}

/// Creates an empty database on [`SERVER`].
pub fn empty_database() -> Database {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let socket = SERVER.directory.join("sock");
    let url = format!("mysql://root@localhost/{name}?socket={}", socket.display());
    let url = DatabaseUrl::parse(&url).unwrap();
    let charset = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci";
    SERVER.sql("mysql", &format!("CREATE DATABASE {name} {charset}"));
    Database { url }
}

impl Database {
    pub fn session(&self) -> Session {
        session::connect(&self.url).unwrap()
    }
}

impl Server {
    /// Runs SQL as root, with the server's own client.
    pub fn sql(&self, database: &str, sql: &str) {
        run(self
            .client()
            .args(["--database", database, "--execute", sql]));
    }

    fn client(&self) -> Command {
        let mut command = Command::new("mariadb");
        command.args([
            "--no-defaults",
            "--user=root",
            "--default-character-set=utf8mb4",
        ]);
        command.arg(format!("--socket={}/sock", self.directory.display()));
        command
    }
}

fn start(directory: PathBuf, options: &[&str], certificate: Option<&str>) -> Server {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let mut supervisor = Command::new("sh");
    supervisor
        .args(["-c", SUPERVISOR, "supervisor"])
        .arg(&directory)
        .args(["mariadbd", "--no-defaults", "--skip-name-resolve"])
        .args(as_root())
        .args([
            "--bind-address=127.0.0.1",
            "--pid-file=pid",
            "--log-error=../log",
        ])
        .args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-buffer-pool-size=64M",
        ])
        .arg(format!("--port={port}"))
        .arg(format!("--datadir={}/data", directory.display()))
        .arg(format!("--socket={}/sock", directory.display()))
        .args(options)
        .current_dir(&directory)
        .env("PATH", path_with_sbin())
        .env("TMPDIR", &directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match certificate {
        Some(name) => {
            for (option, file) in [
                ("ca", "ca.pem".to_owned()),
                ("cert", format!("{name}.pem")),
                ("key", format!("{name}.key")),
            ] {
                supervisor.arg(format!("--ssl-{option}={}/{file}", directory.display()));
            }
        }
        None => {
            supervisor.arg("--skip-ssl");
        }
    }
    let server = Server {
        _supervisor: supervisor.spawn().unwrap(),
        directory,
        port,
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while !server
        .client()
        .args(["-e", "DO 0"])
        .output()
        .unwrap()
        .status
        .success()
    {
        assert!(
            Instant::now() < deadline,
            "no server in {}: {}",
            server.directory.display(),
            std::fs::read_to_string(server.directory.join("log")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

/// Two authorities, and certificates of the first for this host (`here`) and for another.
fn make_certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        run(Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory));
    };
    for (name, subject) in [("ca", "/CN=Ours"), ("other-ca", "/CN=Theirs")] {
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj {subject} -keyout {name}.key -out {name}.pem"
        ));
    }
    for (name, hosts) in [
        ("here", "DNS:localhost,IP:127.0.0.1"),
        ("elsewhere", "DNS:elsewhere.example"),
    ] {
        let extensions = format!("{name}.ext");
        std::fs::write(
            directory.join(&extensions),
            format!("subjectAltName={hosts}\n"),
        )
        .unwrap();
        openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile {extensions} -out {name}.pem"
        ));
    }
}

fn fresh_directory(name: &str) -> PathBuf {
    // Under /tmp, since a socket's path must be short.
    let directory =
        std::env::temp_dir().join(format!("ecommerce-db-{}-{name}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    directory
}

fn run(command: &mut Command) {
    let output = command.env("PATH", path_with_sbin()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The option without which the server does not run as root; `None` if this process is not root's.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

fn path_with_sbin() -> String {
    format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default())
}

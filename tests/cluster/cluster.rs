//! The processes of the cluster, with the configuration of `deploy/`.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hyper::Method;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::time::sleep;

use crate::client::{Client, Outcome};
use crate::network;
use crate::node::{Node, PORT};
use crate::processes::{Api, Root, bound, command, connect_to_socket};

/// The password of the service's user.
const PASSWORD: &str = "secret";
/// How long a process or a change of the cluster may take.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Cluster {
    pub nodes: Vec<Node>,
    pub replicas: Vec<Api>,
    /// Where the clients send their requests.
    pub address: SocketAddr,
    /// Where the replicas find the database.
    database: SocketAddr,
    directory: PathBuf,
    _haproxy: Child,
}

impl Cluster {
    /// Starts all processes, with an empty shop. With two writers, each replica uses another node, as behind
    /// two HAProxys that disagree.
    pub async fn start(root: &Root, has_two_writers: bool) -> Self {
        network::create().await;
        let members = "10.0.0.11:4567,10.0.0.12:4567,10.0.0.13:4567";
        let mut nodes: Vec<Node> = vec![];
        for number in 1..=3 {
            let mut node = Node::create(root, number, members).await;
            let began = Instant::now();
            node.launch(number == 1);
            nodes.push(node);
            let node = nodes.last().expect("it was added");
            let size = nodes.len();
            wait_until("the node joins", async || node.is_synced(size).await)
                .await
                .unwrap_or_else(|problem| panic!("{problem}: {}", end_of(&node.log())));
            if number == 1 {
                let accounts = [("PASSWORD", PASSWORD.to_owned())];
                let accounts = render("accounts.sql", &accounts).await;
                let socket = node.directory.join("sock");
                let conn = connect_to_socket(&socket, "").await;
                conn.expect("it runs").query_drop(accounts).await.unwrap();
            }
            let size = node.variable("wsrep_cluster_size").await;
            let time = began.elapsed().as_secs_f64();
            println!(
                "{}: synced after {time:.1} s, wsrep_cluster_size {size}",
                node.name
            );
        }
        let database = SocketAddr::from((Ipv4Addr::LOCALHOST, 3306));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8088));
        let databases = if has_two_writers {
            [0, 1].map(|index| SocketAddr::from((nodes[index].host.address, PORT)))
        } else {
            [database; 2]
        };
        let replicas = replicas(root, databases).await;
        let haproxy = haproxy(&root.directory, database, address, &nodes, &replicas).await;
        let mut cluster = Self {
            nodes,
            replicas,
            address,
            database,
            directory: root.directory.clone(),
            _haproxy: haproxy,
        };
        // One after the other, since the first one migrates, which only one may do on all nodes at a time.
        for replica in &mut cluster.replicas {
            replica.start().await;
            let mut client = Client::new(replica.address);
            wait_until("the replica is ready", async || {
                let outcome = client.send(Method::GET, "/health", None).await;
                matches!(outcome, Outcome::Response(response) if response.status == 200)
            })
            .await
            .unwrap();
        }
        for server in ["replica1", "replica2", "node1", "node2", "node3"] {
            cluster.wait_until_up(server).await.unwrap();
        }
        println!("two replicas serve");
        cluster
    }

    /// The index of the node that HAProxy sends the replicas to.
    pub async fn writer(&self) -> Option<usize> {
        let options = OptsBuilder::default()
            .ip_or_hostname(self.database.ip().to_string())
            .tcp_port(self.database.port())
            .user(Some("shop"))
            .pass(Some(PASSWORD));
        let mut conn = Conn::new(options).await.ok()?;
        let name = conn.query_first("SELECT @@wsrep_node_name").await;
        let name: Option<String> = name.ok()?;
        self.nodes
            .iter()
            .position(|node| Some(&node.name) == name.as_ref())
    }

    /// Waits until HAProxy considers a server usable.
    pub async fn wait_until_up(&self, server: &str) -> Result<(), String> {
        let what = format!("HAProxy uses {server}");
        wait_until(&what, async || self.is_up(server).await == Some(true)).await
    }

    /// Waits until HAProxy considers a server unusable.
    pub async fn wait_until_down(&self, server: &str) -> Result<(), String> {
        let what = format!("HAProxy no longer uses {server}");
        wait_until(&what, async || self.is_up(server).await == Some(false)).await
    }

    async fn is_up(&self, server: &str) -> Option<bool> {
        let socket = self.directory.join("haproxy.sock");
        let mut stream = UnixStream::connect(socket).await.ok()?;
        stream.write_all(b"show stat\n").await.ok()?;
        let mut table = String::new();
        stream.read_to_string(&mut table).await.ok()?;
        let line = table
            .lines()
            .find(|line| line.split(',').nth(1) == Some(server))?;
        Some(line.split(',').nth(17)?.starts_with("UP"))
    }

    /// Waits until these nodes are synced and form one cluster.
    pub async fn wait_until_synced(&self, indexes: &[usize]) -> Result<(), String> {
        let what = format!("{} nodes are synced", indexes.len());
        wait_until(&what, async || {
            for &index in indexes {
                if !self.nodes[index].is_synced(indexes.len()).await {
                    return false;
                }
            }
            true
        })
        .await
    }

    /// So that nothing is compared that a replica commits later.
    pub async fn stop_replicas(&mut self) {
        for replica in &mut self.replicas {
            replica.end(Signal::TERM).await;
        }
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let nodes = self.nodes.iter().map(|node| (&*node.name, node.log()));
        let others = ["replica1/api.log", "replica2/api.log", "haproxy.log"].map(|name| {
            let log = std::fs::read_to_string(self.directory.join(name));
            (name, log.unwrap_or_default())
        });
        let logs = nodes.chain(others);
        let ends = logs.map(|(name, log)| {
            format!(
                "── {name}
{}",
                end_of(&log)
            )
        });
        let ends: Vec<String> = ends.collect();
        format!(
            "the logs end with
{}",
            ends.join(
                "
"
            )
        )
    }
}

/// The replicas, which do not run yet.
async fn replicas(root: &Root, databases: [SocketAddr; 2]) -> Vec<Api> {
    let mut replicas = vec![];
    for (number, database) in (1..).zip(databases) {
        let directory = root.directory.join(format!("replica{number}"));
        std::fs::create_dir(&directory).unwrap();
        let mut replica = Api::new(&directory, vec![]);
        let values = [
            ("PASSWORD", PASSWORD.to_owned()),
            ("DATABASE_ADDRESS", database.to_string()),
            ("HOST", replica.address.ip().to_string()),
            ("PORT", replica.address.port().to_string()),
            ("PROXY", Ipv4Addr::LOCALHOST.to_string()),
        ];
        let environment = render("replica.env", &values).await;
        let lines = environment.lines().filter(|line| !line.starts_with('#'));
        let variables = lines.filter_map(|line| line.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let migrate = ("MIGRATE_ON_START".to_owned(), "true".to_owned());
        replica.variables = variables.chain([migrate]).collect();
        replicas.push(replica);
    }
    replicas
}

async fn haproxy(
    directory: &Path,
    database: SocketAddr,
    address: SocketAddr,
    nodes: &[Node],
    replicas: &[Api],
) -> Child {
    let socket = directory.join("haproxy.sock").display().to_string();
    let mut values = vec![
        ("STATS_SOCKET", socket),
        ("ERRORS", deployed("errors").display().to_string()),
        ("DATABASE_ADDRESS", database.to_string()),
        ("API_ADDRESS", address.to_string()),
    ];
    for (name, node) in ["NODE1", "NODE2", "NODE3"].into_iter().zip(nodes) {
        values.push((name, format!("{}:{PORT}", node.host.address)));
    }
    for (name, replica) in ["REPLICA1", "REPLICA2"].into_iter().zip(replicas) {
        values.push((name, replica.address.to_string()));
    }
    let file = directory.join("haproxy.cfg");
    std::fs::write(&file, render("haproxy.cfg", &values).await).unwrap();
    let log = File::create(directory.join("haproxy.log")).unwrap();
    bound("haproxy")
        .args(["-db", "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A file of `deploy/`.
pub fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

/// A template of `deploy/` with these values.
pub async fn render(template: &str, values: &[(&str, String)]) -> String {
    let pairs = values.iter().map(|(name, value)| format!("{name}={value}"));
    let output = command(&deployed("render").display().to_string())
        .arg(template)
        .args(pairs)
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until the condition is met, or says that it is not.
pub async fn wait_until(
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) -> Result<(), String> {
    let began = Instant::now();
    while !condition().await {
        if began.elapsed() > PATIENCE {
            return Err(format!("after {PATIENCE:?} it is not so that {what}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

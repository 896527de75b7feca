//! The network of a run: a bridge in the namespace of this process, and for each node a namespace that is
//! connected to it. Everything ends with its processes.

use std::net::Ipv4Addr;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::processes::{bound, command, run};

/// Creates the bridge.
pub async fn create() {
    for arguments in [
        "link set lo up",
        "link add bridge0 type bridge",
        "addr add 10.0.0.1/24 dev bridge0",
        "link set bridge0 up",
    ] {
        ip(arguments).await;
    }
}

/// The network of one node.
pub struct Host {
    pub address: Ipv4Addr,
    /// The port of the bridge that leads to it.
    port: String,
    /// A process that does nothing: the namespace exists as long as it runs.
    holder: Child,
}

impl Host {
    pub async fn create(number: u8) -> Self {
        let mut holder = bound("unshare")
            .args(["--net", "sh", "-c", "echo; exec sleep infinity"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // From its first output on, it has its namespace.
        let output = holder.stdout.as_mut().expect("it is piped");
        output.read_u8().await.unwrap();
        let host = Self {
            address: Ipv4Addr::new(10, 0, 0, 10 + number),
            port: format!("node{number}"),
            holder,
        };
        let (port, id) = (&host.port, host.id());
        ip(&format!(
            "link add {port} type veth peer name eth0 netns {id}"
        ))
        .await;
        ip(&format!("link set {port} master bridge0 up")).await;
        for arguments in [
            "link set lo up",
            &format!("addr add {}/24 dev eth0", host.address),
            "link set eth0 up",
        ] {
            run(host.enter("ip").args(arguments.split(' '))).await;
        }
        host
    }

    /// A command in this network.
    pub fn enter(&self, program: &str) -> Command {
        let mut command = bound("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.id()));
        command.arg(program);
        command
    }

    /// From now on no packet passes between this host and all others. Nobody is told.
    pub async fn cut(&self) {
        self.forward(false).await;
    }

    pub async fn heal(&self) {
        self.forward(true).await;
    }

    async fn forward(&self, is_forwarding: bool) {
        let state = if is_forwarding { "3" } else { "0" };
        let port = ["dev", &self.port];
        let bridge = &mut command("bridge");
        run(bridge
            .args(["link", "set"])
            .args(port)
            .args(["state", state]))
        .await;
    }

    fn id(&self) -> u32 {
        self.holder.id().expect("it runs")
    }
}

async fn ip(arguments: &str) {
    run(command("ip").args(arguments.split(' '))).await;
}

//! The faults, and how the cluster recovers from each.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use rand::Rng;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::node::Transfer;
use crate::scene::Scene;

/// The load while a node or a replica is away.
const AWAY: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// `kill -9` of a node that is not the writer.
    KillNode,
    /// `kill -9` of the node that executes all transactions of the replicas.
    KillWriter,
    /// `kill -9` of a replica of the service.
    KillReplica,
    /// A node that is not the writer is cut off from all others, and from HAProxy.
    CutNode,
    /// The writer is cut off.
    CutWriter,
    /// SIGTERM of a node that is not the writer.
    StopNode,
    /// SIGTERM of the writer.
    StopWriter,
    /// `kill -9` of a node that is not the writer, which then has lost its data.
    LoseNode,
}

impl Fault {
    pub fn title(self) -> &'static str {
        match self {
            Self::KillNode => "kill -9 of a node",
            Self::KillWriter => "kill -9 of the writer",
            Self::KillReplica => "kill -9 of a replica",
            Self::CutNode => "a node is cut off",
            Self::CutWriter => "the writer is cut off",
            Self::StopNode => "a node is stopped",
            Self::StopWriter => "the writer is stopped",
            Self::LoseNode => "kill -9 of a node, whose data are lost",
        }
    }

    /// Causes the fault, waits until the cluster is whole again, and prints what was seen.
    pub async fn inflict(self, cluster: &mut Cluster, scene: &Scene) -> Result<(), String> {
        scene.take_stall();
        let acknowledged = scene.ledger.acknowledged();
        if self == Self::KillReplica {
            kill_replica(cluster).await?;
        } else {
            self.break_node(cluster).await?;
        }
        println!(
            "    {} writes acknowledged, none for {:.1} s at most",
            scene.ledger.acknowledged() - acknowledged,
            scene.take_stall().as_secs_f64()
        );
        Ok(())
    }

    async fn break_node(self, cluster: &mut Cluster) -> Result<(), String> {
        let writer = cluster.writer().await.ok_or("there is no writer")?;
        let is_writer = matches!(self, Self::KillWriter | Self::CutWriter | Self::StopWriter);
        let shift = if is_writer {
            0
        } else {
            rand::rng().random_range(1..3)
        };
        let index = (writer + shift) % 3;
        let others = [(index + 1) % 3, (index + 2) % 3];
        println!(" ({})", cluster.nodes[index].name);
        let before = sizes(cluster).await;

        let began = Instant::now();
        let node = &mut cluster.nodes[index];
        node.skip_log();
        match self {
            Self::CutNode | Self::CutWriter => node.host.cut().await,
            Self::StopNode | Self::StopWriter => node.end(Signal::TERM).await,
            _ => node.end(Signal::KILL).await,
        }
        cluster.wait_until_synced(&others).await?;
        let excluded = began.elapsed();
        sleep(AWAY).await;
        let during = sizes(cluster).await;

        let began = Instant::now();
        let node = &mut cluster.nodes[index];
        match self {
            Self::CutNode | Self::CutWriter => node.host.heal().await,
            Self::LoseNode => {
                node.has_all_binlogs = false;
                node.lose_data().await;
                node.launch(false);
            }
            _ => node.launch(false),
        }
        cluster.wait_until_synced(&[0, 1, 2]).await?;
        let joined = began.elapsed();
        let node = &cluster.nodes[index];
        cluster.wait_until_up(&node.name).await?;
        let after = sizes(cluster).await;
        let transfer = node.transfer();
        println!(
            "    wsrep_cluster_size before {before}, during {during}, after {after}; excluded after {:.1} s, \
             back after {:.1} s ({})",
            excluded.as_secs_f64(),
            joined.as_secs_f64(),
            match transfer {
                Transfer::None => "missed nothing",
                Transfer::Incremental => "IST",
                Transfer::Whole => "SST",
            }
        );
        if (transfer == Transfer::Whole) == (self == Self::LoseNode) {
            Ok(())
        } else {
            Err(format!("the node got its data by {transfer:?}"))
        }
    }
}

async fn kill_replica(cluster: &mut Cluster) -> Result<(), String> {
    let index = rand::rng().random_range(0..cluster.replicas.len());
    let name = format!("replica{}", index + 1);
    println!(" ({name})");
    let before = sizes(cluster).await;
    cluster.replicas[index].end(Signal::KILL).await;
    cluster.wait_until_down(&name).await?;
    sleep(AWAY).await;
    let during = sizes(cluster).await;
    let began = Instant::now();
    cluster.replicas[index].start().await;
    cluster.wait_until_up(&name).await?;
    let back = began.elapsed().as_secs_f64();
    let after = sizes(cluster).await;
    println!(
        "    wsrep_cluster_size before {before}, during {during}, after {after}; back after {back:.1} s"
    );
    Ok(())
}

/// What each node says about the size of the cluster; `?` if it does not respond.
async fn sizes(cluster: &Cluster) -> String {
    let mut sizes = vec![];
    for node in &cluster.nodes {
        sizes.push(node.variable("wsrep_cluster_size").await);
    }
    sizes.join("/")
}

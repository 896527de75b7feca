//! The comparison at the end of a run: the ledger, the responses and the rows of all nodes.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::binlogs::{self, Finding, Log};
use crate::cluster::{Cluster, wait_until};
use crate::ledger::Differences;
use crate::scene::Scene;

/// Compares, prints a summary and returns what was wrong.
pub async fn compare(cluster: &Cluster, scene: &Scene) -> Vec<String> {
    let mut problems = vec![];
    if let Err(problem) = wait_until("the nodes have the same transactions", async || {
        are_level(cluster).await
    })
    .await
    {
        problems.push(problem);
    }
    problems.extend(differences_of_nodes(cluster).await);
    let Some(mut conn) = cluster.nodes[0].connect().await else {
        problems.push("node1 does not respond".to_owned());
        return problems;
    };
    let Differences {
        lost,
        doubled,
        wrong_ids,
    } = scene.ledger.compare(&mut conn).await;
    let statuses = scene.samples.statuses();
    let statuses = statuses.iter().map(|(status, count)| match status {
        Some(status) => format!("{status}: {count}"),
        None => format!("none: {count}"),
    });
    println!(
        "{} acknowledged writes; statuses {}; refused {}; longest request {:.1} s; lost {}, doubled {}, \
         wrong ids {}",
        scene.ledger.acknowledged(),
        statuses.collect::<Vec<_>>().join(", "),
        scene.samples.refused(),
        scene.samples.longest().as_secs_f64(),
        lost.len(),
        doubled.len(),
        wrong_ids.len(),
    );
    problems.extend(some("doubled", &doubled));
    problems.extend(some("wrong id", &wrong_ids));
    problems.extend(some("unexpected response", &scene.samples.unexpected()));
    problems.extend(losses(cluster, &lost).await);
    problems
}

/// The losses that are not the cluster's own. Prints the others.
async fn losses(cluster: &Cluster, lost: &[String]) -> Vec<String> {
    let mut logs = vec![];
    for node in &cluster.nodes {
        logs.push(Log::read(node).await);
    }
    // A row from before the load, by which a log that cannot be read is noticed.
    let mut problems = vec![];
    if !logs.iter().any(|log| log.has_user("seed1@example.com")) {
        problems.push("the binary logs cannot be read".to_owned());
    }
    let mut unexplained = vec![];
    for lost in lost {
        match binlogs::explain(lost, &logs) {
            Finding::LostByCluster(text) => println!("LOST BY GALERA: {text}"),
            Finding::Unexplained(text) => unexplained.push(text),
        }
    }
    problems.extend(some("lost", &unexplained));
    problems
}

/// Whether all nodes have applied the same transactions.
async fn are_level(cluster: &Cluster) -> bool {
    let mut positions = vec![];
    for node in &cluster.nodes {
        positions.push(node.variable("wsrep_last_committed").await);
    }
    positions.iter().all(|position| *position == positions[0])
}

/// Compares all tables of the nodes.
async fn differences_of_nodes(cluster: &Cluster) -> Vec<String> {
    let mut problems = vec![];
    let mut first: Option<BTreeMap<String, Vec<Row>>> = None;
    for node in &cluster.nodes {
        let Some(conn) = node.connect().await else {
            problems.push(format!("{} does not respond", node.name));
            continue;
        };
        let tables = tables(conn).await;
        let Some(first) = &first else {
            let count = |(name, rows): (&String, &Vec<Row>)| format!("{name}: {}", rows.len());
            let counts: Vec<String> = tables.iter().map(count).collect();
            println!("rows: {}", counts.join(", "));
            first = Some(tables);
            continue;
        };
        for (name, rows) in first {
            let others = tables.get(name).map_or(&[][..], Vec::as_slice);
            let differing = rows.iter().zip(others);
            let differing =
                differing.filter(|(one, other)| format!("{one:?}") != format!("{other:?}"));
            let differing = differing.count();
            if differing > 0 || rows.len() != others.len() {
                problems.push(format!(
                    "{name} has {} rows on {} and {} on {}, and {differing} of them differ",
                    rows.len(),
                    cluster.nodes[0].name,
                    others.len(),
                    node.name
                ));
            }
        }
    }
    problems
}

/// The rows of all tables, in the order of their keys.
async fn tables(mut conn: Conn) -> BTreeMap<String, Vec<Row>> {
    let names: Vec<String> = conn.query("SHOW TABLES").await.unwrap();
    let mut tables = BTreeMap::new();
    for name in names {
        let rows = conn
            .query(format!("SELECT * FROM `{name}` ORDER BY 1"))
            .await;
        tables.insert(name, rows.unwrap());
    }
    tables
}

/// The number of these texts and the first ones, unless there are none.
fn some(what: &str, texts: &[String]) -> Option<String> {
    let first = texts.iter().take(3);
    let first: Vec<String> = first.map(|text| text.chars().take(300).collect()).collect();
    (!texts.is_empty()).then(|| format!("{} × {what}: {}", texts.len(), first.join("; ")))
}

//! What the binary logs of the nodes say about a write that was acknowledged and is not in the database.
//!
//! The writer commits a transaction into its binary log after the cluster has agreed on it. So if a write is in
//! the log of one node and was never in that of another, the cluster has lost it. If it is in no log, the
//! service has acknowledged what it did not commit.

use crate::node::Node;
use crate::processes::command;

/// What became of a lost write.
pub enum Finding {
    /// A node committed it, with this transaction id, and these nodes never did.
    LostByCluster(String),
    /// The logs do not excuse the service.
    Unexplained(String),
}

/// The decoded binary logs of a node.
pub struct Log {
    node: String,
    is_complete: bool,
    text: String,
}

impl Log {
    pub async fn read(node: &Node) -> Self {
        let output = command("mariadb-binlog")
            .args(["--no-defaults", "--verbose", "--base64-output=decode-rows"])
            .args(node.binlogs())
            .output()
            .await
            .unwrap();
        Self {
            node: node.name.clone(),
            is_complete: node.has_all_binlogs,
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    /// The id of the transaction with these changes.
    fn transaction(&self, (statement, values): &(&str, String)) -> Option<&str> {
        let mut transactions = self.text.split("GTID ").skip(1);
        let found = transactions.find(|text| text.contains(statement) && text.contains(values))?;
        found.split_whitespace().next()
    }

    /// Whether the log shows that this user was inserted.
    pub fn has_user(&self, email: &str) -> bool {
        let change = ("### INSERT INTO `shop`.`users`", format!("'{email}'"));
        self.transaction(&change).is_some()
    }
}

/// Looks for a difference that the ledger reports as lost.
pub fn explain(lost: &str, logs: &[Log]) -> Finding {
    let Some(change) = change(lost) else {
        return Finding::Unexplained(format!("{lost}: no such change is known"));
    };
    let found = logs
        .iter()
        .find_map(|log| Some((log, log.transaction(&change)?)));
    let Some((log, id)) = found else {
        return Finding::Unexplained(format!("{lost}: in no binary log"));
    };
    let missing = logs
        .iter()
        .filter(|log| log.is_complete && log.transaction(&change).is_none());
    let missing: Vec<&str> = missing.map(|log| &*log.node).collect();
    if missing.is_empty() {
        let text = format!("{lost}: transaction {id} is in the binary logs of all nodes");
        return Finding::Unexplained(text);
    }
    let (node, missing) = (&log.node, missing.join(" and "));
    let text =
        format!("{lost}: {node} committed it as transaction {id}, which {missing} never had");
    Finding::LostByCluster(text)
}

/// How `mariadb-binlog` shows the change of a lost write: the statement, and the values of columns.
fn change(lost: &str) -> Option<(&'static str, String)> {
    let quoted = |prefix: &str| {
        Some(format!(
            "'{}'",
            lost.strip_prefix(prefix)?.split('"').next()?
        ))
    };
    if let Some(email) = quoted("User(\"") {
        return Some(("### INSERT INTO `shop`.`users`", email));
    }
    if let Some(title) = quoted("Product(\"") {
        return Some(("### INSERT INTO `shop`.`products`", title));
    }
    if let Some(id) = lost.strip_prefix("the removal of item ") {
        return Some(("### DELETE FROM `shop`.`cart`", format!("@1={id}\n")));
    }
    if let Some(rest) = lost.strip_prefix("the description ") {
        let (text, _) = rest.split_once(" of product ")?;
        return Some(("### UPDATE `shop`.`products`", format!("'{text}'")));
    }
    let (user, rest) = lost.strip_prefix("Item(")?.split_once(", ")?;
    let (product, id) = rest.split_once("), id ")?;
    let values = format!("@1={id}\n###   @2={user}\n###   @3={product}\n");
    Some(("### INSERT INTO `shop`.`cart`", values))
}

/// Checks the explanations on made-up logs, before each run: a loss is too rare to be one.
pub fn check_explanations() {
    let transaction = |id: &str, rows: &str| format!("#251125 GTID {id} trans\n{rows}");
    let log = |node: &str, is_complete, text: String| Log {
        node: node.to_owned(),
        is_complete,
        text,
    };
    let item =
        "### INSERT INTO `shop`.`cart`\n### SET\n###   @1=17\n###   @2=3\n###   @3=4\n# at 5\n";
    let removal = "### DELETE FROM `shop`.`cart`\n### WHERE\n###   @1=18\n###   @2=3\n";
    let all = transaction("1-1-5", item);
    let more = format!("{all}{}", transaction("1-1-6", removal));
    let logs = [
        log("node1", true, more),
        log("node2", true, all),
        log("node3", false, String::new()),
    ];
    let excuse = |lost| match explain(lost, &logs) {
        Finding::LostByCluster(text) => Some(text),
        Finding::Unexplained(_) => None,
    };
    let lost = "the removal of item 18";
    let expected =
        format!("{lost}: node1 committed it as transaction 1-1-6, which node2 never had");
    assert_eq!(excuse(lost), Some(expected));
    // In the complete logs of all nodes, with other values, in none.
    for lost in [
        "Item(3, 4), id 17",
        "Item(3, 4), id 1",
        "User(\"a@b.c\"), id 1",
    ] {
        assert_eq!(excuse(lost), None);
    }
}

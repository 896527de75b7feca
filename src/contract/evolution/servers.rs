//! The rule for servers: which one generated clients call by default, and which they can choose.
//!
//! Imports the module's `sides` and `walk`.

use serde_json::{Value, json};

use super::sides::Sides;
use super::walk::Walk;

impl Walk<'_> {
    /// The servers of the document. Generated clients call the first one by default, and select the
    /// others by their index.
    pub(super) fn servers(&mut self, sides: Sides<'_>) {
        match (without_documentation(sides.old), without_documentation(sides.new)) {
            (Some(old), Some(new)) if old.first() != new.first() => self.breaking(
                sides,
                "generated clients call the first server by default: the same code calls another one",
            ),
            (Some(old), Some(new)) if new.starts_with(&old) => {
                self.compatible(sides, "the known servers keep their positions");
            }
            (Some(_), Some(_)) => self.breaking(
                sides,
                "generated clients choose a server by its place in the list",
            ),
            _ => self.without_rule(sides),
        }
    }
}

/// The servers without their documentation. None when they are not a list of objects.
fn without_documentation(servers: Option<&Value>) -> Option<Vec<Value>> {
    let Some(servers) = servers else {
        // The server that OpenAPI assumes for a document without servers.
        return Some(vec![json!({"url": ""})]);
    };
    let without_documentation = |server: &Value| {
        let mut server = server.as_object()?.clone();
        server.retain(|key, _| key != "description" && !key.starts_with("x-"));
        if let Some(Value::String(url)) = server.get_mut("url") {
            // Paths begin with a slash: one at the end of the URL makes no difference.
            url.truncate(url.trim_end_matches('/').len());
        }
        Some(Value::Object(server))
    };
    servers
        .as_array()?
        .iter()
        .map(without_documentation)
        .collect()
}

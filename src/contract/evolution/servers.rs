//! The rule for servers: what generated clients call by default, and which ones they can choose.
//!
//! Imports the module's `sides` and `walk`.

use serde_json::{Value, json};

use super::sides::Sides;
use super::walk::Walk;

impl Walk<'_> {
    /// A generated client calls the first server unless it is told another, and offers the others
    /// by their place in the list.
    pub(super) fn servers(&mut self, sides: Sides<'_>) {
        match (plain(sides.old), plain(sides.new)) {
            (Some(old), Some(new)) if old.first() != new.first() => self.breaking(
                sides,
                "generated clients call the first server by default: the same code calls another one",
            ),
            (Some(old), Some(new)) if new.starts_with(&old) => {
                self.compatible(sides, "the servers that clients know are where they were");
            }
            (Some(_), Some(_)) => self.breaking(
                sides,
                "generated clients choose a server by its place in the list",
            ),
            _ => self.unknown(sides),
        }
    }
}

/// The servers without what is documentation; none when they are no list of objects.
fn plain(servers: Option<&Value>) -> Option<Vec<Value>> {
    let Some(servers) = servers else {
        // What OpenAPI says of a document without servers.
        return Some(vec![json!({"url": ""})]);
    };
    let plain = |server: &Value| {
        let mut server = server.as_object()?.clone();
        server.retain(|key, _| key != "description" && !key.starts_with("x-"));
        if let Some(Value::String(url)) = server.get_mut("url") {
            // Paths begin with a slash, so that one at the end of the URL changes nothing.
            url.truncate(url.trim_end_matches('/').len());
        }
        Some(Value::Object(server))
    };
    servers.as_array()?.iter().map(plain).collect()
}

//! What can be written, as the contract says: the resources that are created by a POST, and the
//! properties of the bodies that write them.

use ecommerce_api::api::contracts::contracts;
use serde_json::Value;

use crate::common::headers;

/// What a POST creates.
pub struct Resource {
    /// The path that is posted to.
    pub list: String,
    /// The properties of what is posted.
    pub draft: Vec<Property>,
    /// Those of the PUT on one row, but for the id; none where there is no PUT.
    pub changes: Vec<Property>,
}

pub struct Property {
    pub name: String,
    pub schema: &'static Value,
    pub is_required: bool,
    /// It stands in the responses that show a row.
    pub is_shown: bool,
    /// It names a row of another resource.
    pub is_reference: bool,
}

impl Property {
    pub fn is_secret(&self) -> bool {
        self.schema["writeOnly"] == true
    }

    pub fn number(&self, keyword: &str) -> Option<i64> {
        self.schema[keyword].as_i64()
    }
}

/// Every resource of the contract.
///
/// # Panics
/// When the contract has fewer than the three that it should have.
pub fn resources() -> Vec<Resource> {
    let contract = &contracts()[0].contract;
    let paths = &contract.document()["paths"];
    let operations = contract.operations().iter();
    let created = operations.filter(|operation| operation.method == "POST");
    let resources: Vec<Resource> = created
        .map(|operation| {
            let list = &operation.path;
            let shown = &paths[list]["post"]["responses"]["201"];
            let change = &paths[format!("{list}/{{id}}")]["put"];
            Resource {
                list: list.clone(),
                draft: properties(&paths[list]["post"]["requestBody"], shown),
                changes: properties(&change["requestBody"], shown),
            }
        })
        .collect();
    let all: usize = resources
        .iter()
        .map(|it| it.draft.len() + it.changes.len())
        .sum();
    assert!(resources.len() >= 3 && all >= 14, "the contract has more");
    resources
}

/// What a `$ref` of the contract leads to.
fn resolve(value: &'static Value) -> &'static Value {
    headers::resolve(contracts()[0].contract.document(), value)
}

fn schema(body: &'static Value) -> &'static Value {
    resolve(&resolve(body)["content"]["application/json"]["schema"])
}

fn properties(body: &'static Value, shown: &'static Value) -> Vec<Property> {
    let body = schema(body);
    let shown = resolve(&schema(shown)["properties"]["data"]);
    let properties = body["properties"].as_object().into_iter().flatten();
    let writable = properties.filter(|(name, _)| *name != "id");
    let required = body["required"].as_array();
    writable
        .map(|(name, schema)| Property {
            name: name.clone(),
            schema: resolve(schema),
            is_required: required.is_some_and(|all| all.iter().any(|it| it == name)),
            is_shown: shown["properties"].get(name).is_some(),
            is_reference: name.ends_with("_id"),
        })
        .collect()
}

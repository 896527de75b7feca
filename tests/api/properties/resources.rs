//! The resources of the contract that a POST creates, and the properties of the bodies that write them.

use ecommerce_api::api::contracts::contracts;
use serde_json::Value;

use crate::common::headers;

/// A resource that is created by a POST.
pub struct Resource {
    /// The path of the list, to which new resources are posted.
    pub list: String,
    /// The properties of the body of the POST.
    pub draft: Vec<Property>,
    /// The properties of the body of the PUT on one row, except the id. Empty if there is no PUT.
    pub changes: Vec<Property>,
}

pub struct Property {
    pub name: String,
    pub schema: &'static Value,
    pub is_required: bool,
    /// Whether responses show the property.
    pub is_shown: bool,
    /// Whether the property is the id of a row of another resource.
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

/// The resources of the main contract.
///
/// # Panics
/// When the contract has fewer than three resources.
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
        .map(|resource| resource.draft.len() + resource.changes.len())
        .sum();
    assert!(
        resources.len() >= 3 && all >= 14,
        "some properties were not found"
    );
    resources
}

/// The target of a `$ref` in the contract.
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
            is_required: required.is_some_and(|all| all.iter().any(|required| required == name)),
            is_shown: shown["properties"].get(name).is_some(),
            is_reference: name.ends_with("_id"),
        })
        .collect()
}

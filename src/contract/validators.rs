//! The schemas of a contract, each with a validator that is compiled at its first use. A service that
//! only serves GET requests, for example, never compiles those of request bodies.
//!
//! Imports `violation`, and the module's `schema` and `translation`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

use crate::violation::Violation;

use super::schema::{Direction, compile, violations};
use super::translation::{bundle, reference};

/// The document of a contract, and the schemas in it that are used.
pub(super) struct Schemas {
    document: Arc<Value>,
    /// The schemas by pointer (that of the target for a `$ref`) and direction.
    schemas: Mutex<HashMap<(String, Direction), Arc<Schema>>>,
}

/// A schema of a contract, for values in one direction.
pub(super) struct Schema {
    document: Arc<Value>,
    pointer: String,
    direction: Direction,
    validator: OnceLock<Validator>,
}

impl Schemas {
    pub(super) fn new(document: Arc<Value>) -> Self {
        Self {
            document,
            schemas: Mutex::default(),
        }
    }

    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// The schema at this pointer, or the component schema to which its `$ref` leads.
    pub(super) fn get(&self, pointer: &str, direction: Direction) -> Arc<Schema> {
        let pointer = follow_references(&self.document, pointer);
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        let schema = schemas
            .entry((pointer, direction))
            .or_insert_with_key(|key| {
                Arc::new(Schema {
                    document: Arc::clone(&self.document),
                    pointer: key.0.clone(),
                    direction,
                    validator: OnceLock::new(),
                })
            });
        Arc::clone(schema)
    }

    /// The pointer to the schema of the items of a list. `schema` is the pointer to the schema of the
    /// whole value, and `list` the pointer to the list in that value. `None` when the schema has no array
    /// at this place.
    pub(super) fn items(&self, schema: &str, list: &str) -> Option<String> {
        let mut at = follow_references(&self.document, schema);
        for name in list.split('/').skip(1) {
            at = follow_references(&self.document, &format!("{at}/properties/{name}"));
        }
        let items = format!("{at}/items");
        let is_array = self.document.pointer(&items).is_some();
        is_array.then_some(items)
    }
}

/// The pointer to the component schema to which the `$ref` of the schema at `pointer` leads, or `pointer`
/// itself when it has none.
fn follow_references(document: &Value, pointer: &str) -> String {
    let mut pointer = pointer.to_owned();
    while let Some(name) = document.pointer(&pointer).and_then(reference) {
        pointer = format!("/components/schemas/{name}");
    }
    pointer
}

impl Schema {
    /// The compiled validator. `expect` cannot fail, since `Contract::parse` rejects every schema that
    /// does not compile.
    fn validator(&self) -> &Validator {
        self.validator.get_or_init(|| {
            let bundle = bundle(&self.document, &self.pointer, self.direction);
            compile(&bundle, self.direction)
                .expect("a parsed contract has only schemas that compile")
        })
    }

    /// All violations of the schema in `value`.
    pub(super) fn violations(&self, value: &Value) -> Vec<Violation> {
        violations(self.validator(), value)
    }

    /// The message of the first violation in `value`, if there is one.
    pub(super) fn first_problem(&self, value: &Value) -> Option<String> {
        let violations = self.violations(value);
        violations.into_iter().next().map(|first| first.message)
    }

    /// The name of the schema if it is a component schema.
    pub(super) fn component(&self) -> Option<&str> {
        self.pointer.strip_prefix("/components/schemas/")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::super::read_yaml;
    use super::*;

    const COMPONENTS: &str = "
components:
  schemas:
    Kind: {type: string, enum: [A, B]}
    Thing:
      type: object
      required: [id, secret]
      properties:
        id: {type: integer, format: int32, readOnly: true}
        secret: {type: string, writeOnly: true}
        parts: {type: array, items: {$ref: '#/components/schemas/Thing'}}
        kind: {$ref: '#/components/schemas/Kind'}
        note: {type: string, nullable: true, enum: [x]}
        big: {type: integer, format: int64}
        free: {type: object}
        counts: {type: object, additionalProperties: {type: integer}}
    Named:
      allOf:
        - $ref: '#/components/schemas/Thing'
        - {type: object, required: [name], properties: {name: {type: string}}}
    Either:
      type: object
      required: [kind]
      properties: {kind: {type: string}}
      oneOf:
        - {required: [a], properties: {kind: {enum: [A]}, a: {type: integer}}}
        - {required: [b], properties: {kind: {enum: [B]}, b: {type: integer}}}
";

    fn fields(component: &str, direction: Direction, value: &Value) -> Vec<String> {
        let schemas = Schemas::new(Arc::new(read_yaml(COMPONENTS).unwrap()));
        let schema = schemas.get(&format!("/components/schemas/{component}"), direction);
        let violations = schema.violations(value).into_iter();
        violations.map(|violation| violation.field).collect()
    }

    fn received(component: &str, value: &Value) -> Vec<String> {
        fields(component, Direction::Response, value)
    }

    fn sent(component: &str, value: &Value) -> Vec<String> {
        fields(component, Direction::Request, value)
    }

    #[test]
    fn unknown_properties_are_violations_in_responses_only() {
        let value = json!({"id": 1, "other": 2, "parts": [{"id": 2, "another": 3}]});
        assert_eq!(received("Thing", &value), ["/parts/0/another", "/other"]);
        let value = json!({"secret": "s", "other": 2});
        assert!(sent("Thing", &value).is_empty());
        let free = json!({"id": 1, "free": {"any": 1}, "counts": {"any": 1}});
        assert!(received("Thing", &free).is_empty());
        let wrong = json!({"id": 1, "counts": {"any": "1"}});
        assert_eq!(received("Thing", &wrong), ["/counts/any"]);
    }

    #[test]
    fn all_schemas_of_a_composition_name_its_known_properties() {
        let named = json!({"id": 1, "name": "n", "kind": "A"});
        assert!(received("Named", &named).is_empty());
        let with_unknown = json!({"id": 1, "name": "n", "other": 1});
        assert_eq!(received("Named", &with_unknown), ["/other"]);
        let nested = json!({"id": 1, "name": "n", "parts": [{"id": 1, "name": "m"}]});
        assert_eq!(received("Named", &nested), ["/parts/0/name"]);
        assert!(received("Either", &json!({"kind": "A", "a": 1})).is_empty());
        assert_eq!(received("Either", &json!({"kind": "A", "b": 1})), [""]);
        assert_eq!(
            received("Either", &json!({"kind": "A", "a": 1, "c": 1})),
            ["/c"]
        );
    }

    #[test]
    fn write_only_properties_are_not_received_and_read_only_ones_need_not_be_sent() {
        assert_eq!(
            received("Thing", &json!({"id": 1, "secret": "s"})),
            ["/secret"]
        );
        assert!(received("Thing", &json!({"id": 1})).is_empty());
        assert_eq!(received("Thing", &json!({})), ["/id"]);
        assert!(sent("Thing", &json!({"secret": "s"})).is_empty());
        assert_eq!(sent("Thing", &json!({"id": 1})), ["/secret"]);
    }

    #[test]
    fn keywords_that_only_openapi_has_are_translated() {
        let of = |name: &str, value: Value| received("Thing", &json!({"id": 1, name: value}));
        assert!(of("note", json!(null)).is_empty());
        assert_eq!(of("note", json!("y")), ["/note"]);
        assert_eq!(of("kind", json!(null)), ["/kind"]);
        assert_eq!(of("id", json!(2_147_483_648_i64)), ["/id"]);
        assert!(of("big", json!(i64::MAX)).is_empty());
        assert_eq!(of("big", json!(u64::MAX)), ["/big"]);
    }
}

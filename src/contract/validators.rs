//! The schemas of one contract as validators, each compiled when it is first needed: a service that
//! is only read from never needs those of request bodies.
//!
//! Imports `error`, and the module's `schema` and `translation`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

use crate::error::Violation;

use super::schema::{Direction, compile, violations};
use super::translation::{bundle, reference};

/// The document of a contract and those of its schemas that are used.
pub(super) struct Schemas {
    document: Arc<Value>,
    /// By the pointer to the schema, behind all references.
    known: Mutex<HashMap<(String, Direction), Arc<Schema>>>,
}

/// A schema of a contract for values that go one way.
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
            known: Mutex::default(),
        }
    }

    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// The schema at this pointer, or the component that it refers to.
    pub(super) fn get(&self, pointer: &str, direction: Direction) -> Arc<Schema> {
        let pointer = behind_references(&self.document, pointer);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let schema = known.entry((pointer, direction)).or_insert_with_key(|key| {
            Arc::new(Schema {
                document: Arc::clone(&self.document),
                pointer: key.0.clone(),
                direction,
                validator: OnceLock::new(),
            })
        });
        Arc::clone(schema)
    }

    /// The pointer to the schema of the items of the array that stands at `list`, a JSON pointer
    /// into the values of the schema at `schema`. None when the schema has no array there.
    pub(super) fn items(&self, schema: &str, list: &str) -> Option<String> {
        let mut at = behind_references(&self.document, schema);
        for name in list.split('/').skip(1) {
            at = behind_references(&self.document, &format!("{at}/properties/{name}"));
        }
        let items = format!("{at}/items");
        let is_there = self.document.pointer(&items).is_some();
        is_there.then_some(items)
    }
}

/// The pointer to the schema at `pointer`, or to the component that its `$ref`s lead to.
fn behind_references(document: &Value, pointer: &str) -> String {
    let mut pointer = pointer.to_owned();
    while let Some(name) = document.pointer(&pointer).and_then(reference) {
        pointer = format!("/components/schemas/{name}");
    }
    pointer
}

impl Schema {
    /// # Panics
    /// Never: `Contract::parse` refuses what does not compile.
    fn validator(&self) -> &Validator {
        self.validator.get_or_init(|| {
            let bundle = bundle(&self.document, &self.pointer, self.direction);
            compile(&bundle, self.direction)
                .expect("a parsed contract has only schemas that compile")
        })
    }

    /// Everything in `value` that does not keep to the schema.
    pub(super) fn violations(&self, value: &Value) -> Vec<Violation> {
        violations(self.validator(), value)
    }

    /// The first thing that is wrong with `value`, if anything is.
    pub(super) fn first_problem(&self, value: &Value) -> Option<String> {
        let violations = self.violations(value);
        violations.into_iter().next().map(|first| first.message)
    }

    /// The name of the component that the schema is, if it is one.
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
    fn responses_are_closed_and_requests_are_as_written() {
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
    fn what_a_value_is_composed_of_is_closed_as_a_whole() {
        let named = json!({"id": 1, "name": "n", "kind": "A"});
        assert!(received("Named", &named).is_empty());
        let leaky = json!({"id": 1, "name": "n", "other": 1});
        assert_eq!(received("Named", &leaky), ["/other"]);
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
    fn what_is_only_written_is_not_received_and_what_is_only_read_need_not_be_sent() {
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
    fn the_words_of_openapi_are_understood() {
        let of = |name: &str, value: Value| received("Thing", &json!({"id": 1, name: value}));
        assert!(of("note", json!(null)).is_empty());
        assert_eq!(of("note", json!("y")), ["/note"]);
        assert_eq!(of("kind", json!(null)), ["/kind"]);
        assert_eq!(of("id", json!(2_147_483_648_i64)), ["/id"]);
        assert!(of("big", json!(i64::MAX)).is_empty());
        assert_eq!(of("big", json!(u64::MAX)), ["/big"]);
    }
}

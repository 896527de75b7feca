//! Every example in the contract conforms to its schema.
//!
//! This file has a translation to JSON Schema of its own, so that a defect in that of the service does not
//! hide a wrong example.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::{contract, documents, escape, resolve};

/// The results of the walk through a document.
#[derive(Default)]
struct Found {
    examples: usize,
    complaints: Vec<String>,
}

/// Checks every example of media types, parameters, headers and schemas, and every default.
fn check(document: &Value) -> Found {
    let mut found = Found::default();
    for (section, value) in document.as_object().into_iter().flatten() {
        visit(document, value, &format!("/{section}"), &mut found);
    }
    found
}

fn visit(document: &Value, value: &Value, pointer: &str, found: &mut Found) {
    match value {
        Value::Object(members) => {
            if let Some(schema) = members.get("schema") {
                visit_illustrated(document, members, schema, pointer, found);
            }
            for (key, member) in members {
                let pointer = format!("{pointer}/{}", escape(key));
                match (pointer.as_str(), key.as_str()) {
                    ("/components/schemas", _) => {
                        for (name, schema) in member.as_object().into_iter().flatten() {
                            let pointer = format!("{pointer}/{}", escape(name));
                            visit_schema(document, schema, &pointer, found);
                        }
                    }
                    (_, "schema") => visit_schema(document, member, &pointer, found),
                    (_, "example" | "examples") => {}
                    _ => visit(document, member, &pointer, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(document, item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The `example` and the `examples` of a media type, parameter or header.
fn visit_illustrated(
    document: &Value,
    members: &Map<String, Value>,
    schema: &Value,
    pointer: &str,
    found: &mut Found,
) {
    if let Some(example) = members.get("example") {
        validate(
            document,
            schema,
            example,
            &format!("{pointer}/example"),
            found,
        );
    }
    for (name, example) in members
        .get("examples")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let pointer = format!("{pointer}/examples/{}", escape(name));
        match resolve(document, example).get("value") {
            Some(value) => validate(document, schema, value, &pointer, found),
            None => found.complaints.push(format!("{pointer}: has no value")),
        }
    }
}

fn visit_schema(document: &Value, schema: &Value, pointer: &str, found: &mut Found) {
    for key in ["example", "default"] {
        if let Some(value) = schema.get(key) {
            validate(document, schema, value, &format!("{pointer}/{key}"), found);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        visit_schema(
            document,
            property,
            &format!("{pointer}/properties/{}", escape(name)),
            found,
        );
    }
    for key in ["items", "additionalProperties", "not"] {
        if let Some(inner) = schema.get(key) {
            visit_schema(document, inner, &format!("{pointer}/{key}"), found);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in schema[key].as_array().into_iter().flatten().enumerate() {
            visit_schema(document, inner, &format!("{pointer}/{key}/{index}"), found);
        }
    }
}

fn validate(document: &Value, schema: &Value, value: &Value, pointer: &str, found: &mut Found) {
    found.examples += 1;
    for error in validator(document, schema).iter_errors(value) {
        found
            .complaints
            .push(format!("{pointer}{}: {error}", error.instance_path()));
    }
}

fn validator(document: &Value, schema: &Value) -> Validator {
    let components: Map<String, Value> = document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), draft4(schema)))
        .collect();
    let schema = json!({ "allOf": [draft4(schema)], "components": { "schemas": components } });
    jsonschema::draft4::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .build(&schema)
        .expect("the schema compiles")
}

/// A schema of `OpenAPI` 3.0 as JSON Schema, draft 4.
fn draft4(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (keyword, value) in keywords {
        let value = match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, schema)| (name.clone(), draft4(schema)))
                .collect(),
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter().map(draft4).collect()
            }
            ("items" | "additionalProperties" | "not", schema) => draft4(schema),
            (_, value) => value.clone(),
        };
        out.insert(keyword.clone(), value);
    }
    let (least, most) = match schema["format"].as_str() {
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        _ => (Value::Null, Value::Null),
    };
    for (keyword, bound) in [("minimum", least), ("maximum", most)] {
        if !bound.is_null() {
            out.entry(keyword).or_insert(bound);
        }
    }
    if schema["nullable"] == true {
        let kind = out.remove("type").unwrap_or_default();
        out.insert("type".to_owned(), json!([kind, "null"]));
        if let Some(Value::Array(values)) = out.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    Value::Object(out)
}

#[test]
fn every_example_conforms_to_its_schema() {
    for (name, document) in documents() {
        let complaints = check(document).complaints;
        assert!(complaints.is_empty(), "{name}: {}", complaints.join("\n"));
    }
    // With fewer examples the walk has missed some. The tests of the service check that they are true.
    let count = check(contract()).examples;
    assert!(count >= 90, "only {count} examples found");
}

#[test]
fn a_broken_example_is_reported_at_its_place() {
    let user = "/paths/~1api~1users~1{id}/get/responses/200/content/application~1json";
    for (broken, value, place) in [
        (format!("{user}/example/data/role"), json!("KING"), "example/data/role"),
        (format!("{user}/example/data/email"), json!(null), "example/data/email"),
        ("/components/parameters/Limit/example".to_owned(), json!(1001), "Limit/example"),
        ("/components/headers/RequestId/example".to_owned(), json!(""), "RequestId/example"),
        (
            "/components/responses/InvalidId/content/application~1json/examples/id/value/error/code".to_owned(),
            json!(400),
            "examples/id/error/code",
        ),
        (
            "/components/responses/InvalidId/content/application~1json/examples/id/value/success".to_owned(),
            json!(true),
            "examples/id/success",
        ),
        (
            "/paths/~1api~1users/post/requestBody/content/application~1json/example/email".to_owned(),
            json!("nobody"),
            "example/email",
        ),
        ("/components/schemas/Role".to_owned(), json!({"type": "string", "enum": ["A"], "default": "B"}), "Role/default"),
        ("/components/schemas/User/properties/id".to_owned(), json!({"type": "integer", "format": "int32", "example": 2_147_483_648_i64}), "id/example"),
    ] {
        let mut document = contract().clone();
        *document.pointer_mut(&broken).expect("the contract has this place") = value;
        let complaints = check(&document).complaints;
        assert!(
            complaints.iter().any(|complaint| complaint.contains(place)),
            "{broken}: {complaints:?}"
        );
    }
}

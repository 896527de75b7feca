//! The entries of `IGNORED`: the diff ignores the differences that they describe, and reports similar ones.

mod report;

use std::collections::BTreeSet;

use ecommerce_api::contract::diff::{IGNORED, diff, report};
use serde_json::{Value, json};

/// A small document with every kind of construct, written as by hand.
fn shop() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": { "title": "shop", "version": "1.0.0", "description": "A shop.\n\nSmall." },
        "servers": [{ "url": "http://localhost" }],
        "tags": [{ "name": "Pets", "description": "Dogs" }, { "name": "Food" }],
        "security": [{ "bearer": [] }, {}],
        "paths": {
            "/pets/{id}": {
                "parameters": [{ "$ref": "#/components/parameters/Id" }],
                "get": {
                    "operationId": "getPet",
                    "tags": ["Pets"],
                    "summary": "Get a pet",
                    "parameters": [
                        { "name": "X-Trace", "in": "header", "schema": { "type": "string" } },
                        {
                            "name": "sizes", "in": "query", "x-needs-paging": ["S", "L"],
                            "schema": { "type": "array", "items": { "type": "string" } }
                        }
                    ],
                    "responses": {
                        "200": {
                            "description": "The pet",
                            "headers": { "X-Id": { "$ref": "#/components/headers/RequestId" } },
                            "content": { "application/json": {
                                "schema": { "$ref": "#/components/schemas/Pet" },
                                "example": { "name": "Rex" }
                            } }
                        },
                        "404": { "$ref": "#/components/responses/Missing" }
                    }
                },
                "put": {
                    "operationId": "putPet",
                    "security": [],
                    "requestBody": { "$ref": "#/components/requestBodies/Pet" },
                    "responses": { "404": { "$ref": "#/components/responses/Missing" } }
                }
            }
        },
        "components": {
            "parameters": { "Id": {
                "name": "id", "in": "path", "required": true,
                "schema": { "type": "integer", "minimum": 1, "maximum": 10 },
                "example": 2
            } },
            "headers": { "RequestId": { "schema": { "type": "string" }, "example": "abc" } },
            "responses": { "Missing": { "description": "No such pet" } },
            "requestBodies": { "Pet": { "required": true, "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Pet" }
            } } } },
            "schemas": {
                "Name": { "type": "string", "maxLength": 20 },
                "Pet": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["name", "kind"],
                    "properties": {
                        "name": { "$ref": "#/components/schemas/Name" },
                        "kind": { "type": "string", "enum": ["DOG", "CAT"] },
                        "nick": {
                            "allOf": [{ "$ref": "#/components/schemas/Name" }],
                            "nullable": true,
                            "description": "Among friends"
                        },
                        "title": { "type": "string" },
                        "example": { "type": "string" }
                    }
                }
            }
        }
    })
}

/// The shop with other values at these pointers. A value may be a new member; `null` removes a member.
fn with(edits: &[(&str, Value)]) -> Value {
    let mut document = shop();
    for (pointer, value) in edits {
        set(&mut document, pointer, value.clone());
    }
    document
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer below the root");
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent).expect("the parent is there") {
        Value::Array(items) => {
            let index: usize = key.parse().expect("an index");
            items[index] = value;
        }
        Value::Object(members) if value.is_null() => drop(members.shift_remove(&key)),
        Value::Object(members) => drop(members.insert(key, value)),
        scalar => unreachable!("{pointer} is in a scalar: {scalar}"),
    }
}

const GET: &str = "/paths/~1pets~1{id}/get";
const PUT: &str = "/paths/~1pets~1{id}/put";
const PET: &str = "/components/schemas/Pet";

/// An entry of the list, with documents that differ from the shop only by what the entry describes, and
/// documents whose differences are similar and must be reported.
struct Case {
    name: &'static str,
    ignored: Vec<Value>,
    reported: Vec<Value>,
}

#[expect(clippy::too_many_lines, reason = "a table of all entries")]
fn cases() -> Vec<Case> {
    let at = |place: &str, rest: &str| format!("{place}{rest}");
    let one = |pointer: &str, value: Value| with(&[(pointer, value)]);
    let json_of = |rest: &str| at(GET, "/responses/200/content/application~1json") + rest;
    vec![
        Case {
            name: "examples of media types, parameters and headers",
            ignored: vec![
                one(&json_of("/example"), json!(null)),
                one(&json_of("/examples"), json!({ "a": { "value": 1 } })),
                one("/components/parameters/Id/example", json!(3)),
                one("/components/headers/RequestId/example", json!(null)),
                one("/components/examples", json!({ "a": { "value": 1 } })),
            ],
            reported: vec![
                one(&at(PET, "/example"), json!({ "name": "Rex" })),
                one(&at(PET, "/properties/example"), json!(null)),
                one("/components/parameters/Id/schema/example", json!(3)),
            ],
        },
        Case {
            name: "patch version of OpenAPI",
            ignored: vec![one("/openapi", json!("3.0.0"))],
            reported: vec![
                one("/openapi", json!("3.1.0")),
                one("/openapi", json!("3.0.x")),
            ],
        },
        Case {
            name: "order of names",
            ignored: vec![
                one(&at(PET, "/required"), json!(["kind", "name"])),
                one(&at(PET, "/properties/kind/enum"), json!(["CAT", "DOG"])),
                one(
                    "/tags",
                    json!([{ "name": "Food" }, { "name": "Pets", "description": "Dogs" }]),
                ),
                one("/security", json!([{}, { "bearer": [] }])),
                one(&at(GET, "/parameters/1/x-needs-paging"), json!(["L", "S"])),
                one(
                    "/info",
                    json!({ "version": "1.0.0", "description": "A shop.\n\nSmall.", "title": "shop" }),
                ),
            ],
            reported: vec![
                one(&at(PET, "/required"), json!(["name"])),
                one(&at(PET, "/required"), json!(["name", "kind", "kind"])),
                one(
                    &at(PET, "/properties/kind/enum"),
                    json!(["CAT", "DOG", "COW"]),
                ),
                one("/tags/0/name", json!("Animals")),
                one("/security", json!([{ "bearer": [] }])),
                one(&at(GET, "/parameters/1/x-needs-paging"), json!(["S"])),
                one(&at(GET, "/parameters/1/x-needs-paging"), json!(true)),
                one(&at(GET, "/parameters/1/x-other"), json!(["S", "L"])),
                one(&at(PET, "/x-needs-paging"), json!(["S", "L"])),
            ],
        },
        Case {
            name: "white space in summaries and descriptions",
            ignored: vec![
                one("/info/description", json!("A shop.\n    Small.\n")),
                one(&at(GET, "/summary"), json!("Get\na  pet")),
            ],
            reported: vec![
                one("/info/description", json!("A shop.Small.")),
                one("/info/title", json!(" shop")),
                one(&at(PET, "/properties/kind/enum"), json!(["DOG", "CAT "])),
                one(
                    &at(PET, "/properties/description"),
                    json!({ "type": "string" }),
                ),
            ],
        },
        Case {
            name: "letter case of header names",
            ignored: vec![
                with(&[(
                    &at(GET, "/responses/200/headers"),
                    json!({ "X-ID": { "$ref": "#/components/headers/RequestId" } }),
                )]),
                one(&at(GET, "/parameters/0/name"), json!("X-TRACE")),
            ],
            reported: vec![
                one(
                    &at(GET, "/responses/200/headers"),
                    json!({ "X-IDS": { "$ref": "#/components/headers/RequestId" } }),
                ),
                one(&at(GET, "/parameters/1/name"), json!("Sizes")),
                one(
                    &at(GET, "/responses/200/content"),
                    json!({ "Application/json": { "schema": { "$ref": "#/components/schemas/Pet" } } }),
                ),
            ],
        },
        Case {
            name: "whole numbers written as floats",
            ignored: vec![one("/components/schemas/Name/maxLength", json!(20.0))],
            reported: vec![
                one("/components/schemas/Name/maxLength", json!(20.5)),
                one("/components/schemas/Name/maxLength", json!("20")),
            ],
        },
        Case {
            name: "keywords that state their default",
            ignored: vec![
                one(&at(GET, "/deprecated"), json!(false)),
                one(&at(PET, "/properties/kind/nullable"), json!(false)),
                one(&at(PET, "/properties/kind/minLength"), json!(0)),
                one("/components/schemas/Name/additionalProperties", json!({})),
                one("/components/headers/RequestId/required", json!(false)),
                one(&at(GET, "/parameters/0/required"), json!(false)),
                one(&at(PUT, "/tags"), json!([])),
            ],
            reported: vec![
                one(&at(GET, "/deprecated"), json!(true)),
                one(&at(PET, "/properties/nullable"), json!(false)),
                one(&at(PET, "/properties/nullable"), json!({})),
                one(&at(PET, "/properties/kind/minLength"), json!(false)),
                one("/components/requestBodies/Pet/required", json!(null)),
                one("/components/schemas/Name/default", json!(false)),
                one(&at(PET, "/additionalProperties"), json!(true)),
            ],
        },
        Case {
            name: "`style` and `explode` without effect",
            ignored: vec![
                one("/components/parameters/Id/explode", json!(true)),
                one("/components/parameters/Id/style", json!("simple")),
                one(&at(GET, "/parameters/1/explode"), json!(true)),
                one(&at(GET, "/parameters/1/style"), json!("form")),
            ],
            reported: vec![
                one("/components/parameters/Id/style", json!("label")),
                one(&at(GET, "/parameters/1/explode"), json!(false)),
                one(&at(GET, "/parameters/1/style"), json!("pipeDelimited")),
            ],
        },
        Case {
            name: "title of a component schema that repeats its name",
            ignored: vec![one(&at(PET, "/title"), json!("Pet"))],
            reported: vec![
                one(&at(PET, "/title"), json!("Animal")),
                one(&at(PET, "/properties/kind/title"), json!("kind")),
                one(&at(PET, "/properties/title"), json!(null)),
            ],
        },
        Case {
            name: "components that are not schemas",
            ignored: vec![
                with(&[
                    (
                        &at(PUT, "/responses/404"),
                        json!({ "description": "No such pet" }),
                    ),
                    (
                        &at(GET, "/responses/404"),
                        json!({ "description": "No such pet" }),
                    ),
                    ("/components/responses", json!(null)),
                ]),
                with(&[
                    (
                        &at(GET, "/responses/200/headers/X-Id"),
                        json!({ "schema": { "type": "string" } }),
                    ),
                    ("/components/headers", json!(null)),
                ]),
                with(&[
                    (
                        &at(PUT, "/requestBody"),
                        shop()["components"]["requestBodies"]["Pet"].clone(),
                    ),
                    ("/components/requestBodies", json!(null)),
                ]),
            ],
            reported: vec![
                one("/components/responses/Missing/description", json!("Gone")),
                one(
                    "/components/responses/Unused",
                    json!({ "description": "Nobody's" }),
                ),
                one(
                    &at(PET, "/properties/name"),
                    json!({ "type": "string", "maxLength": 20 }),
                ),
                one(
                    "/components/securitySchemes",
                    json!({ "bearer": { "type": "http" } }),
                ),
            ],
        },
        Case {
            name: "parameters of a path, security of the document",
            ignored: vec![
                with(&[
                    ("/paths/~1pets~1{id}/parameters", json!(null)),
                    (&at(GET, "/parameters"), {
                        let mut own = shop()["paths"]["/pets/{id}"]["get"]["parameters"]
                            .as_array()
                            .cloned()
                            .unwrap_or_default();
                        own.insert(1, json!({ "$ref": "#/components/parameters/Id" }));
                        Value::Array(own)
                    }),
                    (
                        &at(PUT, "/parameters"),
                        json!([{ "$ref": "#/components/parameters/Id" }]),
                    ),
                ]),
                with(&[
                    ("/security", json!(null)),
                    (&at(GET, "/security"), json!([{}, { "bearer": [] }])),
                    (&at(PUT, "/security"), json!(null)),
                ]),
            ],
            reported: vec![
                one("/paths/~1pets~1{id}/parameters", json!(null)),
                one(
                    "/paths/~1pets~1{id}/parameters",
                    json!([{ "$ref": "#/components/parameters/Id" }, { "name": "x", "in": "query" }]),
                ),
                one("/security", json!(null)),
                one(&at(GET, "/security"), json!([])),
                one(&at(PUT, "/security"), json!(null)),
                one("/security", json!([{ "bearer": ["admin"] }, {}])),
            ],
        },
        Case {
            name: "`allOf` members that repeat their parent",
            ignored: vec![one(
                &at(PET, "/properties/nick/allOf"),
                json!([
                    { "$ref": "#/components/schemas/Name" },
                    { "nullable": true, "description": "Among\nfriends" }
                ]),
            )],
            reported: vec![
                one(
                    &at(PET, "/properties/nick/allOf"),
                    json!([{ "$ref": "#/components/schemas/Name" }, { "nullable": true, "minLength": 1 }]),
                ),
                one(
                    &at(PET, "/properties/nick/allOf"),
                    json!([{ "$ref": "#/components/schemas/Name" }, { "description": "Elsewhere" }]),
                ),
                one(
                    &at(PET, "/properties/nick/allOf"),
                    json!([{ "nullable": true }]),
                ),
            ],
        },
    ]
}

#[test]
fn every_entry_is_demonstrated() {
    let listed: BTreeSet<&str> = IGNORED.iter().map(|(name, _)| *name).collect();
    let demonstrated: BTreeSet<&str> = cases().iter().map(|case| case.name).collect();
    assert_eq!(listed, demonstrated);
    for (case, index) in cases().iter().zip(0..) {
        assert!(
            !case.ignored.is_empty() && !case.reported.is_empty(),
            "case {index} shows nothing"
        );
    }
}

#[test]
fn what_an_entry_describes_is_ignored_in_both_directions() {
    for case in cases() {
        for (index, other) in case.ignored.iter().enumerate() {
            assert_ne!(
                other.to_string(),
                shop().to_string(),
                "{} ({index}) edits nothing",
                case.name
            );
            let found = [diff(&shop(), other), diff(other, &shop())].concat();
            assert!(
                found.is_empty(),
                "{} ({index}):\n{}",
                case.name,
                report(&found)
            );
        }
    }
}

#[test]
fn similar_differences_are_reported_in_both_directions() {
    for case in cases() {
        for (index, other) in case.reported.iter().enumerate() {
            assert!(
                !diff(&shop(), other).is_empty(),
                "{} ({index}) is ignored",
                case.name
            );
            assert!(
                !diff(other, &shop()).is_empty(),
                "{} ({index}) is ignored in the other direction",
                case.name
            );
        }
    }
}

#[test]
fn the_list_is_short_and_every_entry_has_a_reason() {
    assert!(IGNORED.len() <= 15);
    for (name, reason) in IGNORED {
        assert!(!name.is_empty() && reason.len() > 20, "{name}: {reason}");
    }
}

#[test]
fn a_document_equals_itself() {
    assert_eq!(diff(&shop(), &shop()), []);
    for (name, document) in super::documents() {
        assert_eq!(diff(document, document), [], "{name}");
    }
    assert_eq!(report(&[]), "The generated document equals the contract.\n");
}

#[test]
fn a_schema_may_refer_to_itself() {
    let recursive = with(&[(
        "/components/schemas/Pet/properties/parent",
        json!({ "$ref": "#/components/schemas/Pet" }),
    )]);
    assert_eq!(diff(&recursive, &recursive), []);
    assert_eq!(diff(&shop(), &recursive).len(), 1);
}

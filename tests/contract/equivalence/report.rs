//! The report on differences: the place, both values, the problem of a document without normal form, and
//! the remedy.

use ecommerce_api::contract::diff::{diff, normalise, report};
use serde_json::{Value, json};

use super::super::labelled::base;
use super::{GET, shop, with};

#[test]
fn a_document_without_normal_form_is_a_difference_with_a_problem() {
    let missing = at_get("/responses/404");
    for (pointer, value, place, words) in [
        (
            missing.as_str(),
            json!({ "$ref": "#/components/responses/Gone" }),
            "/components/responses/Gone",
            "leads nowhere",
        ),
        (
            &missing,
            json!({ "$ref": "other.yaml#/Gone" }),
            &missing,
            "leads out of the document",
        ),
        (
            &missing,
            json!({ "$ref": "#/components/responses/Missing", "description": "x" }),
            &missing,
            "has siblings",
        ),
        (
            "/components/responses/Missing",
            json!({ "$ref": "#/components/responses/Missing" }),
            "/components/responses/Missing",
            "leads to itself",
        ),
        (
            "/components/schemas/Pet/properties/name",
            json!({ "$ref": "#/components/schemas/Gone" }),
            "/components/schemas/Gone",
            "leads nowhere",
        ),
        (
            "/components/schemas/Name",
            json!({ "properties": { "x": { "$ref": "#/components/schemas/Name/properties/x" } } }),
            "/components/schemas/Name/properties/x",
            "leads to itself",
        ),
        (
            &at_get("/parameters/0"),
            json!({ "name": "sizes", "in": "query" }),
            &at_get("/parameters"),
            "two parameters",
        ),
        (
            &at_get("/responses/200/headers/x-id"),
            json!({}),
            &at_get("/responses/200/headers"),
            "twice in different letter case",
        ),
        (&at_get("/parameters"), json!("none"), GET, "not a list"),
        (
            &at_get("/parameters/0"),
            json!({ "name": "x" }),
            &at_get("/parameters/0"),
            "needs `name` and `in`",
        ),
        (
            &at_get("/parameters/0"),
            json!({ "$ref": "#/components/parameters/Gone" }),
            "/components/parameters/Gone",
            "leads nowhere",
        ),
        (
            "/components/parameters/Id",
            json!({ "$ref": "#/components/parameters/Id" }),
            "/components/parameters/Id",
            "leads to itself",
        ),
        ("/tags/1/name", json!("Pets"), "/tags", "declared twice"),
    ] {
        let broken = with(&[(pointer, value)]);
        let problem = normalise(&broken).expect_err("the document is broken");
        assert!(problem.message.contains(words), "{pointer}: {problem}");
        assert_eq!(problem.pointer, place, "{problem}");
        let found = diff(&shop(), &broken);
        assert_eq!(found.len(), 1, "{found:?}");
        let text = report(&found);
        assert!(
            text.contains(words) && text.contains("in the generated document"),
            "{text}"
        );
    }
}

fn at_get(rest: &str) -> String {
    format!("{GET}{rest}")
}

#[test]
fn the_report_names_operation_place_sides_and_remedy() {
    let generated = with(&[
        (&at_get("/summary"), json!("Fetch a pet")),
        ("/components/responses/Missing/description", json!("Gone")),
        (
            "/components/schemas/Pet/properties/kind/enum",
            json!(["DOG"]),
        ),
        (
            "/components/schemas/Pet/properties/age",
            json!({ "type": "integer" }),
        ),
        ("/info/version", json!("2.0.0")),
        ("/paths/~1pets~1{id}/put/requestBody", json!(null)),
    ]);
    let expected = r##"The contract and the generated document differ in 8 places, which make 7 entries.

info
  at /info/version
    contract:  "1.0.0"
    generated: "2.0.0"
    both have it, differently: make the service's description say what the contract says, or change the contract

getPet (GET /pets/{id})
  at /paths/~1pets~1{id}/get/summary
    contract:  "Get a pet"
    generated: "Fetch a pet"
    both have it, differently: make the handler or its responses say what the contract says, or change the contract

getPet (GET /pets/{id}), putPet (PUT /pets/{id})
  at /components/responses/Missing/description, referenced at /paths/~1pets~1{id}/get/responses/404, and at 1 more place
    contract:  "No such pet"
    generated: "Gone"
    both have it, differently: make the handlers that use it say what the contract says, or change the contract

putPet (PUT /pets/{id})
  at /components/requestBodies/Pet, referenced at /paths/~1pets~1{id}/put/requestBody
    contract:  {"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Pet"}}}}
    generated: (nothing)
    in the contract but not generated: add it to the handlers that use it, or take it out of the contract

schema Pet
  at /components/schemas/Pet/properties/kind/enum
    contract:  ["CAT","DOG"]
    generated: ["DOG"]
    both have it, differently: make the type say what the contract says, or change the contract
  at /components/schemas/Pet/properties/age
    contract:  (nothing)
    generated: {"type":"integer"}
    generated but not in the contract: write it into the contract, or take it out of the type

requestBodies
  at /components/requestBodies
    contract:  (nothing)
    generated: {"Pet":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Pet"}}}}}
    generated but not in the contract: write it into the contract, or take it out of the handlers that use it
"##;
    let text = report(&diff(&shop(), &generated));
    assert_eq!(text, expected);
}

#[test]
fn a_long_text_is_cut_around_the_first_difference() {
    let long = "word ".repeat(200);
    let contract = with(&[("/info/description", json!(format!("{long}here")))]);
    let generated = with(&[("/info/description", json!(format!("{long}there")))]);
    let text = report(&diff(&contract, &generated));
    assert!(
        text.contains("word here\"") && text.contains("word there\""),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() < 200), "{text}");
}

/// Removes this header from every response, and returns the number of responses that had it.
fn without_header(document: &mut Value, name: &str) -> usize {
    match document {
        Value::Object(members) => {
            let headers = members.get_mut("headers").and_then(Value::as_object_mut);
            let had = headers.is_some_and(|headers| headers.shift_remove(name).is_some());
            let inside = members
                .values_mut()
                .map(|member| without_header(member, name));
            inside.sum::<usize>() + usize::from(had)
        }
        Value::Array(items) => items
            .iter_mut()
            .map(|item| without_header(item, name))
            .sum(),
        _ => 0,
    }
}

#[test]
fn a_header_that_is_wrong_everywhere_is_one_entry() {
    let mut bare = base().clone();
    let written = without_header(&mut bare, "X-Request-Id");
    assert!(written > 20, "only {written} responses had the header");
    bare["components"]["headers"]
        .as_object_mut()
        .expect("headers")
        .shift_remove("RequestId");
    for (contract, generated, first) in [
        (
            base(),
            &bare,
            "at /components/headers/RequestId, referenced at /paths/",
        ),
        (
            &bare,
            base(),
            "at /paths/~1api~1users/get/responses/200/headers",
        ),
    ] {
        let found = diff(contract, generated);
        let text = report(&found);
        let entries = text
            .lines()
            .filter(|line| line.starts_with("  at "))
            .count();
        assert_eq!(entries, 1, "{text}");
        assert!(text.contains(first), "{text}");
        let others = format!(", and at {} more places\n", found.len() - 1);
        assert!(text.contains(&others), "{text}");
        assert!(text.contains(" and 14 more operations\n"), "{text}");
    }
}

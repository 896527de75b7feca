//! What is not supported is refused when a contract is read, with the place.
#![expect(
    clippy::needless_pass_by_value,
    reason = "a value is written where it is refused"
)]

use ecommerce_api::contract::Contract;
use serde_json::{Value, json};

/// A contract with most of what there is, in few words.
const BASE: &str = "
openapi: 3.0.3
paths:
  /things:
    post:
      operationId: post
      parameters:
        - {name: q, in: query, schema: {type: string}}
        - {name: X-H, in: header, schema: {type: string}}
        - {$ref: '#/components/parameters/Count'}
      requestBody:
        content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}
      responses:
        '200':
          description: Done
          headers: {X-R: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}
  /things/{id}:
    get:
      operationId: get
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer}}
      responses: {'204': {description: Nothing}}
components:
  parameters:
    Count: {name: count, in: query, schema: {type: integer, minimum: 0}}
  schemas:
    Thing: {type: object, properties: {a: {type: string}, b: {$ref: '#/components/schemas/Thing'}}}
";

/// The base with another value at a pointer; an absent last member is added.
fn edited(pointer: &str, value: &Value) -> String {
    let mut document = ecommerce_api::contract::read_yaml(BASE).expect("YAML");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/");
    match document.pointer_mut(parent).expect(pointer) {
        Value::Array(items) => match key.parse::<usize>() {
            Ok(index) => items[index] = value.clone(),
            Err(_) => items.push(value.clone()),
        },
        parent => parent[key] = value.clone(),
    }
    document.to_string()
}

const POST: &str = "/paths/~1things/post";
const GET: &str = "/paths/~1things~1{id}/get";
const Q: &str = "/paths/~1things/post/parameters/0";
const COUNT: &str = "/components/parameters/Count";
const THING: &str = "/components/schemas/Thing";

fn refuses(pointer: &str, value: Value, place: &str, words: &str) {
    let problem = Contract::parse("base", &edited(pointer, &value)).err();
    let problem = problem.unwrap_or_else(|| panic!("{pointer}: {value} is taken"));
    assert_eq!(problem.pointer, format!("#{place}"), "{value}: {problem}");
    assert!(problem.message.contains(words), "{value}: {problem}");
    assert_eq!(problem.to_string().lines().count(), 1);
}

/// As `refuses`, at the place of the edit.
fn refuses_at(pointer: &str, value: Value, words: &str) {
    refuses(pointer, value, pointer, words);
}

#[test]
fn the_base_is_taken() {
    let contract = Contract::parse("base", BASE).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(contract.operations().len(), 2);
}

#[test]
fn a_document() {
    for (yaml, pointer, words) in [
        ("a: [", "#", "not YAML"),
        ("a: 1\na: 2", "#", "not YAML"),
        ("[]", "#", "needs `openapi`"),
        ("openapi: 3.0.3", "#", "needs `paths`"),
        ("{openapi: 3.0.3, paths: []}", "#/paths", "is not an object"),
    ] {
        let problem = Contract::parse("x", yaml).err().expect(yaml);
        assert_eq!(problem.pointer, pointer, "{problem}");
        assert!(problem.message.contains(words), "{problem}");
    }
    refuses_at("/openapi", json!("3.1.0"), "OpenAPI 3.0 is");
    refuses_at("/webhooks", json!({}), "not supported");
}

#[test]
fn paths() {
    let item = |path: &str| format!("/paths/{}", path.replace('/', "~1"));
    let operation = |id: &str, parameters: Value| {
        json!({"get": {
            "operationId": id, "parameters": parameters, "responses": {"204": {"description": ""}},
        }})
    };
    let id = json!([{"name": "x", "in": "path", "required": true, "schema": {"type": "string"}}]);
    for (path, words) in [
        ("things/{x}", "begins with `/`"),
        ("/a/{x", "a `{` has no `}`"),
        ("/{x}-{y}", "two placeholders in one segment"),
        ("/things/{x}", "matches the same requests as /things/{id}"),
        ("/{x}/1", "matches the same requests as /things/{id}"),
        ("/a b/{x}", "' ' cannot be in the path of a request"),
        ("/\u{e9}/{x}", "cannot be in the path of a request"),
        ("/a?{x}", "neither query nor fragment"),
        ("/a%/{x}", "write it as `%25`"),
        ("/%6dine/{x}", "its normal form, `/mine/`"),
    ] {
        refuses_at(&item(path), operation("other", id.clone()), words);
    }
    let at = format!("{}/get", item("/a/{y}"));
    refuses(
        &item("/a/{y}"),
        operation("other", id.clone()),
        &at,
        "`{y}` of the path has no parameter",
    );
    let at = format!("{}/get", item("/a"));
    refuses(
        &item("/a"),
        operation("other", id),
        &at,
        "`x` has no placeholder",
    );
    refuses(
        &item("/a"),
        operation("get", json!([])),
        &at,
        "`get` is there twice",
    );
    refuses(
        &item("/a"),
        json!({"$ref": "#/a"}),
        &format!("{}/$ref", item("/a")),
        "not supported",
    );
    refuses(
        &item("/a"),
        json!({"query": {}}),
        &format!("{}/query", item("/a")),
        "not supported",
    );
}

/// A service receives no such request as one for this operation.
#[test]
fn methods_that_have_no_operation() {
    let operation = json!({"operationId": "other", "responses": {"204": {"description": ""}}});
    for method in ["head", "options", "trace"] {
        refuses_at(
            &format!("/paths/~1things/{method}"),
            operation.clone(),
            &format!("`{method}` is not supported"),
        );
    }
}

#[test]
fn components_that_no_operation_uses() {
    let wrong = json!({"schema": {"type": "array", "items": {}}, "in": "query", "name": "n"});
    for (section, component, rest, words) in [
        ("parameters", wrong.clone(), "/schema/type", "sent as text"),
        (
            "headers",
            json!({"style": "form"}),
            "/style",
            "only the default",
        ),
        ("responses", json!({"body": {}}), "/body", "not supported"),
        (
            "requestBodies",
            json!({"content": {}}),
            "/content",
            "no media type",
        ),
        ("schemas", json!({"nope": 1}), "/nope", "is not a keyword"),
    ] {
        let mut components =
            ecommerce_api::contract::read_yaml(BASE).expect("YAML")["components"].take();
        components[section]["Unused"] = component;
        let place = format!("/components/{section}/Unused{rest}");
        refuses("/components", components, &place, words);
    }
    refuses_at("/components/pathItems", json!({}), "not supported");
}

#[test]
fn operations() {
    refuses(
        &format!("{POST}/operationId"),
        json!(1),
        &format!("{POST}/operationId"),
        "not a string",
    );
    refuses_at(&format!("{POST}/consumes"), json!([]), "not supported");
    refuses_at(&format!("{POST}/responses"), json!({}), "has no response");
    let body = json!({"content": {"application/json": {"schema": {}}}});
    refuses_at(
        &format!("{GET}/requestBody"),
        body,
        "ignores the body of a get",
    );
    let content = format!("{POST}/requestBody/content");
    let schema = json!({"schema": {"type": "string"}});
    refuses_at(&content, json!({}), "has no media type");
    for other in [
        "multipart/form-data",
        "text/plain",
        "application/json; charset=latin1",
        "*/*",
    ] {
        let at = format!("{content}/{}", other.replace('/', "~1"));
        refuses(&content, json!({other: schema}), &at, "is application/json");
    }
    refuses_at(
        &content,
        json!({"application/json": schema, "text/plain": schema}),
        "several media types",
    );
    refuses(
        &content,
        json!({"application/json": {}}),
        &format!("{content}/application~1json"),
        "needs `schema`",
    );
}

#[test]
fn parameters() {
    let set =
        |key: &str, value: Value, words: &str| refuses_at(&format!("{Q}/{key}"), value, words);
    set("in", json!("cookie"), "`cookie` is not supported");
    set("in", json!("body"), "`body` is not supported");
    set("style", json!("spaceDelimited"), "only the default, `form`");
    set("content", json!({}), "use `schema`");
    set("allowEmptyValue", json!(true), "not supported");
    set("allowReserved", json!(true), "not supported");
    set("required", json!("yes"), "not true or false");
    set("type", json!("string"), "not supported");
    refuses(
        &format!("{Q}/in"),
        json!("path"),
        Q,
        "needs `required: true`",
    );
    refuses(
        &format!("{Q}/schema"),
        json!({}),
        &format!("{Q}/schema"),
        "needs a `type`",
    );
    for kind in ["array", "object"] {
        let schema = json!({"type": kind, "items": {"type": "string"}});
        refuses(
            &format!("{Q}/schema"),
            schema,
            &format!("{Q}/schema/type"),
            "sent as text",
        );
    }
    refuses(
        &format!("{COUNT}/name"),
        json!("q"),
        &format!("{POST}/parameters/2"),
        "`q` is there twice",
    );
    let header = format!("{POST}/parameters/1");
    for name in ["Accept", "content-type", "AUTHORIZATION"] {
        refuses_at(
            &format!("{header}/name"),
            json!(name),
            "ignores a header parameter",
        );
    }
    refuses_at(
        &format!("{header}/style"),
        json!("form"),
        "only the default, `simple`",
    );
    let schema = |schema: Value, at: &str, words: &str| {
        refuses(
            &format!("{COUNT}/schema"),
            schema,
            &format!("{COUNT}/schema{at}"),
            words,
        );
    };
    schema(
        json!({"type": "integer", "minimum": 0.5}),
        "/minimum",
        "64 bits",
    );
    schema(
        json!({"type": "integer", "minimum": 2, "maximum": 1}),
        "",
        "allows no number",
    );
    schema(
        json!({"type": "integer", "format": "int32", "minimum": 2_147_483_648_i64}),
        "",
        "allows no number",
    );
}

#[test]
fn references() {
    let at = format!("{POST}/parameters/2/$ref");
    for (target, words) in [
        ("#/components/parameters/None", "leads nowhere"),
        (
            "#/components/schemas/Thing",
            "leads to #/components/parameters/<name>",
        ),
        (
            "other.yaml#/components/parameters/Count",
            "leads to #/components/parameters/<name>",
        ),
        (
            "#/components/parameters/Count/schema",
            "leads to #/components/parameters/<name>",
        ),
        (
            "https://example.com",
            "leads to #/components/parameters/<name>",
        ),
    ] {
        refuses_at(&at, json!(target), words);
    }
    refuses_at(&at, json!(7), "is not a string");
    let itself = json!({"$ref": "#/components/parameters/Count"});
    refuses(
        COUNT,
        itself,
        &format!("{COUNT}/$ref"),
        "leads back to itself",
    );
    let beside = json!({"$ref": "#/components/parameters/Count", "required": true});
    refuses_at(&format!("{POST}/parameters/2"), beside, "beside a `$ref`");
    for (section, place) in [
        ("requestBodies", format!("{POST}/requestBody")),
        ("responses", format!("{POST}/responses/200")),
        ("headers", format!("{POST}/responses/200/headers/X-R")),
        ("schemas", format!("{THING}/properties/b")),
    ] {
        let target = json!({"$ref": format!("#/components/{section}/None")});
        refuses(&place, target, &format!("{place}/$ref"), "leads nowhere");
    }
}

#[test]
fn responses() {
    let content = json!({"content": {"application/json": {"schema": {"type": "string"}}}});
    for status in ["204", "205", "304"] {
        let place = format!("{POST}/responses/{status}");
        refuses(
            &place,
            content.clone(),
            &format!("{place}/content"),
            "has no body",
        );
    }
    for status in ["20", "2xx", "6XX", "600", "099", "Default", "1000", "20X"] {
        refuses_at(
            &format!("{POST}/responses/{status}"),
            json!({}),
            "is not a status",
        );
    }
    let headers = format!("{POST}/responses/200/headers");
    refuses_at(
        &format!("{headers}/Content-Type"),
        json!({}),
        "ignores this header",
    );
    refuses(
        &format!("{headers}/X-R"),
        json!({}),
        &format!("{headers}/X-R"),
        "needs `schema`",
    );
    refuses_at(
        &format!("{headers}/X-R/style"),
        json!("form"),
        "only the default",
    );
    refuses(
        &format!("{headers}/X-R/schema"),
        json!({"type": "array", "items": {"type": "string"}}),
        &format!("{headers}/X-R/schema/type"),
        "sent as text",
    );
}

#[test]
fn schemas() {
    let set =
        |key: &str, value: Value, words: &str| refuses_at(&format!("{THING}/{key}"), value, words);
    set("type", json!("file"), "is not a type");
    set("type", json!(["string", "null"]), "is not a string");
    set("const", json!(1), "is not a keyword");
    set("patternProperties", json!({}), "is not a keyword");
    set("minLength", json!(-1), "whole number from 0");
    set("maxItems", json!("1"), "whole number from 0");
    set("minimum", json!("1"), "is not a number");
    set("multipleOf", json!(0), "greater than 0");
    set("exclusiveMinimum", json!(true), "without `minimum`");
    set("exclusiveMaximum", json!(5), "not true or false");
    set("uniqueItems", json!(1), "not true or false");
    set("pattern", json!("("), "regular expression");
    set("format", json!(1), "is not a string");
    set("enum", json!([]), "is not a list of different values");
    set("enum", json!([1, 1]), "is not a list of different values");
    set("enum", json!("a"), "is not a list");
    set("required", json!("a"), "is not a list");
    set("allOf", json!([]), "is empty");
    set(
        "discriminator",
        json!({"propertyName": "a"}),
        "without `oneOf` or `anyOf`",
    );
    set("properties", json!([]), "is not an object");
    refuses(THING, json!({"type": "array"}), THING, "needs `items`");
    refuses(THING, json!("Thing"), THING, "is not an object");
    refuses(
        &format!("{THING}/required"),
        json!(["a", "a"]),
        &format!("{THING}/required/1"),
        "twice",
    );
    refuses(
        &format!("{THING}/items"),
        json!(true),
        &format!("{THING}/items"),
        "is not an object",
    );
    let untyped = json!({"nullable": true, "allOf": [{"type": "string"}]});
    refuses(
        THING,
        untyped,
        &format!("{THING}/nullable"),
        "without `type`",
    );
    let deep = json!({"properties": {"a": {"items": {"not": {"nope": 1}}}}});
    refuses(
        THING,
        deep,
        &format!("{THING}/properties/a/items/not/nope"),
        "is not a keyword",
    );
}

/// A schema that is taken is one that values can be checked with.
#[test]
fn what_is_taken_works() {
    for schema in [
        json!({}),
        json!({"required": []}),
        json!({"type": "string", "nullable": true, "enum": ["a", null]}),
        json!({"type": "number", "multipleOf": 0.1, "minimum": -1.5, "exclusiveMinimum": true}),
        json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": u64::MAX}),
        json!({"type": "string", "format": "whatever", "pattern": "^(?!a)\\p{L}+$"}),
        json!({"type": "string", "minLength": 0, "maxLength": u64::MAX}),
        json!({"type": "array", "items": {}, "uniqueItems": true, "maxItems": 0}),
        json!({"additionalProperties": {"type": "string"}, "minProperties": 1}),
        json!({"properties": {"$ref": {"type": "string"}, "a/b~c": {"not": {}}}}),
        json!({"oneOf": [{"type": "string"}, {"type": "array", "items": {}}], "x-any": {}}),
    ] {
        let contract = Contract::parse("base", &edited(THING, &schema));
        let contract = contract.unwrap_or_else(|problem| panic!("{schema}: {problem}"));
        let operation = contract.find("POST", "/things").expect("an operation");
        let body = operation.body.as_ref().expect("a body");
        for value in [
            json!(null),
            json!("a"),
            json!(1),
            json!([1, {}]),
            json!({"a": {}}),
        ] {
            let sent = body.violations(&value).len();
            let bytes = value.to_string();
            let header = |name: &str| (name == "content-type").then_some("application/json");
            let received = operation.response_violations(200, header, bytes.as_bytes());
            assert!(received.len() >= sent, "{schema}: {value}: {received:?}");
        }
    }
}

#[test]
fn schemas_that_lead_back_to_themselves_for_one_value() {
    let itself = json!({"$ref": "#/components/schemas/Thing"});
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let schema = json!({ keyword: [itself] });
        refuses(
            THING,
            schema,
            &format!("{THING}/{keyword}/0"),
            "leads back to itself",
        );
    }
    refuses(
        THING,
        json!({ "not": itself }),
        &format!("{THING}/not"),
        "leads back to itself",
    );
    refuses(
        THING,
        itself.clone(),
        &format!("{THING}/$ref"),
        "leads back to itself",
    );
    let schema = json!({
        "oneOf": [{"allOf": [itself]}], "discriminator": {"propertyName": "kind"},
    });
    let place = format!("{THING}/oneOf/0/allOf/0");
    refuses(THING, schema, &place, "leads back to itself");
    // A value within the value is another one.
    for schema in [
        json!({"type": "array", "items": itself}),
        json!({"allOf": [{"properties": {"a": itself}}]}),
        json!({"additionalProperties": itself}),
    ] {
        let taken = Contract::parse("base", &edited(THING, &schema));
        assert!(taken.is_ok(), "{schema}: {:?}", taken.err());
    }
}

#[test]
fn a_discriminator_whose_schemas_do_not_tell_themselves_apart() {
    let member =
        |kind: Value| json!({"required": ["kind"], "properties": {"kind": {"enum": kind}}});
    let schema = |first: Value, second: Value| json!({"oneOf": [first, {"allOf": [second]}], "discriminator": {"propertyName": "kind"}});
    let right = schema(member(json!(["a"])), member(json!(["b"])));
    assert!(Contract::parse("base", &edited(THING, &right)).is_ok());
    let second = format!("{THING}/oneOf/1");
    for wrong in [
        member(json!(["a"])),
        member(json!(["b", "c"])),
        json!({"properties": {"kind": {"enum": ["b"]}}}),
        json!({"required": ["kind"]}),
    ] {
        let schema = schema(member(json!(["a"])), wrong);
        refuses(THING, schema, &second, "chosen by a discriminator");
    }
}

#[test]
fn a_discriminator_that_selects_other_schemas_than_the_values_do() {
    let component =
        |kind: &str| json!({"required": ["kind"], "properties": {"kind": {"enum": [kind]}}});
    let at = "/components/schemas";
    let parse = |mapping: Value| {
        let mut discriminator = json!({"propertyName": "kind"});
        if !mapping.is_null() {
            discriminator["mapping"] = mapping;
        }
        let reference = |name: &str| json!({"$ref": format!("#{at}/{name}")});
        let thing =
            json!({"oneOf": [reference("A"), reference("B")], "discriminator": discriminator});
        let schemas = json!({"Thing": thing, "A": component("A"), "B": component("b")});
        Contract::parse("base", &edited(at, &schemas)).err()
    };
    for right in [
        json!({"b": "#/components/schemas/B"}),
        json!({"b": "B", "A": "#/components/schemas/A"}),
    ] {
        assert_eq!(parse(right.clone()), None, "{right}");
    }
    let place = format!("#{at}/Thing/discriminator");
    for (mapping, rest, words) in [
        (Value::Null, "", "selects `B` by its name"),
        (json!({"A": "A"}), "", "selects `B` by its name"),
        (
            json!({"A": "B", "b": "A"}),
            "/mapping/A",
            "is not one of the schemas",
        ),
        (
            json!({"b": "#/components/schemas/C"}),
            "/mapping/b",
            "is not one of the schemas",
        ),
        (
            json!({"b": "B", "c": "B"}),
            "/mapping/c",
            "is not one of the schemas",
        ),
        (json!({"b": 1}), "/mapping/b", "is not a string"),
        (json!([]), "/mapping", "is not an object"),
    ] {
        let problem = parse(mapping.clone()).unwrap_or_else(|| panic!("{mapping} is taken"));
        assert_eq!(problem.pointer, format!("{place}{rest}"), "{problem}");
        assert!(problem.message.contains(words), "{problem}");
    }
}

//! Every rule of the lint reports a contract that breaks it.

use serde_json::{Value, json};

use super::super::contract;
use super::{OPERATIONS, complaints};

/// One edit for each rule: the place, its new value (`None` removes it), and the expected complaint.
#[expect(clippy::too_many_lines, reason = "one table, rule by rule")]
#[test]
fn every_rule_reports_a_contract_that_breaks_it() {
    let list = "/paths/~1api~1users/get";
    let create = "/paths/~1api~1users/post";
    let json_of = |place: &str| format!("{place}/content/application~1json");
    let edits: Vec<(String, Option<Value>, &str)> = vec![
        (list.to_owned(), None, "missing: (\"GET\", \"/api/users\""),
        (
            "/paths/~1api~1users/patch".to_owned(),
            Some(json!({})),
            "not in the inventory",
        ),
        (
            format!("{create}/operationId"),
            Some(json!("listUsers")),
            "listUsers is used 2 times",
        ),
        (
            format!("{list}/summary"),
            Some(json!(" ")),
            "listUsers: has no summary",
        ),
        (
            format!("{list}/description"),
            None,
            "listUsers: has no description",
        ),
        (
            format!("{list}/security"),
            None,
            "listUsers: its security is not",
        ),
        (
            format!("{create}/security"),
            Some(json!([{"bearerAuth": []}])),
            "createUser: its security is not",
        ),
        (
            "/components/securitySchemes/other".to_owned(),
            Some(json!({})),
            "nothing uses #/components/securitySchemes/other",
        ),
        (
            format!("{list}/responses/403"),
            None,
            "listUsers: documents",
        ),
        (
            "/components/headers/WWWAuthenticate/required".to_owned(),
            None,
            "401 does not promise and describe the header WWW-Authenticate",
        ),
        (
            format!("{list}/tags"),
            Some(json!(["Users", "Cart"])),
            "needs exactly one tag",
        ),
        (
            format!("{list}/tags"),
            Some(json!(["People"])),
            "needs exactly one tag",
        ),
        (
            "/components/headers/UserLocation".to_owned(),
            None,
            "#/components/headers/UserLocation leads nowhere",
        ),
        (
            "/components/schemas/Lonely".to_owned(),
            Some(json!({})),
            "nothing uses #/components/schemas/Lonely",
        ),
        (
            "/paths/~1api~1users~1{id}/get/parameters".to_owned(),
            None,
            "getUser: its path has {\"id\"}",
        ),
        (
            "/components/parameters/UserId/name".to_owned(),
            Some(json!("user")),
            "it declares {\"user\"}",
        ),
        (
            "/components/parameters/UserId/required".to_owned(),
            None,
            "it declares {}",
        ),
        (
            "/components/parameters/Page/description".to_owned(),
            None,
            "\"page\" has no description",
        ),
        (
            "/components/parameters/Page/example".to_owned(),
            None,
            "\"page\" has no example",
        ),
        (
            "/components/parameters/Page/schema/maximum".to_owned(),
            None,
            "\"page\" is a number without",
        ),
        (
            "/components/parameters/RequestId/required".to_owned(),
            Some(json!(true)),
            "its last parameter is not an optional X-Request-Id",
        ),
        (
            format!("{list}/parameters"),
            Some(
                json!([{"$ref": "#/components/parameters/RequestId"}, {"$ref": "#/components/parameters/Page"}]),
            ),
            "listUsers: its last parameter is not",
        ),
        (
            "/paths/~1api~1users~1{id}/get/parameters".to_owned(),
            Some(json!([
                {"$ref": "#/components/parameters/IfNoneMatch"},
                {"$ref": "#/components/parameters/UserId"},
                {"$ref": "#/components/parameters/RequestId"},
            ])),
            "getUser: its parameters are not in the order",
        ),
        (
            format!("{create}/requestBody/required"),
            None,
            "its body is not required",
        ),
        (
            format!("{create}/requestBody/description"),
            None,
            "its body has no description",
        ),
        (
            format!("{create}/requestBody/content/text~1plain"),
            Some(json!({})),
            "not application/json alone",
        ),
        (
            json_of(&format!("{create}/requestBody")) + "/example",
            None,
            "its body as application/json has no example",
        ),
        (
            "/components/schemas/UserDraft/additionalProperties".to_owned(),
            None,
            "an object that is not closed",
        ),
        (
            "/components/schemas/UserDraft/properties/email/maxLength".to_owned(),
            None,
            "its body/email is a string",
        ),
        (
            "/components/schemas/UserDraft/properties/email/type".to_owned(),
            None,
            "its body/email has no type",
        ),
        (
            "/components/schemas/Role/enum".to_owned(),
            None,
            "its body/role is a string",
        ),
        (
            "/components/schemas/UserDraft/properties/tags".to_owned(),
            Some(json!({"type": "array"})),
            "a list without maxItems",
        ),
        (
            format!("{create}/responses/413"),
            None,
            "createUser: documents",
        ),
        (
            format!("{list}/responses/404"),
            Some(json!({})),
            "listUsers: documents",
        ),
        (
            format!("{list}/responses/200/description"),
            None,
            "200 has no description",
        ),
        (
            json_of(&format!("{list}/responses/200")) + "/examples",
            None,
            "200 as application/json has no example",
        ),
        (
            format!("{list}/responses/200/content/text~1html"),
            Some(json!({})),
            "200 is not application/json alone",
        ),
        (
            json_of("/components/responses/EmailTaken") + "/schema/$ref",
            Some(json!("#/components/schemas/UserResponse")),
            "409 is not the error envelope",
        ),
        (
            format!("{list}/responses/200/headers/X-Request-Id"),
            None,
            "200 does not promise",
        ),
        (
            format!("{create}/responses/201/headers/Location"),
            None,
            "the header Location",
        ),
        (
            "/paths/~1api~1users~1{id}/get/parameters".to_owned(),
            None,
            "getUser: should take If-None-Match",
        ),
        (
            "/components/parameters/IdempotencyKey/name".to_owned(),
            Some(json!("Key")),
            "createUser: should take Idempotency-Key",
        ),
        (
            format!("{list}/parameters"),
            Some(json!([{"$ref": "#/components/parameters/IdempotencyKey"}])),
            "listUsers: should take Idempotency-Key",
        ),
        (
            format!("{create}/responses/422"),
            None,
            "createUser: documents",
        ),
        (
            format!("{create}/responses/201/headers/Idempotent-Replayed"),
            None,
            "201 describes Idempotent-Replayed if",
        ),
        (
            format!("{list}/parameters"),
            Some(json!([{"$ref": "#/components/parameters/IfMatch"}])),
            "listUsers: should take If-Match",
        ),
        (
            "/paths/~1api~1users~1{id}/delete/responses/412".to_owned(),
            None,
            "deleteUser: documents",
        ),
        (
            format!("{create}/responses/201/headers/ETag"),
            None,
            "createUser: 201 has an ETag if",
        ),
        (
            "/components/responses/NotModified/headers/ETag".to_owned(),
            None,
            "getUser: 304 has an ETag if",
        ),
        (
            "/components/responses/NotModified/content".to_owned(),
            Some(json!({"text/plain": {}})),
            "304 has a body",
        ),
        (
            "/components/headers/RetryAfter/required".to_owned(),
            None,
            "the header Retry-After",
        ),
    ];
    for (place, value, expected) in edits {
        let mut document = contract().clone();
        let (parent, key) = place.rsplit_once('/').expect("the place is below the root");
        let key = key.replace("~1", "/");
        let parent = document
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .expect("an object");
        match value {
            Some(value) => drop(parent.insert(key, value)),
            None => drop(parent.remove(&key).expect("something to remove")),
        }
        let complaints = complaints(&document, &OPERATIONS);
        assert!(
            complaints
                .iter()
                .any(|complaint| complaint.contains(expected)),
            "{place}: expected a complaint with {expected:?}, got {complaints:?}"
        );
    }
}

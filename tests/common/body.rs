//! The envelope of JSON bodies, which does not depend on the endpoint.

use ecommerce_api::api::contracts::contracts;
use serde_json::Value;

use super::conformance::{Endpoint, Exchange};

/// The violations of the envelope in a JSON body.
pub fn violations(exchange: &Exchange<'_>) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(&exchange.received.body) else {
        return vec!["body: is not JSON".to_owned()];
    };
    let status = exchange.received.status;
    let mut found = Vec::new();
    let mut check = |holds: bool, rule: &str| {
        if !holds {
            found.push(format!("body: {rule}"));
        }
    };
    // Contracts are sent without an envelope.
    if status == 200 && body.get("openapi").is_some() && body.get("success").is_none() {
        return found;
    }
    let is_success = (200..300).contains(&status);
    check(
        body["success"] == is_success,
        "`success` must match the status",
    );
    check(
        body.get("error").is_none() == is_success,
        "`error` must be present exactly in a failure",
    );
    check(
        body.get("data").is_some() == is_success,
        "`data` must be present exactly in a success",
    );
    check(
        body["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
            == is_success,
        "`message` must be present exactly in a success",
    );
    if is_success {
        return found;
    }
    let error = &body["error"];
    // The main contract has the codes of all responses, also of responses for paths in no contract.
    let document = contracts()[0].contract.document();
    let info = &document["components"]["schemas"]["ErrorInfo"]["properties"];
    let code = &info["code"]["x-error-codes"][error["code"].as_str().unwrap_or_default()];
    check(
        *code == status,
        "`x-error-codes` must have `code` with this status",
    );
    if let Some(reason) = error.get("reason") {
        let known = &info["reason"]["x-error-reasons"][reason.as_str().unwrap_or_default()];
        check(
            *known == status,
            "`x-error-reasons` must have `reason` with this status",
        );
    }
    let has_reason = error.get("reason").is_some();
    check(
        has_reason == (status == 409) || status == 403,
        "`reason` must be present in a 409, and only there or in a 403",
    );
    check(
        error["message"].is_string(),
        "an error must have a `message`",
    );
    let details = error["details"].as_array();
    let names_property = details.is_some_and(|all| all.len() == 1 && all[0]["in"] == "body");
    check(
        error.get("details").is_some() == (status == 400) || status == 403 && names_property,
        "`details` must be present in a 400, and only there or, for a property, in a 403",
    );
    check(
        status != 400 || details.is_some_and(|all| (1..=100).contains(&all.len())),
        "there must be between 1 and 100 `details`",
    );
    for detail in details.into_iter().flatten() {
        let field = detail["field"].as_str().unwrap_or("(none)");
        let is_known = match detail["in"].as_str() {
            Some("body") => field.is_empty() || field.starts_with('/'),
            Some("path") => exchange.endpoint_has_parameter("path", field),
            Some("header") => {
                field == "Host"
                    || field == "Authorization" && exchange.endpoint_takes_tokens()
                    || exchange.endpoint_has_parameter("header", field)
            }
            // Unknown parameters may have any name.
            Some("query") => true,
            _ => false,
        };
        check(
            is_known,
            &format!("{detail} must name a place in the request"),
        );
    }
    found
}

impl Exchange<'_> {
    fn endpoint_takes_tokens(&self) -> bool {
        match &self.endpoint {
            Endpoint::Operation(operation) => operation.security.schemes().next().is_some(),
            _ => false,
        }
    }

    fn endpoint_has_parameter(&self, place: &str, name: &str) -> bool {
        let Endpoint::Operation(operation) = &self.endpoint else {
            return false;
        };
        let mut parameters = operation.parameters.iter();
        parameters.any(|parameter| {
            let is_in_place = format!("{:?}", parameter.place).eq_ignore_ascii_case(place);
            parameter.name == name && is_in_place
        })
    }
}

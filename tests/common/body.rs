//! JSON bodies: the envelope that each of them keeps to, whatever its endpoint.

use ecommerce_api::api::contracts::contracts;
use serde_json::Value;

use super::conformance::{Answered, Endpoint};

/// What every JSON body of the service keeps to, whatever its endpoint.
pub fn violations(it: &Answered<'_>) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(&it.received.body) else {
        return vec!["body: it is no JSON".to_owned()];
    };
    let status = it.received.status;
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("body: {what}"));
        }
    };
    // The documents are themselves, without an envelope.
    if status == 200 && body.get("openapi").is_some() && body.get("success").is_none() {
        return found;
    }
    let is_success = (200..300).contains(&status);
    demand(body["success"] == is_success, "`success` tells the status");
    demand(
        body.get("error").is_none() == is_success,
        "`error` of a failure alone",
    );
    demand(
        body.get("data").is_some() == is_success,
        "`data` of a success alone",
    );
    demand(
        body["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
            == is_success,
        "`message` of a success",
    );
    if is_success {
        return found;
    }
    let error = &body["error"];
    // The main contract has the codes of every response, also of those outside of any contract.
    let document = contracts()[0].contract.document();
    let info = &document["components"]["schemas"]["ErrorInfo"]["properties"];
    let code = &info["code"]["x-error-codes"][error["code"].as_str().unwrap_or_default()];
    demand(*code == status, "`code` is the status's in `x-error-codes`");
    if let Some(reason) = error.get("reason") {
        let known = &info["reason"]["x-error-reasons"][reason.as_str().unwrap_or_default()];
        demand(
            *known == status,
            "`reason` is one of the status's in `x-error-reasons`",
        );
    }
    demand(
        error.get("reason").is_some() == (status == 409),
        "`reason` of a conflict",
    );
    demand(error["message"].is_string(), "`message` of an error");
    demand(
        error.get("details").is_some() == (status == 400),
        "`details` of a 400 alone",
    );
    let details = error["details"].as_array();
    demand(
        status != 400 || details.is_some_and(|all| (1..=100).contains(&all.len())),
        "between 1 and 100 `details`",
    );
    for detail in details.into_iter().flatten() {
        let field = detail["field"].as_str().unwrap_or("(none)");
        let is_right = match detail["in"].as_str() {
            Some("body") => field.is_empty() || field.starts_with('/'),
            Some("path") => it.endpoint_has_parameter("path", field),
            Some("header") => field == "Host" || it.endpoint_has_parameter("header", field),
            // A name that the operation does not know may be anything.
            Some("query") => true,
            _ => false,
        };
        demand(is_right, &format!("{detail} names a place of the request"));
    }
    found
}

impl Answered<'_> {
    fn endpoint_has_parameter(&self, place: &str, name: &str) -> bool {
        let Endpoint::Operation(operation) = &self.endpoint else {
            return false;
        };
        let same = |it: &str| it.eq_ignore_ascii_case(place);
        let mut parameters = operation.parameters.iter();
        parameters.any(|it| it.name == name && same(&format!("{:?}", it.place)))
    }
}

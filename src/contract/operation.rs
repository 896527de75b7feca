//! The contract's operations as a table: which path and method, with which parameters and body,
//! answered how.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde_json::Value;

use crate::error::{Place, Violation};

use super::schema::{self, Inline};
use super::{document, resolve};

/// The keys of a path item that are methods.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// One operation of the contract.
pub struct Operation {
    /// Its `operationId`.
    pub id: &'static str,
    /// Its method, in capitals.
    pub method: String,
    /// Its path, with `{placeholders}`.
    pub path: &'static str,
    template: Template,
    /// Its parameters in path, query and headers, those of the path item included.
    pub parameters: Vec<Parameter>,
    /// The component that its request body keeps to, if it takes one.
    pub body: Option<&'static str>,
    /// What it answers, by status.
    responses: Vec<Response>,
}

/// One parameter of an operation; all of this contract's are whole numbers or strings.
pub struct Parameter {
    /// Its name, as the contract writes it.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    values: Values,
}

/// What a parameter may be.
enum Values {
    /// A whole number in this range, compared here: nearly every request has one, and needs no
    /// validator for it.
    Number(RangeInclusive<i64>),
    Text(Inline),
}

struct Response {
    status: u16,
    /// What its body keeps to, if it has one.
    component: Option<&'static str>,
    headers: Vec<Header>,
}

struct Header {
    name: &'static str,
    is_required: bool,
    schema: Inline,
}

/// Every operation, in the order of the contract.
#[must_use]
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(read);
    &OPERATIONS
}

/// The operation that answers `method` (in capitals) at the concrete `path`.
#[must_use]
pub fn find(method: &str, path: &str) -> Option<&'static Operation> {
    operations()
        .iter()
        .find(|operation| operation.method == method && operation.template.matches(path))
}

/// The methods (in capitals) that the contract has at the concrete `path`; none when it does not
/// know the path.
#[must_use]
pub fn methods(path: &str) -> Vec<&'static str> {
    let at_path = operations()
        .iter()
        .filter(|operation| operation.template.matches(path));
    at_path.map(|operation| operation.method.as_str()).collect()
}

/// A path with at most one placeholder, taken apart: every request is held against all of them.
struct Template {
    before: &'static str,
    /// What follows the placeholder, if there is one.
    after: Option<&'static str>,
}

impl Template {
    fn read(path: &'static str) -> Self {
        let Some((before, rest)) = path.split_once('{') else {
            return Self {
                before: path,
                after: None,
            };
        };
        let (_, after) = rest.split_once('}').expect("the contract keeps to OpenAPI");
        assert!(!after.contains('{'), "{path} has two placeholders");
        Self {
            before,
            after: Some(after),
        }
    }

    fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(self.before) else {
            return false;
        };
        let Some(after) = self.after else {
            return rest.is_empty();
        };
        let value = rest.strip_suffix(after);
        value.is_some_and(|value| !value.is_empty() && !value.contains('/'))
    }
}

impl Operation {
    /// The statuses that it documents.
    pub fn statuses(&self) -> impl Iterator<Item = u16> + '_ {
        self.responses.iter().map(|response| response.status)
    }

    /// Everything in an answer that strays from the contract: the status, a header, the media type
    /// or the body. `header` finds a header's value by its name in lower case. No violation
    /// repeats a value.
    pub fn response_violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Vec<Violation> {
        let mut violations = self.head_violations(status, header);
        let Some(response) = self.response(status) else {
            return violations;
        };
        let Some(component) = response.component else {
            if !body.is_empty() {
                violations.push(Violation::in_body("", "is there, where none is documented"));
            }
            return violations;
        };
        match super::json::parse(body) {
            Ok((value, duplicates)) => {
                violations.extend(duplicates);
                violations.extend(schema::response_violations(component, &value));
            }
            Err(violation) => violations.push(violation),
        }
        violations
    }

    /// The same for an answer without its body.
    pub fn head_violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Vec<Violation> {
        let Some(response) = self.response(status) else {
            return vec![Violation::in_body(
                "status",
                format!("{status} is not documented"),
            )];
        };
        let mut violations = Vec::new();
        for Header {
            name,
            is_required,
            schema,
        } in &response.headers
        {
            match header(&name.to_ascii_lowercase()) {
                None if *is_required => {
                    violations.push(Violation::new(Place::Header, *name, "is missing"));
                }
                Some(text) if !accepts(schema, text) => {
                    violations.push(Violation::new(
                        Place::Header,
                        *name,
                        "does not keep to its schema",
                    ));
                }
                _ => {}
            }
        }
        match (response.component, header("content-type")) {
            (Some(_), Some("application/json")) | (None, None) => {}
            (Some(_), _) => {
                violations.push(Violation::new(
                    Place::Header,
                    "content-type",
                    "is not application/json",
                ));
            }
            (None, Some(_)) => {
                violations.push(Violation::new(
                    Place::Header,
                    "content-type",
                    "is there, without a body",
                ));
            }
        }
        violations
    }

    /// Everything that strays in some rows of the list that a 200 answers with: JSON values,
    /// separated by commas. The places are counted from the first of these rows.
    #[must_use]
    pub fn row_violations(&self, rows: &[u8]) -> Vec<Violation> {
        let list = [br#"{"success":true,"message":"","data":["#, rows, b"]}"].concat();
        let Some(component) = self.response(200).and_then(|response| response.component) else {
            return Vec::new();
        };
        match super::json::parse(&list) {
            Ok((value, duplicates)) => {
                let violations = schema::response_violations(component, &value);
                duplicates.into_iter().chain(violations).collect()
            }
            Err(violation) => vec![violation],
        }
    }

    fn response(&self, status: u16) -> Option<&Response> {
        self.responses
            .iter()
            .find(|response| response.status == status)
    }
}

/// Whether a header's text keeps to its schema, read as a number or as a string.
fn accepts(schema: &Inline, text: &str) -> bool {
    schema.is_valid(&text.into())
        || text
            .parse::<i64>()
            .is_ok_and(|number| schema.is_valid(&number.into()))
}

impl Parameter {
    /// What is wrong with `text` as the value of this parameter, if anything.
    ///
    /// Only the canonical spelling of a number counts: `+1`, `01` and `1.0` are refused.
    #[must_use]
    pub fn violation(&self, text: &str) -> Option<Violation> {
        let number = || {
            let number = text.parse::<i64>().ok();
            number.filter(|number| number.to_string() == text)
        };
        let problem = match &self.values {
            Values::Number(range) if number().is_some_and(|number| range.contains(&number)) => None,
            Values::Number(range) => Some(format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            )),
            Values::Text(schema) => schema.violation(&text.into()),
        };
        problem.map(|problem| Violation::new(self.place, self.name, problem))
    }
}

fn read() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in object(&document()["paths"]) {
        for (method, operation) in object(item) {
            if METHODS.contains(&method) {
                operations.push(read_operation(path, item, method, operation));
            }
        }
    }
    operations
}

fn read_operation(
    path: &'static str,
    item: &'static Value,
    method: &str,
    operation: &'static Value,
) -> Operation {
    let parameters = [&item["parameters"], &operation["parameters"]];
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_ascii_uppercase(),
        path,
        template: Template::read(path),
        parameters: parameters
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .map(|parameter| read_parameter(resolve(parameter)))
            .collect(),
        body: operation
            .get("requestBody")
            .map(|body| component(resolve(body))),
        responses: object(&operation["responses"])
            .map(|(status, response)| read_response(status, resolve(response)))
            .collect(),
    }
}

fn read_parameter(parameter: &'static Value) -> Parameter {
    let schema = resolve(&parameter["schema"]);
    Parameter {
        name: text(&parameter["name"]),
        place: match text(&parameter["in"]) {
            "path" => Place::Path,
            "query" => Place::Query,
            "header" => Place::Header,
            place => unreachable!("no parameter of the contract stands in a {place}"),
        },
        values: if schema["type"] == "integer" {
            Values::Number(number_range(schema))
        } else {
            Values::Text(Inline::new(schema))
        },
    }
}

/// The numbers that a schema allows, when these bounds are all that it says of them.
fn number_range(schema: &'static Value) -> RangeInclusive<i64> {
    const BOUNDS: [&str; 4] = ["type", "format", "minimum", "maximum"];
    let other = object(schema).find(|(keyword, _)| !BOUNDS.contains(keyword));
    assert!(other.is_none(), "nothing compares {other:?} of a number");
    let bound = |keyword: &str| schema[keyword].as_i64();
    let bounds = bound("minimum").zip(bound("maximum"));
    let (minimum, maximum) = bounds.expect("a number has both bounds: the tests read every one");
    minimum..=maximum
}

fn read_response(status: &str, response: &'static Value) -> Response {
    let headers = response.get("headers").map(object).into_iter().flatten();
    Response {
        status: status
            .parse()
            .expect("every status of the contract is a number"),
        component: response.get("content").map(|_| component(response)),
        headers: headers
            .map(|(name, header)| {
                let header = resolve(header);
                Header {
                    name,
                    is_required: header["required"] == true,
                    schema: Inline::new(&header["schema"]),
                }
            })
            .collect(),
    }
}

/// The name of the component that a body keeps to: no body of the contract has an inline schema.
fn component(body: &'static Value) -> &'static str {
    text(&body["content"]["application/json"]["schema"]["$ref"])
        .trim_start_matches("#/components/schemas/")
}

fn object(value: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}

fn text(value: &'static Value) -> &'static str {
    value
        .as_str()
        .expect("the contract keeps to OpenAPI: the tests check it")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_method_and_concrete_path() {
        let id = |method, path| find(method, path).map(|operation| operation.id);
        assert_eq!(id("GET", "/api/users/7/cart"), Some("getUserCart"));
        assert_eq!(id("DELETE", "/api/cart/user/7"), Some("clearUserCart"));
        assert_eq!(id("POST", "/api/users/7"), None);
        assert_eq!(id("GET", "/api/users/"), None, "an empty segment is no id");
        assert_eq!(methods("/api/products/1"), ["GET", "PUT", "DELETE"]);
        assert!(methods("/api/nothing").is_empty());
    }

    #[test]
    fn a_parameter_takes_canonical_whole_numbers_in_its_range() {
        let limit = operations()[0]
            .parameters
            .iter()
            .find(|parameter| parameter.name == "limit")
            .unwrap();
        assert!(limit.violation("1000").is_none());
        for text in [
            "0",
            "1001",
            "-1",
            "+1",
            "01",
            "1.0",
            "1e2",
            "",
            " 1",
            "abc",
            "99999999999999999999",
        ] {
            let violation = limit.violation(text).unwrap();
            assert_eq!(
                violation.message, "must be a whole number from 1 to 1000",
                "{text}"
            );
        }
    }

    #[test]
    fn a_status_without_a_body_has_none() {
        let operation = find("GET", "/api/users/1").unwrap();
        let fields = |kind: Option<&'static str>, body: &[u8]| -> Vec<String> {
            let headers = |name: &str| match name {
                "content-type" => kind,
                "etag" => Some("\"a\""),
                "x-request-id" => Some("abc"),
                _ => None,
            };
            let violations = operation.response_violations(304, headers, body);
            violations.into_iter().map(|v| v.field).collect()
        };
        assert_eq!(fields(None, b""), [""; 0]);
        assert_eq!(fields(None, b"{}"), [""]);
        assert_eq!(fields(Some("application/json"), b""), ["content-type"]);
        let without = operation.response_violations(304, |_| None, b"");
        assert_eq!(without.len(), 2, "its headers are promised");
    }

    #[test]
    fn an_answer_that_strays_is_described() {
        let operation = find("DELETE", "/api/cart/1").unwrap();
        let headers = |name: &str| match name {
            "content-type" => Some("application/json"),
            "x-request-id" => Some("abc"),
            _ => None,
        };
        let good = br#"{"success":true,"data":{"cart_items_removed":1},"message":"x"}"#;
        assert!(operation.response_violations(200, headers, good).is_empty());
        let fields = |status, body: &[u8]| -> Vec<String> {
            operation
                .response_violations(status, headers, body)
                .into_iter()
                .map(|v| v.field)
                .collect()
        };
        assert_eq!(fields(204, good), ["status"]);
        assert_eq!(
            fields(
                503,
                br#"{"success":false,"error":{"code":"X","message":"x"}}"#
            ),
            ["Retry-After"]
        );
        assert_eq!(
            fields(
                200,
                br#"{"success":true,"data":{"cart_items_removed":"1"}}"#
            )
            .len(),
            2
        );
        assert_eq!(operation.response_violations(200, |_| None, good).len(), 2);
    }
}

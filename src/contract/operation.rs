//! An operation of a contract, and its parser.
//!
//! Imports `violation`, and the module's `located`, `matching`, `parameters`, `parser`, `query`,
//! `responses`, `schema`, `security` and `validators`.

use std::sync::Arc;

use serde_json::Value;

use crate::violation::{Place, Violation};

use super::located::{Located, ParseError};
use super::matching::Template;
use super::parameters::{self, Parameter};
use super::parser::Parser;
use super::query::normalise_path;
use super::responses::{self, Responses};
use super::schema::Direction;
use super::security::{self, Security};
use super::validators::Schema;

/// One operation of a contract.
pub struct Operation {
    /// The `operationId`.
    pub id: String,
    /// The method, in capitals.
    pub method: String,
    /// The path, with `{placeholders}`.
    pub path: String,
    /// The parameters in path, query and headers, including those of the path item.
    pub parameters: Vec<Parameter>,
    /// The request body, if the operation takes one.
    pub body: Option<Body>,
    /// Who may call the operation.
    pub security: Security,
    pub(super) template: Template,
    responses: Responses,
}

/// The request body of an operation: JSON that conforms to a schema.
pub struct Body {
    /// Whether a request without a body is invalid.
    pub is_required: bool,
    schema: Arc<Schema>,
}

impl Operation {
    /// The values of the placeholders in a path that this operation matches, as they were sent except
    /// for the changes by [`normalise_path`].
    #[must_use]
    pub fn path_values(&self, path: &str) -> Vec<(&str, String)> {
        let mut values = Vec::new();
        let names = &self.template.placeholders;
        self.template
            .match_values(&normalise_path(path), |index, value| {
                values.push((names[index].as_str(), value.to_owned()));
            });
        values
    }

    /// Whether the paths of both operations match the same request path.
    #[must_use]
    pub fn shares_a_path_with(&self, other: &Self) -> bool {
        self.template.overlaps(&other.template)
    }

    /// All violations in the parameters of a request: in the path, which this operation must match, in
    /// the query (the text after `?`) and in the headers. `header` returns the value of a header by its
    /// name in lower case.
    pub fn parameter_violations<'h>(
        &self,
        path: &str,
        query: &str,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Vec<Violation> {
        let path = normalise_path(path);
        parameters::violations(&self.parameters, &self.template, &path, query, header)
    }

    /// The statuses that are documented one by one, without ranges (`4XX`) and `default`.
    pub fn statuses(&self) -> impl Iterator<Item = u16> + '_ {
        self.responses.statuses()
    }

    /// All violations in a response: in the status, the headers, the media type and the body. `header`
    /// returns the value of a header by its name in lower case. No violation repeats a value.
    pub fn response_violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Vec<Violation> {
        self.responses.violations(status, header, body)
    }

    /// The violations in a response except those in its body: in the status, the headers and the media
    /// type.
    pub fn head_violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Vec<Violation> {
        self.responses.head_violations(status, header)
    }

    /// The violations in some rows of a list. `list` is the JSON pointer to the list in the body of a
    /// response with this status, `rows` are JSON values separated by commas, and `first` is the index of
    /// the first row in the list. The violations have pointers into the whole body.
    #[must_use]
    pub fn row_violations(
        &self,
        status: u16,
        list: &str,
        first: usize,
        rows: &[u8],
    ) -> Vec<Violation> {
        self.responses.row_violations(status, list, first, rows)
    }
}

impl Body {
    /// All violations of the body's schema in `value`.
    #[must_use]
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        self.schema.violations(value)
    }

    /// The name of the component schema of the body; `None` for an inline schema.
    #[must_use]
    pub fn component(&self) -> Option<&str> {
        self.schema.component()
    }
}

/// The keys of an operation that are supported.
const KEYS: [&str; 12] = [
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "requestBody",
    "responses",
    "callbacks",
    "deprecated",
    "security",
    "servers",
];

/// Parses one operation.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse<'d>(
    path: &str,
    item: &Located<'d>,
    method: &str,
    operation: &Located<'d>,
    parser: &Parser<'d>,
) -> Result<Operation, ParseError> {
    operation.only(&KEYS)?;
    let template = Template::parse(path).map_err(|problem| item.error(problem))?;
    let parameters = parameters::parse(item, operation, parser)?;
    let in_path = || {
        parameters
            .iter()
            .filter(|parameter| parameter.place == Place::Path)
    };
    for name in &template.placeholders {
        if !in_path().any(|parameter| parameter.name == *name) {
            let message = format!("the placeholder `{{{name}}}` of the path has no parameter");
            return Err(operation.error(message));
        }
    }
    if let Some(surplus) =
        in_path().find(|parameter| !template.placeholders.contains(&parameter.name))
    {
        let message = format!(
            "the parameter `{}` has no placeholder in the path",
            surplus.name
        );
        return Err(operation.error(message));
    }
    Ok(Operation {
        id: operation.text("operationId")?.to_owned(),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        parameters,
        body: parse_request_body(method, operation, parser)?,
        security: security::parse(parser.document, operation)?,
        template,
        responses: responses::parse(&operation.require("responses")?, parser)?,
    })
}

fn parse_request_body<'d>(
    method: &str,
    operation: &Located<'d>,
    parser: &Parser<'d>,
) -> Result<Option<Body>, ParseError> {
    let Some(body) = operation.get("requestBody") else {
        return Ok(None);
    };
    if ["get", "delete"].contains(&method) {
        return Err(body.error(format!("OpenAPI ignores the body of a {method}")));
    }
    parse_body(body, parser).map(Some)
}

/// Parses a request body, or the component to which it refers.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse_body<'d>(body: Located<'d>, parser: &Parser<'d>) -> Result<Body, ParseError> {
    let body = body.resolve(parser.document, "requestBodies")?;
    body.only(&["description", "required", "content"])?;
    let content = body.require("content")?;
    let Some((_, schema)) = parser.media_type(&content)? else {
        return Err(content.error("has no media type"));
    };
    Ok(Body {
        is_required: body.flag("required")?,
        schema: parser.schemas.get(&schema.pointer, Direction::Request),
    })
}

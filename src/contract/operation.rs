//! An operation of a contract, and how it is read from the document.
//!
//! Imports `error`, and the module's `located`, `matching`, `parameters`, `reader`, `responses`,
//! `translation` and `validators`.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{Place, Violation};

use super::located::{Located, Problem};
use super::matching::Template;
use super::parameters::{self, Parameter};
use super::reader::Reader;
use super::responses::{self, Responses};
use super::schema::Direction;
use super::validators::Schema;

/// One operation of a contract.
pub struct Operation {
    /// The `operationId`.
    pub id: String,
    /// The method, in capitals.
    pub method: String,
    /// The path, with `{placeholders}`.
    pub path: String,
    /// The parameters in path, query and headers, those of the path item included.
    pub parameters: Vec<Parameter>,
    /// The request body, if the operation takes one.
    pub body: Option<Body>,
    pub(super) template: Template,
    responses: Responses,
}

/// The request body of an operation: JSON that keeps to a schema.
pub struct Body {
    /// Whether a request without a body is refused.
    pub is_required: bool,
    schema: Arc<Schema>,
}

impl Operation {
    /// The values of the placeholders in a path that this operation matches, as they were sent.
    #[must_use]
    pub fn path_values<'p>(&self, path: &'p str) -> Vec<(&str, &'p str)> {
        let mut values = Vec::new();
        let names = &self.template.placeholders;
        self.template.walk(path, |index, value| {
            values.push((names[index].as_str(), value));
        });
        values
    }

    /// Everything that is wrong with the parameters of a request to a path that this operation
    /// matches: with the path, with the query (what stands behind the `?`) and with the headers.
    /// `header` finds a header's value by its name in lower case.
    pub fn parameter_violations<'h>(
        &self,
        path: &str,
        query: &str,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Vec<Violation> {
        parameters::violations(&self.parameters, &self.template, path, query, header)
    }

    /// The statuses that the contract names one by one: without ranges (`4XX`) and `default`.
    pub fn statuses(&self) -> impl Iterator<Item = u16> + '_ {
        self.responses.statuses()
    }

    /// Everything in a response that does not keep to the contract: the status, a header, the media
    /// type or the body. `header` finds a header's value by its name in lower case. No violation
    /// repeats a value.
    pub fn response_violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Vec<Violation> {
        self.responses.violations(status, header, body)
    }

    /// The check of a response without its body: of status, headers and media type.
    pub fn head_violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Vec<Violation> {
        self.responses.head_violations(status, header)
    }

    /// Everything that does not keep to the contract in some rows of the list at `list`, a JSON
    /// pointer into the body of a response with this status. `rows` are JSON values, separated by
    /// commas; `first` is the index of the first of them in the list. The violations are at their
    /// places within the whole body.
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
    /// Everything in `value` that does not keep to the schema of the body.
    #[must_use]
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        self.schema.violations(value)
    }

    /// The name of the component that is the schema of the body; none for an inline schema.
    #[must_use]
    pub fn component(&self) -> Option<&str> {
        self.schema.component()
    }
}

/// What an operation may say.
const KEYWORDS: [&str; 12] = [
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

/// Reads one operation.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse<'d>(
    path: &str,
    item: &Located<'d>,
    method: &str,
    operation: &Located<'d>,
    reader: &Reader<'d>,
) -> Result<Operation, Problem> {
    operation.only(&KEYWORDS)?;
    let template = Template::parse(path).map_err(|problem| item.problem(problem))?;
    let parameters = parameters::parse(item, operation, reader)?;
    let in_path = || parameters.iter().filter(|it| it.place == Place::Path);
    for name in &template.placeholders {
        if !in_path().any(|it| it.name == *name) {
            let message = format!("the placeholder `{{{name}}}` of the path has no parameter");
            return Err(operation.problem(message));
        }
    }
    if let Some(lost) = in_path().find(|it| !template.placeholders.contains(&it.name)) {
        let message = format!(
            "the parameter `{}` has no placeholder in the path",
            lost.name
        );
        return Err(operation.problem(message));
    }
    Ok(Operation {
        id: operation.text("operationId")?.to_owned(),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        parameters,
        body: body(method, operation, reader)?,
        template,
        responses: responses::parse(&operation.require("responses")?, reader)?,
    })
}

fn body<'d>(
    method: &str,
    operation: &Located<'d>,
    reader: &Reader<'d>,
) -> Result<Option<Body>, Problem> {
    let Some(body) = operation.get("requestBody") else {
        return Ok(None);
    };
    if ["get", "head", "delete", "trace"].contains(&method) {
        return Err(body.problem(format!("OpenAPI ignores the body of a {method}")));
    }
    let body = body.resolve(reader.document, "requestBodies")?;
    body.only(&["description", "required", "content"])?;
    let content = body.require("content")?;
    let Some((_, schema)) = reader.media_type(&content)? else {
        return Err(content.problem("has no media type"));
    };
    Ok(Some(Body {
        is_required: body.flag("required")?,
        schema: reader.schemas.get(&schema.pointer, Direction::Request),
    }))
}

//! An operation of a contract, and how it is read from the document.
//!
//! Imports `error`, and the module's `located`, `matching`, `parameters`, `responses` and
//! `validators`.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{Place, Violation};

use super::located::{Located, Problem};
use super::matching::Template;
use super::parameters::{self, Parameter};
use super::reader::Reader;
use super::responses::{self, Response};
use super::schema::Direction;
use super::validators::{Schema, Schemas};

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
    pub(super) responses: Vec<Response>,
    pub(super) schemas: Arc<Schemas>,
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
        schemas: Arc::clone(&reader.schemas),
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
    let Some((_, schema)) = media_type(&content, reader)? else {
        return Err(content.problem("has no media type"));
    };
    Ok(Some(Body {
        is_required: body.flag("required")?,
        schema: reader.schemas.get(&schema.pointer, Direction::Request),
    }))
}

/// The one media type of a body and its schema; none where there is none.
///
/// # Errors
/// When there is another one than JSON, or it has no schema.
pub(super) fn media_type<'d>(
    content: &Located<'d>,
    reader: &Reader<'d>,
) -> Result<Option<(&'d str, Located<'d>)>, Problem> {
    let members = content.members()?;
    let [(name, media_type)] = members.as_slice() else {
        return if members.is_empty() {
            Ok(None)
        } else {
            Err(content.problem("several media types are not supported"))
        };
    };
    let (essence, charset) = name.split_once(';').unwrap_or((name, "charset=utf-8"));
    let is_json = essence.trim().eq_ignore_ascii_case("application/json")
        && charset.trim().eq_ignore_ascii_case("charset=utf-8");
    if !is_json {
        return Err(media_type.problem("is not supported: a body is application/json"));
    }
    media_type.only(&["schema", "example", "examples"])?;
    let schema = media_type.require("schema")?;
    reader.check(&schema)?;
    Ok(Some((name, schema)))
}

//! Parses the operations of a contract.
//!
//! Imports the module's `diff` (for the names of the methods), `located`, `operation`, `parameters`,
//! `parser`, `responses` and `security`.

use super::diff::METHODS;
use super::located::{Located, ParseError};
use super::operation::{self, Operation};
use super::parameters;
use super::parser::Parser;
use super::responses;
use super::security;

/// The keys of a document that are supported.
const DOCUMENT_KEYS: [&str; 8] = [
    "openapi",
    "info",
    "servers",
    "paths",
    "components",
    "security",
    "tags",
    "externalDocs",
];

/// The keys of a path item that are supported, beside its operations.
const PATH_ITEM_KEYS: [&str; 4] = ["summary", "description", "servers", "parameters"];

/// The keys of the components. The last three do not restrict requests or responses.
const COMPONENTS_KEYS: [&str; 9] = [
    "schemas",
    "parameters",
    "headers",
    "responses",
    "requestBodies",
    "securitySchemes",
    "examples",
    "links",
    "callbacks",
];

/// The methods that an operation cannot have, with the reason.
const UNSUPPORTED_METHODS: [(&str, &str); 3] = [
    (
        "head",
        "a HEAD is the GET of the same path without the body",
    ),
    (
        "options",
        "the response to OPTIONS follows from the other methods of the path",
    ),
    ("trace", "TRACE returns the request itself"),
];

/// Parses every operation, in the order of the document.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse(parser: &Parser<'_>) -> Result<Vec<Operation>, ParseError> {
    let root = Located::root(parser.document);
    let version = root.require("openapi")?;
    if !version
        .value
        .as_str()
        .is_some_and(|version| version.starts_with("3.0."))
    {
        return Err(version.error("is not supported: OpenAPI 3.0 is"));
    }
    root.only(&DOCUMENT_KEYS)?;
    check_schemas(&root, parser)?;
    let mut operations = Vec::new();
    for (path, item) in root.require("paths")?.members()? {
        if !path.starts_with("x-") {
            parse_path_item(path, &item, parser, &mut operations)?;
        }
    }
    check_components(&root, parser)?;
    Ok(operations)
}

/// Checks the components beside the schemas, including those that no operation uses.
fn check_components<'d>(root: &Located<'d>, parser: &Parser<'d>) -> Result<(), ParseError> {
    let Some(components) = root.get("components") else {
        return Ok(());
    };
    components.only(&COMPONENTS_KEYS)?;
    let members = |section: &str| match components.get(section) {
        Some(section) => section.members(),
        None => Ok(Vec::new()),
    };
    for (_, parameter) in members("parameters")? {
        parameters::parse_parameter(parameter, parser)?;
    }
    for (_, header) in members("headers")? {
        responses::parse_header("", header, parser)?;
    }
    for (_, response) in members("responses")? {
        responses::parse_response("default", response, parser)?;
    }
    for (_, scheme) in members("securitySchemes")? {
        security::check_scheme(&scheme)?;
    }
    for (_, body) in members("requestBodies")? {
        operation::parse_body(body, parser)?;
    }
    Ok(())
}

/// Checks the component schemas, including those that no operation uses.
fn check_schemas<'d>(root: &Located<'d>, parser: &Parser<'d>) -> Result<(), ParseError> {
    let components = root.get("components");
    let Some(schemas) = components.and_then(|components| components.get("schemas")) else {
        return Ok(());
    };
    let schemas = schemas.members()?;
    let mut all = schemas.iter().map(|(_, schema)| schema);
    all.clone()
        .try_for_each(|schema| parser.check_acyclic(schema))?;
    all.try_for_each(|schema| parser.check(schema))
}

/// Parses the operations of one path, and adds them to `operations`.
fn parse_path_item<'d>(
    path: &str,
    item: &Located<'d>,
    parser: &Parser<'d>,
    operations: &mut Vec<Operation>,
) -> Result<(), ParseError> {
    let first = operations.len();
    item.only(&[&METHODS[..], &PATH_ITEM_KEYS].concat())?;
    for (method, operation) in item.members()? {
        if !METHODS.contains(&method) {
            continue;
        }
        if let Some((_, reason)) = UNSUPPORTED_METHODS.iter().find(|(it, _)| *it == method) {
            return Err(operation.error(format!("`{method}` is not supported: {reason}")));
        }
        let operation = operation::parse(path, item, method, &operation, parser)?;
        if operations.iter().any(|other| other.id == operation.id) {
            let message = format!("the operationId `{}` is there twice", operation.id);
            return Err(item.require(method)?.error(message));
        }
        operations.push(operation);
    }
    let (others, own) = operations.split_at(first);
    let Some(operation) = own.first() else {
        return Ok(());
    };
    let mut others = others.iter();
    match others.find(|other| other.template.is_ambiguous_with(&operation.template)) {
        Some(other) => Err(item.error(format!(
            "matches the same requests as {}, and neither is more specific in every segment",
            other.path
        ))),
        None => Ok(()),
    }
}

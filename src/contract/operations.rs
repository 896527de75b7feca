//! Reads the operations of a contract from its document.
//!
//! Imports the module's `diff` (for the names of the methods), `located`, `operation` and `reader`.

use super::diff::METHODS;
use super::located::{Located, Problem};
use super::operation::{self, Operation};
use super::reader::Reader;

/// What a document may say.
const OF_A_DOCUMENT: [&str; 8] = [
    "openapi",
    "info",
    "servers",
    "paths",
    "components",
    "security",
    "tags",
    "externalDocs",
];

/// What a path item may have beside its operations.
const OF_AN_ITEM: [&str; 4] = ["summary", "description", "servers", "parameters"];

/// Reads every operation, in the order of the document.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn read(reader: &Reader<'_>) -> Result<Vec<Operation>, Problem> {
    let root = Located::root(reader.document);
    let version = root.require("openapi")?;
    if !version
        .value
        .as_str()
        .is_some_and(|it| it.starts_with("3.0."))
    {
        return Err(version.problem("is not supported: OpenAPI 3.0 is"));
    }
    root.only(&OF_A_DOCUMENT)?;
    components(&root, reader)?;
    let mut operations = Vec::new();
    for (path, item) in root.require("paths")?.members()? {
        if !path.starts_with("x-") {
            path_item(path, &item, reader, &mut operations)?;
        }
    }
    Ok(operations)
}

fn components<'d>(root: &Located<'d>, reader: &Reader<'d>) -> Result<(), Problem> {
    let components = root.get("components");
    let Some(schemas) = components.and_then(|it| it.get("schemas")) else {
        return Ok(());
    };
    let schemas = schemas.members()?;
    let mut all = schemas.iter().map(|(_, schema)| schema);
    all.clone()
        .try_for_each(|schema| reader.check_acyclic(schema))?;
    all.try_for_each(|schema| reader.check(schema))
}

fn path_item<'d>(
    path: &str,
    item: &Located<'d>,
    reader: &Reader<'d>,
    operations: &mut Vec<Operation>,
) -> Result<(), Problem> {
    let first = operations.len();
    item.only(&[&METHODS[..], &OF_AN_ITEM].concat())?;
    for (method, operation) in item.members()? {
        if !METHODS.contains(&method) {
            continue;
        }
        let operation = operation::parse(path, item, method, &operation, reader)?;
        if operations.iter().any(|other| other.id == operation.id) {
            let message = format!("the operationId `{}` is there twice", operation.id);
            return Err(item.require(method)?.problem(message));
        }
        operations.push(operation);
    }
    let (others, own) = operations.split_at(first);
    let Some(operation) = own.first() else {
        return Ok(());
    };
    let mut others = others.iter();
    match others.find(|it| it.template.is_ambiguous_beside(&operation.template)) {
        Some(other) => Err(item.problem(format!(
            "matches the same requests as {}, and neither is more specific in every segment",
            other.path
        ))),
        None => Ok(()),
    }
}

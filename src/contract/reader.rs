//! What is needed to read a contract from its document: the document, its schemas, and the check
//! of those that are met on the way.
//!
//! Imports the module's `located`, `matching`, `operation`, `supported` and `validators`.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::Value;

use super::diff::METHODS;
use super::located::{Located, Problem};
use super::operation::{self, Operation};
use super::supported::SchemaCheck;
use super::validators::Schemas;

/// Reads the operations of a document.
pub(super) struct Reader<'d> {
    pub document: &'d Value,
    pub schemas: Arc<Schemas>,
    check: RefCell<SchemaCheck<'d>>,
}

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

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Arc<Value>) -> Self {
        Self {
            document,
            schemas: Arc::new(Schemas::new(Arc::clone(document))),
            check: RefCell::new(SchemaCheck::new(document)),
        }
    }

    /// Checks that a schema is supported.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn check(&self, schema: &Located<'d>) -> Result<(), Problem> {
        self.check.borrow_mut().check(schema)
    }

    /// Reads every operation, in the order of the document.
    ///
    /// # Errors
    /// The first construct that is not supported.
    pub(super) fn operations(&self) -> Result<Vec<Operation>, Problem> {
        let root = Located::root(self.document);
        let version = root.require("openapi")?;
        if !version
            .value
            .as_str()
            .is_some_and(|it| it.starts_with("3.0."))
        {
            return Err(version.problem("is not supported: OpenAPI 3.0 is"));
        }
        root.only(&OF_A_DOCUMENT)?;
        self.components(&root)?;
        let mut operations = Vec::new();
        for (path, item) in root.require("paths")?.members()? {
            if !path.starts_with("x-") {
                self.path_item(path, &item, &mut operations)?;
            }
        }
        Ok(operations)
    }

    fn components(&self, root: &Located<'d>) -> Result<(), Problem> {
        let components = root.get("components");
        let Some(schemas) = components.and_then(|it| it.get("schemas")) else {
            return Ok(());
        };
        for (_, schema) in schemas.members()? {
            self.check(&schema)?;
            self.check.borrow().check_end(&schema, &mut Vec::new())?;
        }
        Ok(())
    }

    fn path_item(
        &self,
        path: &str,
        item: &Located<'d>,
        operations: &mut Vec<Operation>,
    ) -> Result<(), Problem> {
        let first = operations.len();
        item.only(&[&METHODS[..], &OF_AN_ITEM].concat())?;
        for (method, operation) in item.members()? {
            if !METHODS.contains(&method) {
                continue;
            }
            let operation = operation::parse(path, item, method, &operation, self)?;
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
}

//! Contracts as values. A [`Contract`] is a parsed OpenAPI 3.0 document. It finds the operation of a
//! request, and checks the parameters and body of the request and the response.
//!
//! [`Contract::parse`] supports or rejects every construct that restricts requests or responses. An
//! error names the place of the construct by its JSON pointer. A parsed contract therefore has no
//! construct that is ignored or causes a panic later. Paths are matched as the document has them:
//! `servers` are ignored, and so is whether a request escapes characters that need no escape. Whether a
//! caller satisfies the [`Security`] of an operation is for the service to check. `callbacks` and `links`
//! are not checked.
//!
//! [`diff`] compares two documents. [`evolution`] classifies the changes from one edition of a contract to
//! the next by their effect on clients. [`json`] parses bodies strictly.
//!
//! Uses no web framework and knows nothing of this shop. Imports only `violation`, so that the module could
//! be a crate of its own.

pub mod diff;
pub mod email;
pub mod evolution;
pub mod json;
mod located;
mod matching;
mod operation;
mod operations;
mod parameters;
mod parser;
mod query;
mod responses;
mod schema;
mod security;
mod supported;
mod text;
mod translation;
mod validators;
mod violations;

use std::sync::Arc;

use serde_json::Value;

use parser::Parser;

pub use located::ParseError;
pub use operation::{Body, Operation};
pub use parameters::Parameter;
pub use query::{QueryPair, normalise_path, query_pairs};
pub use security::{Security, made_optional as with_optional_security};
pub use violations::{MAX_VIOLATIONS, printable};

/// A contract: an OpenAPI document, and the operations that it describes.
pub struct Contract {
    name: String,
    document: Arc<Value>,
    operations: Vec<Operation>,
    /// The operations of each path, as indices into `operations`; more specific paths come first.
    paths: Vec<Vec<usize>>,
}

impl Contract {
    /// Parses the contract `name` from YAML (or JSON).
    ///
    /// # Errors
    /// The first construct that is not supported. When the text is not YAML, the error is at `#`, the
    /// whole document.
    pub fn parse(name: impl Into<String>, yaml: &str) -> Result<Self, ParseError> {
        let document = read_yaml(yaml).map_err(|error| ParseError {
            pointer: "#".to_owned(),
            message: format!("not YAML: {}", error.lines().next().unwrap_or_default()),
        })?;
        let document = Arc::new(document);
        let operations = operations::parse(&Parser::new(&document))?;
        let mut paths: Vec<Vec<usize>> = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            match paths.last_mut() {
                Some(path) if operations[path[0]].path == operation.path => path.push(index),
                _ => paths.push(vec![index]),
            }
        }
        paths.sort_by_key(|path| operations[path[0]].template.rank());
        Ok(Self {
            name: name.into(),
            document,
            operations,
            paths,
        })
    }

    /// The name of the contract.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The document, with its keys in the order of the file.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Every operation, in the order of the document.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation for a request with this method (in capitals) to this concrete path. A literal
    /// segment takes precedence over a placeholder, for every method: if a contract has `/things/mine`
    /// and `/things/{id}`, no request to `/things/mine` is for an operation of `/things/{id}`.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let mut at_path = self.operations_at(path);
        at_path.find(|operation| operation.method == method)
    }

    /// The methods (in capitals) that the contract has at this concrete path; empty when the contract
    /// does not have the path.
    #[must_use]
    pub fn methods(&self, path: &str) -> Vec<&str> {
        let at_path = self.operations_at(path);
        at_path.map(|operation| operation.method.as_str()).collect()
    }

    /// The operations at a concrete path.
    fn operations_at(&self, path: &str) -> impl Iterator<Item = &Operation> {
        let path = normalise_path(path);
        let mut paths = self.paths.iter();
        let known = paths.find(|known| self.operations[known[0]].template.matches(&path));
        let operations = known.into_iter().flatten();
        operations.map(|index| &self.operations[*index])
    }
}

/// Parses an OpenAPI document from YAML (or JSON, which YAML includes).
///
/// # Errors
/// When the text is not YAML, or a mapping has the same key twice. The error says where.
pub fn read_yaml(yaml: &str) -> Result<Value, String> {
    // Only `true` and `false` are booleans. In YAML 1.1 `no` and `on` are booleans, too.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| error.to_string())
}

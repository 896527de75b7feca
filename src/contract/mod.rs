//! Contracts as values: an OpenAPI 3.0 document, read once, that finds the operation of a request,
//! checks its parameters and its body, and checks what is sent as the response.
//!
//! [`Contract::parse`] supports or refuses every construct that decides what a request or a response
//! may be; a refusal names the place by its JSON pointer, so that no construct is ignored or met as
//! a panic later. Paths are matched as they are written: `servers` play no part. What a service does
//! by itself is not checked: `security`, `callbacks`, `links`.
//!
//! [`diff`] compares two documents; [`evolution`] says what a new edition of a contract does to
//! clients of the old one. [`json`] reads bodies strictly.
//!
//! Knows no web framework and nothing of this shop, and imports only `error`: the module could be a
//! crate of its own.

pub mod diff;
pub mod email;
pub mod evolution;
pub mod json;
mod located;
mod matching;
mod operation;
mod operations;
mod parameters;
mod query;
mod reader;
mod responses;
mod schema;
mod supported;
mod text;
mod translation;
mod validators;
mod violations;

use std::sync::Arc;

use serde_json::Value;

use reader::Reader;

pub use located::Problem;
pub use operation::{Body, Operation};
pub use parameters::Parameter;
pub use query::{QueryPair, query_pairs};
pub use violations::{MAX_VIOLATIONS, printable};

/// A contract: a document, and what it says about requests and responses.
pub struct Contract {
    name: String,
    document: Arc<Value>,
    operations: Vec<Operation>,
    /// The operations of each path, as indices into `operations`; more specific paths come first.
    paths: Vec<Vec<usize>>,
}

impl Contract {
    /// Reads a contract from YAML (or JSON), for a service to be called by this name.
    ///
    /// # Errors
    /// The first construct that is not supported; the whole document (`#`) when it is not YAML.
    pub fn parse(name: impl Into<String>, yaml: &str) -> Result<Self, Problem> {
        let document = read_yaml(yaml).map_err(|error| Problem {
            pointer: "#".to_owned(),
            message: format!("not YAML: {}", error.lines().next().unwrap_or_default()),
        })?;
        let document = Arc::new(document);
        let operations = operations::read(&Reader::new(&document))?;
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

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The document as data, with its keys in the order of the file.
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
    /// segment wins over a placeholder, whatever the method: where `/things/mine` stands beside
    /// `/things/{id}`, only the operations of `/things/mine` are for that path.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let mut at_path = self.at(path);
        at_path.find(|operation| operation.method == method)
    }

    /// The methods (in capitals) that the contract has at this concrete path; none when the
    /// contract does not know the path.
    #[must_use]
    pub fn methods(&self, path: &str) -> Vec<&str> {
        let at_path = self.at(path);
        at_path.map(|operation| operation.method.as_str()).collect()
    }

    fn at(&self, path: &str) -> impl Iterator<Item = &Operation> {
        let mut paths = self.paths.iter();
        let known = paths.find(|known| self.operations[known[0]].template.matches(path));
        let operations = known.into_iter().flatten();
        operations.map(|index| &self.operations[*index])
    }
}

/// Reads an OpenAPI document written as YAML (or JSON, which YAML includes).
///
/// # Errors
/// What is wrong and where, when it is not YAML or when a mapping has the same key twice.
pub fn read_yaml(yaml: &str) -> Result<Value, String> {
    // Only `true` and `false` are booleans: YAML 1.1 reads `no` and `on` as such, too.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| error.to_string())
}

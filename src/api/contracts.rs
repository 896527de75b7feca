//! The registry of the contracts that the service implements. The server, the command line, the tests
//! and CI iterate over it.
//!
//! A second contract is a file beside `openapi/openapi.yaml`, and a line in `PUBLISHED`.

use std::sync::LazyLock;

use poem::Response;
use poem::endpoint::BoxEndpoint;
use serde_json::Value;

use crate::contract::{Contract, Operation};
use crate::db::Database;

use super::document;
use super::pipeline::Service;
use super::validation::Validation;

/// An entry of the registry: the name of a contract, the content of `openapi/<name>.yaml`, the function
/// that generates the same document from the Rust types, and the function that creates the handlers.
type Source = (&'static str, &'static str, fn() -> Value, MakeHandlers);

type MakeHandlers = fn(&Database, Validation) -> BoxEndpoint<'static, Response>;

/// Every contract, the main one first.
#[rustfmt::skip]
const PUBLISHED: &[Source] = &[
    ("openapi", include_str!("../../openapi/openapi.yaml"), document::generated, document::handlers),
];

/// A contract that the service implements.
pub struct Published {
    /// The contract.
    pub contract: Contract,
    /// The content of the contract's YAML file.
    pub source: &'static str,
    generate: fn() -> Value,
    handlers: MakeHandlers,
}

impl Published {
    /// The document that poem-openapi generates from the types and handlers. A test compares it with the
    /// contract. Needs no database.
    #[must_use]
    pub fn generated_document(&self) -> Value {
        (self.generate)()
    }

    /// The contract and the handlers of its operations, over `db`.
    #[must_use]
    pub fn service(&'static self, db: &Database, validation: Validation) -> Service {
        Service {
            contract: &self.contract,
            handlers: (self.handlers)(db, validation),
        }
    }
}

/// Every contract, parsed at the first call.
///
/// # Panics
/// When a contract is not supported. The tests exclude this.
#[must_use]
pub fn contracts() -> &'static [Published] {
    static CONTRACTS: LazyLock<Vec<Published>> = LazyLock::new(|| {
        let published = PUBLISHED.iter().map(|&(name, source, generate, handlers)| {
            let contract = Contract::parse(name, source)
                .unwrap_or_else(|problem| panic!("openapi/{name}.yaml: {problem}"));
            Published {
                contract,
                source,
                generate,
                handlers,
            }
        });
        published.collect()
    });
    &CONTRACTS
}

/// The operation for a request with this method (in capitals) to this concrete path.
#[must_use]
pub fn find(method: &str, path: &str) -> Option<&'static Operation> {
    let mut contracts = contracts().iter();
    contracts.find_map(|it| it.contract.find(method, path))
}

/// The methods (in capitals) of a concrete path; empty when no contract has the path.
#[must_use]
pub fn methods(path: &str) -> Vec<&'static str> {
    let mut methods = contracts().iter().map(|it| it.contract.methods(path));
    let known = methods.find(|methods| !methods.is_empty());
    known.unwrap_or_default()
}

/// The operations of all contracts.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    let contracts = contracts().iter();
    contracts.flat_map(|it| it.contract.operations())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the contracts therefore has no effect on the operation of a request.
    #[test]
    fn no_two_contracts_have_an_operation_or_a_path_in_common() {
        for (index, one) in contracts().iter().enumerate() {
            for operation in one.contract.operations() {
                let path = operation.path.replace(['{', '}'], "");
                for other in &contracts()[index + 1..] {
                    let mut others = other.contract.operations().iter();
                    assert!(others.all(|it| it.id != operation.id), "{}", operation.id);
                    assert!(other.contract.methods(&path).is_empty(), "{path}");
                }
            }
        }
    }
}

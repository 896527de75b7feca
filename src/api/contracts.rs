//! The registry of the contracts that the service implements. The server, the command line, the tests
//! and CI iterate over it.
//!
//! A second contract is a file beside `openapi/openapi.yaml`, a module like `shop` with its API, and a
//! line in `PUBLISHED`.

use std::sync::LazyLock;

use poem::Response;
use poem::endpoint::BoxEndpoint;
use serde_json::Value;

use crate::contract::{Contract, Operation};
use crate::db::Database;

use super::pipeline::{Service, Settings};
use super::{auth, shop};

/// An entry of the registry: the name of a contract, the content of `openapi/<name>.yaml`, the function
/// that generates the same document from the Rust types, and the function that creates the handlers.
type Source = (&'static str, &'static str, fn() -> Value, MakeHandlers);

type MakeHandlers = fn(&Database, &Settings) -> BoxEndpoint<'static, Response>;

/// Every contract, the main one first.
#[rustfmt::skip]
const PUBLISHED: &[Source] = &[
    ("openapi", include_str!("../../openapi/openapi.yaml"), shop::generated, shop::handlers),
    ("auth", include_str!("../../openapi/auth.yaml"), auth::generated, auth::handlers),
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
    pub fn service(&'static self, db: &Database, settings: &Settings) -> Service {
        Service {
            contract: &self.contract,
            handlers: (self.handlers)(db, settings),
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
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    /// Two operations of different contracts with the same id, or that match the same path.
    fn conflict(one: &Contract, other: &Contract) -> Option<String> {
        one.operations().iter().find_map(|ours| {
            let mut others = other.operations().iter();
            let conflict = others.find(|it| it.id == ours.id || it.shares_a_path_with(ours))?;
            Some(format!(
                "{} {} and {} {}",
                ours.id, ours.path, conflict.id, conflict.path
            ))
        })
    }

    /// The pipeline takes the methods of a path from the first contract that has the path.
    #[test]
    fn no_two_contracts_have_an_operation_or_a_path_in_common() {
        for (index, one) in contracts().iter().enumerate() {
            for other in &contracts()[index + 1..] {
                assert_eq!(conflict(&one.contract, &other.contract), None);
            }
        }
    }

    #[test]
    fn contracts_with_one_id_or_overlapping_paths_are_in_conflict() {
        let contract = |id: &str, path: &str| {
            let parameters = json!([{
                "name": "id", "in": "path", "required": true, "schema": {"type": "string"},
            }]);
            let has_placeholder = path.contains('{');
            let operation = json!({
                "operationId": id,
                "parameters": if has_placeholder { parameters } else { json!([]) },
                "responses": {"204": {"description": ""}},
            });
            let document = json!({"openapi": "3.0.3", "paths": {path: {"get": operation}}});
            Contract::parse(id, &document.to_string()).unwrap()
        };
        let one = contract("one", "/x/{id}");
        for (id, path, is_conflict) in [
            ("one", "/y", true),
            ("two", "/x/{id}", true),
            ("two", "/x/mine", true),
            ("two", "/x/{id}.json", true),
            ("two", "/x", false),
            ("two", "/x/{id}/y", false),
        ] {
            let other = contract(id, path);
            assert_eq!(conflict(&one, &other).is_some(), is_conflict, "{path}");
            assert_eq!(conflict(&other, &one).is_some(), is_conflict, "{path}");
        }
    }
}

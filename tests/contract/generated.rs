//! The heart of it: the document that the code generates equals the contract.

use ecommerce_api::api;
use ecommerce_api::contract::diff;

use super::contract;

#[test]
fn the_generated_document_equals_the_contract() {
    let differences = diff::diff(contract(), &api::generated_document());
    assert!(differences.is_empty(), "{}", diff::report(&differences));
}

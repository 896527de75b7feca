//! The document that the code generates equals the contract.

use ecommerce_api::api;
use ecommerce_api::contract::diff;

use super::contract;

#[test]
fn the_generated_document_equals_the_contract() {
    let differences = diff::diff(contract(), &api::generated_document());
    record(&differences);
    assert!(differences.is_empty(), "{}", diff::report(&differences));
}

/// Records the number of differences in each operation for the table that `just proof` prints.
fn record(differences: &[diff::Difference]) {
    let seen: serde_json::Map<_, _> = ecommerce_api::contract::operations()
        .iter()
        .map(|operation| {
            let name = format!("{} (", operation.id);
            let concerns = |difference: &&diff::Difference| {
                // A difference outside operations counts for each of them.
                difference
                    .operation
                    .as_ref()
                    .is_none_or(|concerned| concerned.starts_with(&name))
            };
            (
                operation.id.to_owned(),
                differences.iter().filter(concerns).count().into(),
            )
        })
        .collect();
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/proof-generated.json");
    std::fs::write(file, serde_json::Value::from(seen).to_string()).expect("target is writable");
}

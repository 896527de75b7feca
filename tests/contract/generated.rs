//! The document that the code generates equals its contract, for every contract.

use ecommerce_api::api::contracts::{contracts, operations};
use ecommerce_api::contract::diff;

#[test]
fn the_generated_document_equals_the_contract() {
    let contracts = contracts().iter();
    let differences: Vec<_> = contracts
        .flat_map(|it| diff::diff(it.contract.document(), &it.generated_document()))
        .collect();
    record(&differences);
    assert!(differences.is_empty(), "{}", diff::report(&differences));
}

/// Records the number of differences in each operation for the table that `just proof` prints.
fn record(differences: &[diff::Difference]) {
    let seen: serde_json::Map<_, _> = operations()
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
                operation.id.clone(),
                differences.iter().filter(concerns).count().into(),
            )
        })
        .collect();
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/proof-generated.json");
    std::fs::write(file, serde_json::Value::from(seen).to_string()).expect("target is writable");
}

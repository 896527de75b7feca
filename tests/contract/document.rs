//! The contract is unambiguous YAML, and valid `OpenAPI` 3.0.

use std::collections::{BTreeMap, BTreeSet};

use ecommerce_api::api::contracts::contracts;
use ecommerce_api::contract;
use serde_json::{Value, json};

/// The official schema of `OpenAPI` 3.0 documents. The README in its folder has the origin.
const OFFICIAL: &str = include_str!("openapi-3.0/schema.json");

fn official_errors(document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(OFFICIAL).expect("the official schema is JSON");
    let validator = jsonschema::draft4::new(&schema).expect("the official schema compiles");
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_contract_is_valid_openapi() {
    for (name, document) in super::documents() {
        let errors = official_errors(document);
        assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
    }
}

#[test]
fn an_invalid_document_is_not_valid_openapi() {
    let mut broken = super::contract().clone();
    broken["paths"]["/api/users"]["get"]["responses"] = json!({});
    assert!(!official_errors(&broken).is_empty());
}

/// `.ci/contract` finds the contracts by their files, and all other code by the registry.
#[test]
fn every_file_of_a_contract_is_in_the_registry() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi");
    let files = std::fs::read_dir(directory).expect("the contracts");
    let files = files.map(|file| file.expect("a file").path());
    let yaml = files.filter(|file| file.extension().is_some_and(|it| it == "yaml"));
    let is_contract = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).expect("UTF-8");
        text.lines().any(|line| line.starts_with("openapi:"))
    };
    let mut found: Vec<_> = yaml
        .filter(is_contract)
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    found.sort();
    let mut known: Vec<_> = super::documents().map(|(name, _)| name).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn keys_and_versions_are_text() {
    for (name, document) in super::documents() {
        assert_eq!(document["openapi"], "3.0.3", "{name}");
        assert!(document["info"]["version"].is_string(), "{name}");
    }
    let document = super::contract();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let responses = &document["paths"]["/api/users"]["get"]["responses"];
    assert!(responses["200"].is_object(), "{responses}");
}

#[test]
fn a_duplicate_key_is_an_error() {
    for yaml in [
        "a: 1\na: 2",
        "a: 1\n'a': 2",
        "a:\n  b: {c: 1, c: 2}",
        "a:\n  - {'200': 1, '200': 2}",
        r#"{"a": 1, "a": 2}"#,
    ] {
        assert!(contract::read_yaml(yaml).is_err(), "accepted: {yaml}");
    }
}

/// An unquoted `200` and a quoted `'200'` are two keys in YAML and one in JSON, so all are quoted.
#[test]
fn no_key_is_an_unquoted_number() {
    for published in contracts() {
        let bare = published.source.lines().enumerate().filter(|(_, line)| {
            let line = line.trim_start().trim_start_matches("- ");
            let key = line.split(':').next().unwrap_or_default();
            line.contains(':') && !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit())
        });
        assert_eq!(bare.collect::<Vec<_>>(), []);
    }
}

/// An unquoted `no`, `on` or `y` is a boolean for some YAML parsers and a text for others.
#[test]
fn every_yaml_parser_finds_the_same_booleans() {
    for published in contracts() {
        let options = serde_saphyr::options! { strict_booleans: true };
        let strict: Value = serde_saphyr::from_str_with_options(published.source, options)
            .expect("the contract is YAML");
        assert_eq!(&strict, published.contract.document());
    }
}

/// Clients of several contracts handle the errors of all of them alike.
#[test]
fn a_component_of_several_contracts_is_the_same_in_each() {
    let mut shared = BTreeSet::new();
    let mut first: BTreeMap<(&str, &str), (&str, &Value)> = BTreeMap::new();
    for (contract, document) in super::documents() {
        for (section, components) in document["components"].as_object().into_iter().flatten() {
            for (name, component) in components.as_object().into_iter().flatten() {
                let place = (section.as_str(), name.as_str());
                let (other, known) = *first.entry(place).or_insert((contract, component));
                assert_eq!(component, known, "{place:?} in {contract} and {other}");
                if other != contract {
                    shared.insert(place);
                }
            }
        }
    }
    for name in ["ErrorResponse", "ErrorInfo", "ErrorDetail"] {
        assert!(shared.contains(&("schemas", name)), "{name}: {shared:?}");
    }
}

//! The subcommand `openapi`, which needs no database and no settings.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use ecommerce_api::api::contracts::contracts;
use serde_json::{Value, json};

use crate::process::{Outcome, directory, program, run, run_in, to_end};

fn contract() -> &'static Value {
    contracts()[0].contract.document()
}

#[test]
fn the_contract_is_printed_as_json() {
    let printed: Value =
        serde_json::from_str(&run(&["openapi", "--contract", "openapi"], &[]).success()).unwrap();
    assert_eq!(&printed, contract());
}

#[test]
fn the_generated_document_has_the_contract_s_operations() {
    let printed = run(&["openapi", "--contract", "openapi", "--generated"], &[]).success();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let paths = |document: &Value| -> Vec<String> {
        let paths = document["paths"].as_object().unwrap();
        let mut names: Vec<String> = paths.keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(paths(&printed), paths(contract()));
}

#[test]
fn the_contract_and_the_generated_document_are_equal() {
    let printed = run(&["openapi", "--check"], &[]).success();
    assert!(
        printed.contains("contract openapi: 17 operations"),
        "{printed}"
    );
    assert!(printed.contains("contract auth: 6 operations"), "{printed}");
}

#[test]
fn a_contract_is_chosen_by_its_name() {
    let names = run(&["openapi", "--names"], &[]).success();
    assert_eq!(names, "openapi\nauth\n");
    let message = run(&["openapi"], &[]).failure(2);
    let expected = "choose one with --contract: openapi, auth";
    assert!(message.contains(expected), "{message}");
    for published in contracts() {
        let name = published.contract.name();
        let printed = run(&["openapi", "--contract", name], &[]).success();
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(&printed, published.contract.document());
    }
    for more in [&[][..], &["--check"], &["--generated"]] {
        let arguments = [&["openapi", "--contract", "nothing"], more].concat();
        let message = run(&arguments, &[]).failure(2);
        let expected = "there is no contract called nothing: the contracts are openapi, auth";
        assert!(message.contains(expected), "{message}");
    }
}

/// Runs `openapi --compare` with this text as the older contract.
fn compare_with(old: &str) -> Outcome {
    let directory = directory();
    fs::write(directory.path().join("old.yaml"), old).unwrap();
    let arguments = ["openapi", "--contract", "openapi", "--compare", "old.yaml"];
    run_in(directory.path(), &arguments, &[])
}

/// The contract with this version and another value at `pointer`.
fn older(version: &str, pointer: &str, value: Value) -> String {
    let mut old = contract().clone();
    old["info"]["version"] = json!(version);
    *old.pointer_mut(pointer).unwrap() = value;
    old.to_string()
}

#[test]
fn the_contract_changed_nothing_since_itself() {
    let said = compare_with(&contract().to_string()).success();
    assert!(said.contains(": 0 changes for clients from"), "{said}");
}

#[test]
fn changes_pass_when_the_version_moved_far_enough() {
    let summary = "/paths/~1api~1users/get/summary";
    let said = compare_with(&older("0.0.1", summary, json!("All"))).success();
    assert!(said.starts_with("compatible  listUsers"), "{said}");
}

#[test]
fn a_breaking_change_without_a_new_version_fails() {
    let current = contract()["info"]["version"].as_str().unwrap();
    let longest = "/components/schemas/ProductDraft/properties/title/maxLength";
    let outcome = compare_with(&older(current, longest, json!(300)));
    let (line, _) = outcome.stdout.split_once('\n').unwrap();
    assert_eq!(
        line,
        format!(
            "breaking    createProduct (POST /api/products): {longest}: \
             300 is now 255: clients may send what is refused now"
        )
    );
    let message = outcome.failure(1);
    assert!(message.contains("there are breaking changes"), "{message}");
}

#[test]
fn two_files_are_compared_with_each_other() {
    let directory = directory();
    let path = "/components/schemas/ProductDraft/properties/title/maxLength";
    for (file, version, longest) in [("old.yaml", "0.7.0", 300), ("new.yaml", "0.7.1", 200)] {
        let contract = older(version, path, json!(longest));
        fs::write(directory.path().join(file), contract).unwrap();
    }
    let compare = |files: &[&str]| {
        let arguments = [&["openapi", "--compare"], files].concat();
        run_in(directory.path(), &arguments, &[])
    };
    let outcome = compare(&["old.yaml", "new.yaml"]);
    assert!(
        outcome.stdout.contains("300 is now 200"),
        "{}",
        outcome.stdout
    );
    let message = outcome.failure(1);
    assert!(
        message.contains("info.version is 0.7.1: set it to 0.8.0"),
        "{message}"
    );
    let message = compare(&["old.yaml", "nowhere.yaml"]).failure(2);
    assert!(message.contains("nowhere.yaml: No such file"), "{message}");
}

#[test]
fn an_older_contract_that_cannot_be_read_never_passes() {
    for (old, expected) in [
        ("", "not an OpenAPI 3.0 document"),
        ("openapi: 3.0.3\n- paths", "not YAML"),
        (
            "openapi: 3.0.3\ninfo: {version: 0.1.0}\npaths: {}",
            "no operation",
        ),
    ] {
        let message = compare_with(old).failure(2);
        assert!(message.contains("old.yaml: "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let message = run(&["openapi", "--compare", "nowhere.yaml"], &[]).failure(2);
    assert!(message.contains("nowhere.yaml: No such file"), "{message}");
}

#[test]
fn no_database_is_used() {
    let directory = directory();
    let contract = ["openapi", "--contract", "openapi"];
    for arguments in [&contract[..], &[&contract[..], &["--generated"]].concat()] {
        let nowhere = [("DATABASE_URL", "mysql://nobody@127.0.0.1:1/nowhere")];
        run_in(directory.path(), arguments, &nowhere).success();
        run_in(directory.path(), arguments, &[]).success();
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_that_closes_the_output_is_no_failure() {
    let contract = ["openapi", "--contract", "openapi"];
    let generated = [&contract[..], &["--generated"]].concat();
    for arguments in [&contract[..], &generated, &["--help"]] {
        let directory = directory();
        let mut child = program(directory.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_a_failure() {
    let directory = directory();
    let script = r#""$0" openapi --contract openapi >/dev/full"#;
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ecommerce-api")]);
    let message = to_end(shell.current_dir(directory.path())).failure(1);
    assert!(
        message.starts_with("cannot write to standard output: No space left"),
        "{message}"
    );
}

#[test]
fn the_contract_is_printed_as_it_is_written() {
    let printed = run(&["openapi", "--yaml", "--contract", "openapi"], &[]).success();
    assert_eq!(printed, include_str!("../../openapi/openapi.yaml"));
}

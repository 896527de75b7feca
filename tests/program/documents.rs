//! `openapi`, which needs no database, nor any setting.

use std::io::Read;
use std::process::Stdio;

use ecommerce_api::contract;
use serde_json::Value;

use crate::process::{directory, program, run, run_in, to_end};

#[test]
fn the_contract_is_printed_as_json() {
    let printed: Value = serde_json::from_str(&run(&["openapi"], &[]).success()).unwrap();
    assert_eq!(&printed, contract::document());
}

#[test]
fn the_generated_document_has_the_contract_s_operations() {
    let printed = run(&["openapi", "--generated"], &[]).success();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let paths = |document: &Value| -> Vec<String> {
        let paths = document["paths"].as_object().unwrap();
        let mut names: Vec<String> = paths.keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(paths(&printed), paths(contract::document()));
}

#[test]
fn the_two_are_equal() {
    let printed = run(&["openapi", "--check"], &[]).success();
    assert!(printed.contains("17 operations"), "{printed}");
}

#[test]
fn no_database_is_touched() {
    let directory = directory();
    for arguments in [&["openapi"][..], &["openapi", "--generated"]] {
        let nowhere = [("DATABASE_URL", "mysql://nobody@127.0.0.1:1/nowhere")];
        run_in(directory.path(), arguments, &nowhere).success();
        run_in(directory.path(), arguments, &[]).success();
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [&["openapi"][..], &["openapi", "--generated"], &["--help"]] {
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
    let script = r#""$0" openapi >/dev/full"#;
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ecommerce-api")]);
    let message = to_end(shell.current_dir(directory.path())).failure(1);
    assert!(
        message.starts_with("cannot write to standard output: No space left"),
        "{message}"
    );
}

//! The sources of settings, and their precedence.
//!
//! Most tests here give database URLs of ports where nothing listens: the error names the URL that
//! the program took.

use std::fs;
use std::path::Path;

use clap::Args;
use ecommerce_api::config::Settings;

use crate::process::{directory, run, run_in};

const IN_FLAG: &str = "mysql://u:hunter2@127.0.0.1:1/flag";
const IN_ENVIRONMENT: &str = "mysql://u:hunter2@127.0.0.1:1/environment";
const IN_DOTENV: &str = "mysql://u:hunter2@127.0.0.1:1/dotenv";
const IN_FILE: &str = "mysql://u:hunter2@127.0.0.1:1/file";

/// The database that `check` cannot reach.
#[track_caller]
fn database(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let arguments = [&["check"], arguments].concat();
    let message = run_in(directory, &arguments, variables).failure(1);
    assert!(!message.contains("hunter2"), "{message}");
    let name = message.split("database ").last().unwrap();
    name.split(':').next().unwrap().to_owned()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_dotenv() {
    let directory = directory();
    let directory = directory.path();
    let flag = ["--database-url", IN_FLAG];
    let variable = [("DATABASE_URL", IN_ENVIRONMENT)];
    fs::write(directory.join(".env"), format!("DATABASE_URL={IN_DOTENV}")).unwrap();
    assert_eq!(database(directory, &[], &[]), "dotenv");
    assert_eq!(database(directory, &[], &variable), "environment");
    assert_eq!(database(directory, &flag, &variable), "flag");
    assert_eq!(database(directory, &flag, &[]), "flag");
}

#[test]
fn every_setting_can_stand_in_dotenv() {
    let directory = directory();
    for (line, part) in [
        ("SERVER_HOST=nowhere", "SERVER_HOST: invalid value"),
        ("export SERVER_PORT='70000'", "SERVER_PORT: invalid value"),
        (
            "DATABASE_POOL_SIZE=0 # none",
            "DATABASE_POOL_SIZE: invalid value",
        ),
        ("REQUEST_TIMEOUT=0.5", "REQUEST_TIMEOUT: invalid value"),
        ("AUTH_MODE=on", "AUTH_MODE: invalid value"),
        ("MIGRATE_ON_START=maybe", "MIGRATE_ON_START: invalid value"),
        ("LEGACY_PASSWORDS=maybe", "LEGACY_PASSWORDS: invalid value"),
        ("CORS_ALLOW_ORIGIN=\"shop.example\"", "CORS_ALLOW_ORIGIN"),
        ("RATE_LIMIT_ROWS=many", "RATE_LIMIT_ROWS: \"many\""),
        ("LOG_FORMAT=xml", "LOG_FORMAT: invalid value"),
        ("RUST_LOG=ecommerce_api=loud", "RUST_LOG"),
        ("DATABASE_URL_FILE=nowhere", "DATABASE_URL_FILE"),
    ] {
        // The first line that names a setting counts.
        let lines = format!("{line}\nSERVER_PORT=0\n");
        fs::write(directory.path().join(".env"), lines).unwrap();
        let message = run_in(directory.path(), &["serve"], &[]).failure(2);
        assert!(message.contains(part), "{line}: {message}");
    }
}

#[test]
fn a_broken_dotenv_is_one_line_of_error_that_quotes_nothing() {
    let directory = directory();
    let file = directory.path().join(".env");
    for (text, beginning) in [
        (
            &b"SERVER_PORT=1\n\n# hunter2\nhunter2 is here\n"[..],
            ".env has line 4, that is not NAME=value",
        ),
        (b"DATABASE_URL='hunter2\n", ".env has line 1, "),
        (b"A=1\nhunter2=${hunter2\n", ".env has line 2, "),
        (b"DATABASE_URL=\xff\xfehunter2\n", ".env cannot be read"),
    ] {
        fs::write(&file, text).unwrap();
        let message = run_in(directory.path(), &["openapi", "--check"], &[]).failure(2);
        assert!(message.starts_with(beginning), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let message = run_in(directory.path(), &["check"], &[]).failure(2);
    assert!(message.starts_with(".env cannot be read"), "{message}");
}

#[test]
fn the_database_url_can_be_in_a_file() {
    let directory = directory();
    let file = directory.path().join("url");
    fs::write(&file, format!("{IN_FILE}\n")).unwrap();
    let variable = [("DATABASE_URL_FILE", "url")];
    assert_eq!(database(directory.path(), &[], &variable), "file");

    for (content, part) in [(&b" \n"[..], "is empty"), (b"\xff", "cannot be read")] {
        fs::write(&file, content).unwrap();
        let message = run_in(directory.path(), &["check"], &variable).failure(2);
        assert!(message.contains(part), "{message}");
    }
    fs::remove_file(&file).unwrap();
    let message = run_in(directory.path(), &["serve"], &variable).failure(2);
    let expected = "DATABASE_URL_FILE url cannot be read: No such file";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn of_a_url_and_a_file_a_flag_wins_and_otherwise_both_are_an_error() {
    let directory = directory();
    let directory = directory.path();
    fs::write(directory.join("url"), IN_FILE).unwrap();
    let url = [("DATABASE_URL", IN_ENVIRONMENT)];
    let file = [("DATABASE_URL_FILE", "url")];
    let url_flag = ["--database-url", IN_FLAG];
    let file_flag = ["--database-url-file", "url"];
    assert_eq!(database(directory, &url_flag, &file), "flag");
    assert_eq!(database(directory, &file_flag, &url), "file");

    let both = [url[0], file[0]];
    let both_flags = [&["check"][..], &url_flag, &file_flag].concat();
    for outcome in [
        run_in(directory, &["check"], &both),
        run_in(directory, &both_flags, &[]),
    ] {
        let message = outcome.failure(2);
        let expected = "DATABASE_URL and DATABASE_URL_FILE are both set";
        assert!(message.starts_with(expected), "{message}");
    }
    // An empty variable overrides the line of .env.
    fs::write(directory.join(".env"), format!("DATABASE_URL={IN_DOTENV}")).unwrap();
    let message = run_in(directory, &["check"], &file).failure(2);
    assert!(message.contains("both set"), "{message}");
    let variables = [("DATABASE_URL", ""), file[0]];
    assert_eq!(database(directory, &[], &variables), "file");
}

#[test]
fn empty_variables_stand_for_the_defaults() {
    let names: Vec<String> = documented().into_iter().map(|(name, _)| name).collect();
    let mut variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let directory = directory();
    fs::write(directory.path().join("url"), IN_FILE).unwrap();
    for (name, value, expected) in [
        ("DATABASE_URL", IN_ENVIRONMENT, "environment"),
        ("DATABASE_URL_FILE", "url", "file"),
    ] {
        variables.push((name, value));
        assert_eq!(database(directory.path(), &[], &variables), expected);
        variables.pop();
    }
    // Without a database URL the program starts the private MariaDB, whose data directory cannot be
    // a file.
    let arguments = ["check", "--data-dir", "url"];
    let message = run_in(directory.path(), &arguments, &variables).failure(1);
    assert!(message.contains("data directory url"), "{message}");
    let arguments = ["check", "--database-url=", "--data-dir", "url"];
    let variables = [("DATABASE_URL", IN_ENVIRONMENT)];
    let message = run_in(directory.path(), &arguments, &variables).failure(1);
    assert!(message.contains("data directory url"), "{message}");
}

/// Each setting's variable and default, as config.rs has them.
fn documented() -> Vec<(String, String)> {
    Settings::augment_args(clap::Command::new("settings"))
        .get_arguments()
        .map(|arg| {
            let name = arg.get_env().expect("each setting has a variable");
            let default = arg.get_default_values().first();
            let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
            (text(name), default.map_or(String::new(), |it| text(it)))
        })
        .collect()
}

#[test]
fn the_sample_dotenv_names_each_setting_with_its_default() {
    let sample = include_str!("../../.env.example");
    let in_sample: Vec<(String, String)> = sample
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .filter(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        .map(|(name, default)| (name.to_owned(), default.to_owned()))
        .collect();
    assert_eq!(in_sample, documented());
}

#[test]
fn help_names_each_setting_with_its_default() {
    let help = run(&["--help"], &[]).success();
    // One paragraph for each flag.
    let paragraphs: Vec<&str> = help.split("\n      --").collect();
    for (name, default) in documented() {
        let flag = name.to_lowercase().replace('_', "-");
        let paragraph = paragraphs.iter().find(|text| {
            text.strip_prefix(&flag)
                .is_some_and(|rest| rest.starts_with([' ', '[']))
        });
        let paragraph = paragraph.unwrap_or_else(|| panic!("--{flag} is not in {help}"));
        assert!(paragraph.contains(&format!("[env: {name}")), "{paragraph}");
        if !default.is_empty() {
            let default = format!("[default: {default}]");
            assert!(paragraph.contains(&default), "{paragraph}");
        }
    }
}

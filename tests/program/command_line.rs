//! The help and the errors of the command line.

use crate::process::{directory, run, run_in};

const SECRET: &str = "hunter2";

#[test]
fn the_version_is_one_line() {
    let expected = format!("ecommerce-api {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"], &[]).success(), expected);
    assert_eq!(run(&["-V"], &[]).success(), expected);
}

#[test]
fn every_subcommand_has_help() {
    for (arguments, part) in [
        (&["--help"][..], "Commands:"),
        (&["help"], "Commands:"),
        (&["serve", "--help"], "Serve the API"),
        (&["migrate", "--help"], "status"),
        (&["migrate", "run", "--help"], "pending"),
        (&["migrate", "revert", "--help"], "--drop-tables"),
        (&["migrate", "status", "--help"], "applied"),
        (&["check", "--help"], "Compare"),
        (&["seed", "--help"], "--rng-seed"),
        (&["openapi", "--help"], "--generated"),
    ] {
        let help = run(arguments, &[]).success();
        assert!(help.contains(part), "{arguments:?}: {help}");
        assert!(help.contains("Usage: ecommerce-api"), "{help}");
        assert!(help.contains("SERVER_PORT"), "{arguments:?}: {help}");
    }
}

/// The names of the settings that the short help of a subcommand lists.
fn settings_in_short_help(arguments: &[&str]) -> Vec<String> {
    let help = run(&[arguments, &["-h"]].concat(), &[]).success();
    let names = help.split("[env: ").skip(1);
    let names = names.map(|rest| rest.split(['=', ']']).next().unwrap().to_owned());
    names.collect()
}

#[test]
fn the_short_help_lists_the_settings_that_a_subcommand_uses() {
    let of_the_database = ["DATABASE_URL", "DATA_DIR"];
    for subcommand in [
        &["check"][..],
        &["seed"],
        &["migrate"],
        &["migrate", "run"],
        &["migrate", "revert"],
    ] {
        assert_eq!(settings_in_short_help(subcommand), of_the_database);
    }
    for subcommand in ["openapi", "completions", "man"] {
        assert_eq!(settings_in_short_help(&[subcommand]), [""; 0]);
    }
    let of_the_server = settings_in_short_help(&["serve"]);
    assert_eq!(settings_in_short_help(&[]), of_the_server);
    assert!(of_the_server.contains(&"SERVER_PORT".to_owned()));
    assert!(!of_the_server.contains(&"BODY_MEMORY".to_owned()));
    assert!(of_the_server.len() <= 10, "{of_the_server:?}");
}

#[test]
fn a_setting_can_stand_before_and_after_a_subcommand() {
    for arguments in [
        &["--server-port=x", "check"][..],
        &["check", "--server-port=x"],
        &["migrate", "--server-port=x", "run"],
        &["migrate", "run", "--server-port=x"],
    ] {
        let message = run(arguments, &[]).failure(2);
        assert!(message.contains("'x' for '--server-port"), "{message}");
    }
}

#[test]
fn a_cause_is_named_once() {
    let directory = directory();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let arguments = ["check", "--data-dir", "file/data"];
    let message = run_in(directory.path(), &arguments, &[]).failure(1);
    let expected = "cannot create the data directory file/data: Not a directory (os error 20)\n";
    assert_eq!(message, expected);

    let url = "mysql://root@127.0.0.1:1/shop";
    let message = run(&["check", "--database-url", url], &[]).failure(1);
    let expected = "cannot connect to the database at 127.0.0.1:1, database shop: \
                    Connection refused (os error 111); see DATABASE_URL\n";
    assert_eq!(message, expected);
}

#[test]
fn seed_needs_a_number_of_rows() {
    let message = run(&["seed"], &[]).failure(2);
    assert!(message.contains("--users"), "{message}");
}

#[test]
fn completions_name_the_subcommands_and_the_settings() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell], &[]).success();
        for part in ["migrate", "server-port", "ecommerce-api"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
    }
    let message = run(&["completions", "tcsh"], &[]).failure(2);
    assert!(message.contains("possible values: bash"), "{message}");
}

#[test]
fn the_manual_page_has_the_subcommands_and_every_setting() {
    let page = run(&["man"], &[("DATABASE_URL", SECRET)]).success();
    assert!(page.contains(".TH ecommerce-api 1"), "{page}");
    for part in ["migrate", "SERVER_PORT", "BODY_MEMORY"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains(SECRET), "{page}");
}

#[test]
fn help_shows_no_secret_from_the_environment_or_from_dotenv() {
    let url = format!("mysql://shop:{SECRET}@localhost/shop");
    let directory = directory();
    for arguments in [&["--help"][..], &["-h"], &["serve", "--help"]] {
        let help = run(arguments, &[("DATABASE_URL", &url)]).success();
        assert!(help.contains("DATABASE_URL"), "{help}");
        assert!(!help.contains(SECRET), "{help}");
    }
    std::fs::write(
        directory.path().join(".env"),
        format!("DATABASE_URL={url}\n"),
    )
    .unwrap();
    let outcome = run_in(directory.path(), &["migrate"], &[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("Commands:"), "{outcome:?}");
    assert!(!outcome.stderr.contains(SECRET), "{outcome:?}");
}

#[test]
fn help_is_printed_even_with_wrong_settings() {
    let directory = directory();
    std::fs::write(directory.path().join(".env"), "not a line\n").unwrap();
    let help = run_in(directory.path(), &["--help"], &[("SERVER_PORT", "x")]).success();
    assert!(help.contains("Usage:"), "{help}");
}

#[test]
fn an_unknown_command_is_one_line_and_exit_code_2() {
    for (arguments, part) in [
        (&["frobnicate"][..], "unrecognized subcommand 'frobnicate'"),
        (&["serv"], "similar subcommands exist: 'user', 'serve'"),
        (&["--frobnicate"], "unexpected argument '--frobnicate'"),
        (&["serve", "again"], "unexpected argument 'again'"),
        (&["migrate", "frobnicate"], "unrecognized subcommand"),
        (&["seed", "--users", "many"], "'many' for '--users"),
        (&["seed", "--users=-1"], "'-1' for '--users"),
        (&["openapi", "--check", "--generated"], "cannot be used"),
        (&["--server-port"], "a value is required"),
    ] {
        let message = run(arguments, &[]).failure(2);
        assert!(message.contains(part), "{message}");
        assert!(message.ends_with("; see --help\n"), "{message}");
    }
}

#[test]
fn a_bad_value_is_one_line_and_exit_code_2() {
    for (name, value, part) in [
        ("SERVER_PORT", "70000", "70000 is not in 0..=65535"),
        ("SERVER_PORT", "http", "invalid value 'http'"),
        (
            "SERVER_HOST",
            "nowhere",
            "not an IP address; write 127.0.0.1",
        ),
        ("DATABASE_POOL_SIZE", "0", "0 is not in 1..=1000"),
        ("DATABASE_WAIT", "-1", "-1 is not in 0..=3600"),
        ("DATABASE_WAIT", "4000", "4000 is not in 0..=3600"),
        ("SHUTDOWN_DELAY", "soon", "invalid value 'soon'"),
        ("BODY_MEMORY", "0", "0 is not in 8..=4096"),
        (
            "ADDRESS_LIMIT_EXEMPT",
            "10.0.0.0/33",
            "ADDRESS_LIMIT_EXEMPT: ",
        ),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "TRUSTED_PROXIES: "),
        (
            "PROXY_PROTOCOL",
            "true",
            "PROXY_PROTOCOL is set without TRUSTED_PROXIES",
        ),
        ("ADDRESS_CONNECTIONS", "0", "0 is not in 1..=1024"),
        ("REQUEST_TIMEOUT", "1", "1 is not in 2..=600"),
        ("LOG_FORMAT", "xml", "[possible values: text, json]"),
        ("MIGRATE_ON_START", "maybe", "invalid value 'maybe'"),
        ("RUST_LOG", "ecommerce_api=loud", "RUST_LOG: "),
        ("CORS_ALLOW_ORIGIN", "shop.example", "https://shop.example"),
        (
            "CORS_ALLOW_ORIGIN",
            "https://a.example/",
            "is not an origin",
        ),
        ("ALLOWED_HOSTS", "http://shop.example", "is not a host name"),
    ] {
        let from_variable = run(&["serve"], &[(name, value)]).failure(2);
        assert!(from_variable.contains(part), "{from_variable}");
        assert!(from_variable.starts_with(name), "{from_variable}");
        let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
        assert!(!from_variable.contains(&flag), "{from_variable}");
        let with_value = format!("{flag}={value}");
        let from_flag = run(&[&with_value], &[]).failure(2);
        assert!(from_flag.contains(part), "{from_flag}");
        let names_it = from_flag.contains(&flag) || from_flag.starts_with(name);
        assert!(names_it, "{from_flag}");
    }
}

#[test]
fn a_bad_database_url_is_one_line_that_repeats_no_secret() {
    for (url, part) in [
        (SECRET, "write mysql://user:password@host:port/database"),
        ("postgres://u:hunter2@h/shop", "must start with mysql://"),
        ("mysql://u:hunter2@h", "names no database"),
        ("mysql://u:hun/ter2@h/shop", "percent-encode"),
        ("mysql://u:hunter2@h/shop?hunter2=1", "unknown parameter"),
        ("mysql://u:hunter2@h/shop?ssl_mode=preferred", "preferred"),
        ("mysql://u:hunter2@h/shop?ssl_ca=/none.pem", "/none.pem"),
        ("mysql://u:hunter2@h:port/shop", "invalid port number"),
    ] {
        for command in ["serve", "check"] {
            let message = run(&[command], &[("DATABASE_URL", url)]).failure(2);
            assert!(message.starts_with("DATABASE_URL: "), "{message}");
            assert!(message.contains(part), "{message}");
            assert!(!message.contains(SECRET), "{message}");
            assert!(!message.contains("ter2"), "{message}");
        }
    }
}

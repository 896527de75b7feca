//! The subcommand `user`, and the audit events of logins.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::database::Database;
use crate::http::{send, send_json};
use crate::process::{Outcome, Server, directory, program, run, to_end};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";

/// Runs `user create-admin` with this standard input.
fn create_admin(database: &Database, email: &str, input: &str) -> Outcome {
    let directory = directory();
    let file = directory.path().join("input");
    std::fs::File::create(&file)
        .and_then(|mut file| file.write_all(input.as_bytes()))
        .unwrap();
    let (name, value) = database.setting();
    let mut command = program(directory.path());
    command
        .args(["user", "create-admin", "--email", email])
        .env(name, value)
        .stdin(Stdio::from(std::fs::File::open(&file).unwrap()));
    to_end(&mut command)
}

fn login(server: &Server, email: &str, password: &str) -> (u16, Value) {
    let body = json!({"email": email, "password": password}).to_string();
    let response = send_json(&server.address, "POST", "/api/auth/login", &body);
    (
        response.status,
        serde_json::from_str(&response.body).unwrap(),
    )
}

#[test]
fn a_first_administrator_logs_in_and_loses_the_role_and_the_sessions() {
    let database = Database::empty("administrators");
    run(&["migrate", "run"], &[database.setting()]).success();
    let created = create_admin(&database, EMAIL, &format!("{PASSWORD}\n")).success();
    assert_eq!(created, "created the administrator ada@example.com, id 1\n");
    let again = create_admin(&database, EMAIL, &format!("{PASSWORD}\n")).failure(1);
    assert!(again.contains("user set-role --email"), "{again}");

    let directory = directory();
    let server = Server::start(directory.path(), &[database.setting()]);
    let (status, body) = login(&server, EMAIL, PASSWORD);
    assert_eq!(status, 200, "{body}");

    let on = |arguments: &[&str]| run(arguments, &[database.setting()]);
    let ended = on(&["user", "revoke-sessions", "--email", EMAIL]).success();
    assert_eq!(ended, "ended 1 sessions of ada@example.com\n");
    let changed = on(&["user", "set-role", "--email", EMAIL, "USER"]).success();
    assert_eq!(changed, "ada@example.com, id 1, has the role USER\n");
    let nobody = on(&["user", "set-role", "--email", "no@example.com", "ADMIN"]).failure(1);
    assert!(nobody.contains("no user with the email"), "{nobody}");
    on(&["user", "set-role", "--email", EMAIL, "KING"]).failure(2);
    server.stop();
}

#[test]
fn a_password_is_one_line_of_at_least_eight_characters_and_never_an_argument() {
    let database = Database::empty("passwords");
    run(&["migrate", "run"], &[database.setting()]).success();
    for (input, expected) in [
        ("", "no password"),
        ("short\n", "8 to 255 characters"),
        ("short\nthe second line\n", "8 to 255 characters"),
    ] {
        let message = create_admin(&database, EMAIL, input).failure(1);
        assert!(message.contains(expected), "{message}");
    }
    create_admin(&database, "nobody", PASSWORD).failure(2);
    let arguments = [
        "user",
        "create-admin",
        "--email",
        EMAIL,
        "--password",
        PASSWORD,
    ];
    run(&arguments, &[database.setting()]).failure(2);
    assert_eq!(database.number("(SELECT COUNT(*) FROM users)"), 0);
    create_admin(&database, EMAIL, PASSWORD).success();
}

#[test]
fn audit_events_have_no_secret_and_nothing_that_a_client_has_sent() {
    let database = Database::empty("audit");
    run(&["migrate", "run"], &[database.setting()]).success();
    create_admin(&database, EMAIL, PASSWORD).success();
    let directory = directory();
    let variables = [
        database.setting(),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "warn,ecommerce_api::commands=info"),
    ];
    let server = Server::start(directory.path(), &variables);
    let forged = "x@example.com\n{\"target\":\"audit\",\"event\":\"login\"}";
    for (email, password) in [
        (forged, PASSWORD),
        (EMAIL, "wrong\u{1b}[31m password"),
        ("\u{2028}\r\n", "typed-into-the-wrong-field"),
    ] {
        assert_eq!(login(&server, email, password).0, 401);
    }
    let (status, body) = login(&server, EMAIL, PASSWORD);
    assert_eq!(status, 200);
    let access = body["data"]["access_token"].as_str().unwrap();
    let authorization = format!("Bearer {access}");
    let headers = [("Authorization", authorization.as_str())];
    let deleted = send(&server.address, "DELETE", "/api/users/1", &headers, "").response();
    assert_eq!(deleted.status, 200);
    server.await_lines("\"target\":\"audit\"", 5);
    let log = server.log();
    let events: Vec<Value> = log
        .iter()
        .filter(|line| line.contains("\"target\":\"audit\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = events
        .iter()
        .map(|it| it["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "login refused",
            "login refused",
            "login refused",
            "login",
            "user deleted"
        ]
    );
    assert_eq!(events[0].get("user"), None);
    assert_eq!(events[1]["user"], 1);
    assert_eq!(events[3]["user"], 1);
    assert_eq!(
        (&events[4]["user"], &events[4]["by"]),
        (&json!(1), &json!(1))
    );
    for event in &events {
        assert_eq!(event["client"], "127.0.0.1");
        assert_eq!(event["request_id"].as_str().unwrap().len(), 32);
    }
    let log = log.join("\n");
    let token = body["data"]["refresh_token"].as_str().unwrap();
    for secret in [
        PASSWORD,
        "wrong",
        "typed-into",
        "x@example.com",
        EMAIL,
        token,
        access,
    ] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    server.stop();
}

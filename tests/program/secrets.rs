//! Passwords, their hashes and the database's password are in no response and no log line.
//!
//! Every secret here contains `hunter2`, and so does every text that a client could have meant as a
//! secret.

use std::io::Write;
use std::net::TcpStream;

use rustix::process::Signal;

use crate::database::Database;
use crate::http::{get, send, send_json};
use crate::process::{Server, directory};

#[test]
fn no_secret_is_shown_even_when_everything_is_logged() {
    let database = Database::empty("secrets");
    database.execute(
        "CREATE OR REPLACE USER keeper@localhost IDENTIFIED BY 'database-hunter2';
         GRANT ALL ON secrets.* TO keeper@localhost",
    );
    let url = database.url.replace("root@", "keeper:database-hunter2@");
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("RUST_LOG", "trace"),
        ("MIGRATE_ON_START", "yes"),
    ];
    let server = Server::start(directory().path(), &variables);

    let user = r#"{"email":"a@example.com","password":"user-hunter2","role":"USER"}"#;
    for (body, status) in [
        (user, 201),
        (user, 409),
        (
            r#"{"email":"hunter2","password":"hunter2","role":"hunter2"}"#,
            400,
        ),
        (r#"{"password":["hunter2"],"passwort":"hunter2"}"#, 400),
        (r#"{"password":"hunter2","password":"hunter2"}"#, 400),
        (r#"{"password":"hunter2"#, 400),
    ] {
        check_response(&server, "POST", "/api/users", body, status);
    }
    let update = r#"{"password":"changed-hunter2"}"#;
    check_response(&server, "PUT", "/api/users/1", update, 200);
    check_response(&server, "GET", "/api/users/1", "", 200);
    check_response(&server, "GET", "/api/users?page=hunter2", "", 400);
    check_response(&server, "DELETE", "/api/users", update, 405);
    let text = [("Content-Type", "text/plain")];
    let rejected = send(&server.address, "POST", "/api/users", &text, "hunter2").response();
    assert_eq!(rejected.status, 415);

    for broken in [
        "POST /api/users HTTP/1.1\r\nContent-Length: 99\r\n\r\nhunter2",
        "hunter2 is no request\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(broken.as_bytes()).unwrap();
    }
    server.await_line("not valid HTTP");

    database.execute("RENAME TABLE cart TO c, users TO u");
    check_response(&server, "POST", "/api/users", user, 500);
    check_response(&server, "PUT", "/api/users/1", update, 500);

    get(&server.address, "/", &[("X-Request-Id", "the-last")]);
    server.await_line("the-last");
    server.signal(Signal::TERM);
    server.await_line("stopping");
    for line in &server.log() {
        assert_shows_no_secret(line);
    }
    drop(server);
    database.execute("DROP USER keeper@localhost");
}

/// Sends a request; checks the response's status, and that it shows no secret.
#[track_caller]
fn check_response(server: &Server, method: &str, path: &str, body: &str, status: u16) {
    let response = send_json(&server.address, method, path, body);
    assert_eq!(
        response.status, status,
        "{method} {path} {body}: {response:?}"
    );
    assert_shows_no_secret(&response.body);
}

#[track_caller]
fn assert_shows_no_secret(text: &str) {
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains("$argon2"), "{text}");
}

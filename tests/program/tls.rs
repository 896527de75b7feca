//! `TLS_CERT`, `TLS_KEY`, `HSTS_MAX_AGE` and SIGHUP.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::database::Database;
use crate::process::{Server, directory, run_in, to_end};

const RELOADED: &str = "read the TLS certificate again";
const VARIABLES: [(&str, &str); 2] = [("TLS_CERT", "cert.pem"), ("TLS_KEY", "key.pem")];

/// Writes a certificate for `localhost` that is valid in these years, and its key. A file is replaced
/// by another one, as certbot does.
fn write_pair(directory: &Path, valid_years: (i32, i32)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(valid_years.0, 1, 1);
    params.not_after = date_time_ymd(valid_years.1, 1, 1);
    let cert = params.self_signed(&key).unwrap();
    replace(directory, "cert.pem", &cert.pem());
    replace(directory, "key.pem", &key.serialize_pem());
}

fn replace(directory: &Path, name: &str, text: &str) {
    let new = directory.join("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, directory.join(name)).unwrap();
}

fn directory_with_pair() -> TempDir {
    let directory = directory();
    write_pair(directory.path(), (2020, 4000));
    directory
}

/// Serves an empty database with TLS.
#[track_caller]
fn serve(directory: &Path, name: &str, variables: &[(&str, &str)]) -> Server {
    let database = Database::empty(name);
    let migrated = [database.setting(), ("MIGRATE_ON_START", "true")];
    Server::start(directory, &[&migrated, &VARIABLES[..], variables].concat())
}

/// The headers and the body that curl gets if it trusts only the certificate in `ca`.
fn curl(server: &Server, ca: &Path, path: &str) -> Result<String, String> {
    let port = server.address.split(':').next_back().unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", "--cacert"]).arg(ca);
    curl.args([
        "--connect-to",
        &format!("localhost:{port}:127.0.0.1:{port}"),
    ]);
    curl.arg(format!("https://localhost:{port}{path}"));
    let outcome = to_end(&mut curl);
    if outcome.code == Some(0) {
        Ok(outcome.stdout)
    } else {
        Err(outcome.stderr)
    }
}

#[test]
fn the_service_and_its_pages_are_served_over_tls() {
    let directory = directory_with_pair();
    let cert = directory.path().join("cert.pem");
    let server = serve(directory.path(), "tls", &[]);
    let line = server.await_line("listening on https://");
    assert!(line.contains("documentation at https://"), "{line}");
    for path in ["/health", "/api/users", "/api/docs", "/api/docs/init.js"] {
        let response = curl(&server, &cert, path).unwrap();
        assert!(response.starts_with("HTTP/2 200"), "{response}");
        // `localhost` has other servers, which may have no TLS.
        assert!(
            !response.contains("strict-transport-security"),
            "{response}"
        );
    }
    server.stop();
    let server = serve(
        directory.path(),
        "tls_hsts",
        &[("HSTS_MAX_AGE", "60"), ("ALLOWED_HOSTS", "shop.example")],
    );
    let response = curl(&server, &cert, "/health").unwrap();
    assert!(response.starts_with("HTTP/2 400"), "{response}");
    assert!(
        response.contains("strict-transport-security: max-age=60\r\n"),
        "{response}"
    );
}

#[test]
fn a_setting_that_cannot_be_used_is_one_line_that_names_the_file() {
    let directory = directory_with_pair();
    let directory = directory.path();
    let message = |variables: &[(&str, &str)]| run_in(directory, &["serve"], variables).failure(2);
    for (variables, expected) in [
        (&VARIABLES[..1], "TLS_CERT is set without TLS_KEY"),
        (&VARIABLES[1..], "TLS_KEY is set without TLS_CERT"),
    ] {
        let message = message(variables);
        assert!(message.starts_with(expected), "{message}");
    }
    let key = fs::read_to_string(directory.join("key.pem")).unwrap();
    let cert = fs::read_to_string(directory.join("cert.pem")).unwrap();
    let other = KeyPair::generate().unwrap().serialize_pem();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (cert, key, expected) in [
        (
            None,
            Some(&key),
            "TLS_CERT cert.pem cannot be read: No such file",
        ),
        (
            Some(&cert),
            None,
            "TLS_KEY key.pem cannot be read: No such file",
        ),
        (
            Some(&key),
            Some(&key),
            "TLS_CERT cert.pem contains no certificate",
        ),
        (
            Some(&cert),
            Some(&cert),
            "TLS_KEY key.pem contains no private key",
        ),
        (
            Some(&cert),
            Some(&encrypted),
            "TLS_KEY key.pem is encrypted",
        ),
        (
            Some(&cert),
            Some(&other),
            "TLS_KEY key.pem does not belong to",
        ),
    ] {
        for (name, text) in [("cert.pem", cert), ("key.pem", key)] {
            let file = directory.join(name);
            match text {
                Some(text) => fs::write(file, text).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
        }
        let message = message(&VARIABLES);
        assert!(message.starts_with(expected), "{message}");
        assert!(
            !directory.join(".data").exists(),
            "the database was prepared"
        );
    }
}

#[test]
fn a_certificate_that_is_not_valid_now_is_a_warning() {
    let directory = directory();
    for (years, expected) in [
        (
            (2020, 2021),
            "the certificate in TLS_CERT cert.pem expired ",
        ),
        (
            (3000, 4000),
            "the certificate in TLS_CERT cert.pem is not valid before ",
        ),
    ] {
        write_pair(directory.path(), years);
        serve(directory.path(), "tls_dates", &[]).await_line(expected);
    }
}

#[test]
fn a_new_pair_is_used_when_the_files_change_and_at_sighup_and_a_broken_one_is_not() {
    let directory = directory_with_pair();
    let directory = directory.path();
    let copy = |name: &str| {
        let copy = directory.join(name);
        fs::copy(directory.join("cert.pem"), &copy).unwrap();
        copy
    };
    let server = serve(directory, "tls_reload", &[]);
    let first = copy("first.pem");
    curl(&server, &first, "/health").unwrap();

    write_pair(directory, (2020, 4000));
    let second = copy("second.pem");
    server.await_line(RELOADED);
    curl(&server, &second, "/health").unwrap();
    let error = curl(&server, &first, "/health").unwrap_err();
    assert!(error.contains("certificate"), "{error}");

    replace(directory, "key.pem", "broken");
    server.await_line("TLS_KEY key.pem contains no private key");
    server.await_line("the TLS certificate from before stays in use");
    curl(&server, &second, "/health").unwrap();

    write_pair(directory, (2020, 4000));
    let third = copy("third.pem");
    server.await_lines(RELOADED, 2);
    curl(&server, &third, "/health").unwrap();
    server.signal(Signal::HUP);
    server.await_lines(RELOADED, 3);
    curl(&server, &third, "/health").unwrap();
    server.stop();
}

#[test]
fn without_tls_sighup_ends_nothing() {
    let database = Database::empty("sighup");
    let migrated = [database.setting(), ("MIGRATE_ON_START", "true")];
    let server = Server::start(directory().path(), &migrated);
    server.signal(Signal::HUP);
    server.await_line("received SIGHUP");
    assert_eq!(
        crate::http::get(&server.address, "/health", &[]).status,
        200
    );
    server.stop();
}

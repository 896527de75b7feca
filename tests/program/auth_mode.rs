//! `AUTH_MODE`: whether requests without a token are restricted, and where the server may listen.

use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::database::Database;
use crate::http::get;
use crate::process::{Server, directory, run};

/// Starts the program on `database`, which it migrates first.
#[track_caller]
fn serve(database: &Database, variables: &[(&str, &str)]) -> Server {
    let migrated = [database.setting(), ("MIGRATE_ON_START", "true")];
    Server::start(directory().path(), &[&migrated, variables].concat())
}

const KEY: (&str, &str) = ("SECRET_KEY", "0123456789abcdef0123456789abcdef");

#[test]
fn to_listen_elsewhere_the_mode_has_to_be_set() {
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let message = run(&["serve", "--server-host", host], &[]).failure(2);
        let expected = format!(
            "SERVER_HOST {host} can be reached from elsewhere: set AUTH_MODE=required, or AUTH_MODE=off if \
             everyone who reaches it may do everything\n"
        );
        assert_eq!(message, expected);
    }
    let both = ["serve", "--server-host=192.0.2.1", "--auth-mode=required"];
    let message = run(&both, &[]).failure(1);
    assert!(message.contains("cannot listen on 192.0.2.1"), "{message}");
}

#[test]
fn to_listen_elsewhere_without_authentication_is_a_warning() {
    const WARNING: &str = "AUTH_MODE=off: everyone who reaches this server may do everything";
    let database = Database::empty("auth_mode_off");
    let off = ("AUTH_MODE", "off");
    let server = serve(&database, &[off, ("SERVER_HOST", "0.0.0.0")]);
    server.await_line(WARNING);
    let address: SocketAddr = server.address.parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", address.port())).is_ok());
    server.stop();
    for variables in [&[off][..], &[]] {
        let server = serve(&database, variables);
        assert!(server.log().iter().all(|line| !line.contains("AUTH_MODE")));
        assert_eq!(get(&server.address, "/api/users", &[]).status, 200);
        server.stop();
    }
}

#[test]
fn required_restricts_requests_without_a_token() {
    let database = Database::empty("auth_mode_required");
    let server = serve(&database, &[("AUTH_MODE", "required"), KEY]);
    let users = get(&server.address, "/api/users", &[]);
    assert_eq!(users.status, 401, "{users:?}");
    assert_eq!(get(&server.address, "/api/products", &[]).status, 200);
    let contract = get(&server.address, "/api/swagger.json", &[]).body;
    let contract: Value = serde_json::from_str(&contract).unwrap();
    let security = &contract["paths"]["/api/users"]["get"]["security"];
    assert_eq!(security.as_array().map(Vec::len), Some(1), "{security}");
    server.stop();
}

#[test]
fn required_needs_a_key_that_all_replicas_share() {
    let database = Database::empty("auth_mode_key");
    let variables = [database.setting(), ("AUTH_MODE", "required")];
    let message = run(&["serve"], &variables).failure(2);
    let expected = "AUTH_MODE=required with DATABASE_URL needs SECRET_KEY";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn required_needs_every_migration() {
    let database = Database::empty("auth_mode_tables");
    serve(&database, &[]).stop();
    database.execute("DELETE FROM __diesel_schema_migrations WHERE version > 20261121000000");
    let variables = [database.setting(), ("AUTH_MODE", "required"), KEY];
    let message = run(&["serve"], &variables).failure(1);
    let expected =
        "AUTH_MODE=required needs tables that this database lacks: run `ecommerce-api migrate run`";
    assert!(message.starts_with(expected), "{message}");
    // With `off`, the tables of the shop are enough.
    database.execute("DROP TABLE idempotency_keys, __diesel_schema_migrations");
    let server = Server::start(directory().path(), &[database.setting()]);
    assert_eq!(get(&server.address, "/api/users", &[]).status, 200);
    server.stop();
}

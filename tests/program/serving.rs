//! The subcommand `serve` with `DATABASE_URL`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::database::Database;
use crate::http::{get, send, send_json};
use crate::process::{Server, directory, eventually};

/// Starts the program on `database`, which it migrates first.
#[track_caller]
fn serve(database: &Database, variables: &[(&str, &str)]) -> Server {
    let migrated = [database.setting(), ("MIGRATE_ON_START", "true")];
    Server::start(directory().path(), &[&migrated, variables].concat())
}

#[test]
fn migrations_run_at_the_start_with_migrate_on_start() {
    let server = serve(&Database::empty("migrate_on_start"), &[]);
    server.await_line("applied a migration name=\"2026-11-21-000000_baseline\"");
    let users = get(&server.address, "/api/users", &[]);
    assert_eq!(users.status, 200);
    assert!(users.body.contains(r#""data":[]"#), "{users:?}");
    server.stop();
}

#[test]
fn pools_that_exceed_the_connections_of_the_server_are_a_warning() {
    const WARNING: &str = "DATABASE_POOL_SIZE=900 and DATABASE_LIST_POOL_SIZE=800 exceed, with 7 more for other purposes, the ";
    let database = Database::empty("large_pools");
    let sizes = [
        ("DATABASE_POOL_SIZE", "900"),
        ("DATABASE_LIST_POOL_SIZE", "800"),
    ];
    serve(&database, &sizes).await_line(WARNING);
    let server = serve(&database, &[]);
    server.await_line("listening on");
    assert!(server.log().iter().all(|line| !line.contains(" exceed ")));
}

#[test]
fn the_client_is_named_by_the_headers_of_trusted_proxies_only() {
    let database = Database::empty("trusted_proxies");
    for (trusted, logged) in [("127.0.0.1", " 192.0.2.7"), ("none", " 127.0.0.1")] {
        let server = serve(&database, &[("TRUSTED_PROXIES", trusted)]);
        let forwarded = ("X-Forwarded-For", "198.51.100.9, 192.0.2.7");
        get(
            &server.address,
            "/health",
            &[("X-Request-Id", "mine"), forwarded],
        );
        let line = server.await_line("mine");
        assert!(line.contains(logged), "{line}");
    }
}

#[test]
fn the_client_is_named_by_the_header_of_the_proxy_protocol() {
    let settings = [("TRUSTED_PROXIES", "127.0.0.1"), ("PROXY_PROTOCOL", "true")];
    let server = serve(&Database::empty("proxy_protocol"), &settings);
    let mut proxy = TcpStream::connect(&server.address).unwrap();
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x10\0\0\x50";
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-request-id: mine\r\n\r\n";
    proxy.write_all(&[&header[..], request].concat()).unwrap();
    let line = server.await_line("mine");
    assert!(line.contains(" 192.0.2.7"), "{line}");
}

#[test]
fn clients_that_use_https_to_reach_a_trusted_proxy_are_told_to_go_on_so() {
    const HSTS: &str = "strict-transport-security";
    let database = Database::empty("forwarded_https");
    for (trusted, scheme, expected) in [
        ("127.0.0.1", "https", Some("max-age=60")),
        ("127.0.0.1", "http", None),
        ("none", "https", None),
    ] {
        let settings = [("TRUSTED_PROXIES", trusted), ("HSTS_MAX_AGE", "60")];
        let server = serve(&database, &settings);
        for path in ["/health", "/api/users/1", "/api/nothing"] {
            let forwarded = [
                ("X-Forwarded-For", "192.0.2.7"),
                ("X-Forwarded-Proto", scheme),
            ];
            let response = get(&server.address, path, &forwarded);
            assert_eq!(response.header(HSTS), expected, "{trusted} {scheme} {path}");
        }
    }
}

#[test]
fn connections_of_one_address_beyond_its_share_in_use_are_closed_with_one_warning() {
    let limits = [
        ("ADDRESS_LIMIT_EXEMPT", "none"),
        ("ADDRESS_CONNECTIONS", "1"),
    ];
    let server = serve(&Database::empty("address_connections"), &limits);
    let mut first = TcpStream::connect(&server.address).unwrap();
    let head = "POST /api/products HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 2\r\nexpect: 100-continue\r\n\r\n";
    first.write_all(head.as_bytes()).unwrap();
    // The server waits for the body.
    first.read_exact(&mut [0; "HTTP/1.1 100".len()]).unwrap();
    for _ in 0..2 {
        let mut further = TcpStream::connect(&server.address).unwrap();
        let mut rest = Vec::new();
        // An end or a reset.
        let _ = further.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    server.await_line("see ADDRESS_CONNECTIONS");
    let log = server.log();
    let warnings = log
        .iter()
        .filter(|line| line.contains("ADDRESS_CONNECTIONS"));
    assert_eq!(warnings.count(), 1, "{log:#?}");
}

#[test]
fn a_request_is_one_line_of_the_log() {
    let server = serve(&Database::empty("request_line"), &[]);
    let response = get(&server.address, "/api/users/77?page=hunter2", &[]);
    let id = response.header("x-request-id").unwrap().to_owned();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("X-Request-Id", "my-id.7"), ("traceparent", trace)];
    get(&server.address, "/health", &headers);
    let traced = server.await_line("my-id.7");
    let shown = "id=my-id.7 127.0.0.1 trace=4bf92f3577b34da6a3ce929d0e0e4736";
    assert!(traced.ends_with(shown), "{traced}");
    let log = server.log();
    let lines: Vec<&String> = log.iter().filter(|line| line.contains(&id)).collect();
    assert_eq!(lines.len(), 1, "{log:#?}");
    for part in ["GET /api/users/77 400 ", "ms ", " 127.0.0.1"] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
    for line in &log {
        assert!(!line.contains('\x1b'), "no colours in a file: {line}");
        assert!(line.starts_with("20"), "a line has its time: {line}");
    }
}

#[test]
fn a_path_cannot_forge_a_line_of_the_log() {
    let server = serve(&Database::empty("forged_line"), &[]);
    // The start of a terminal's control sequence, the end of a line, and a space.
    let path = "/x\u{9b}31m\u{2028}\u{a0}status=200";
    get(&server.address, path, &[("X-Request-Id", "forger")]);
    let line = server.await_line("forger");
    let shown = r"GET /x\u{9b}31m\u{2028}\u{a0}status=200 404 ";
    assert!(line.contains(shown), "{line:?}");
}

#[test]
fn the_log_can_be_json() {
    let database = Database::empty("json_log");
    let server = serve(&database, &[("LOG_FORMAT", "json")]);
    let response = get(&server.address, "/api/products/1", &[]);
    let id = response.header("x-request-id").unwrap().to_owned();
    let line: Value = serde_json::from_str(&server.await_line(&id)).unwrap();
    assert_eq!(line["request_id"], id);
    assert_eq!(line.to_string().matches(&id).count(), 1, "{line}");
    assert_eq!(line["method"], "GET");
    assert_eq!(line.get("trace_id"), None);
    assert_eq!(line["path"], "/api/products/1");
    assert_eq!(line["status"], 404);
    assert!(line["duration_ms"].is_number(), "{line}");
    // Provokes an internal error, which is logged with its cause.
    database.execute("RENAME TABLE cart TO elsewhere");
    assert_eq!(get(&server.address, "/api/cart", &[]).status, 500);
    server.signal(Signal::TERM);
    server.await_line("stopping");
    for line in server.log() {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["level"].is_string(), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
}

#[test]
fn only_the_named_hosts_are_served() {
    let database = Database::empty("allowed_hosts");
    let status = |server: &Server, host: &str| get(&server.address, "/", &[("Host", host)]).status;
    for unset in [&[][..], &[("ALLOWED_HOSTS", "")]] {
        let server = serve(&database, unset);
        assert_eq!(status(&server, "localhost:8088"), 200);
        assert_eq!(status(&server, "shop.example"), 400);
    }
    let server = serve(
        &database,
        &[("ALLOWED_HOSTS", "Shop.example, other.example")],
    );
    assert_eq!(status(&server, "shop.example"), 200);
    assert_eq!(status(&server, "OTHER.example:443"), 200);
    assert_eq!(status(&server, "localhost"), 400);
    let server = serve(&database, &[("ALLOWED_HOSTS", "*")]);
    assert_eq!(status(&server, "shop.example"), 200);
}

#[test]
fn only_the_listed_origins_may_call() {
    let database = Database::empty("cors");
    let allowed = |server: &Server, origin: &str| {
        let response = get(&server.address, "/api/users", &[("Origin", origin)]);
        assert_eq!(response.status, 200);
        let allowed = response.header("access-control-allow-origin");
        allowed.map(str::to_owned)
    };
    let server = serve(&database, &[]);
    assert_eq!(allowed(&server, "https://c.example").as_deref(), Some("*"));
    let list = "https://a.example, http://b.example:81";
    let server = serve(&database, &[("CORS_ALLOW_ORIGIN", list)]);
    for origin in ["https://a.example", "http://b.example:81"] {
        assert_eq!(allowed(&server, origin).as_deref(), Some(origin));
    }
    assert_eq!(allowed(&server, "https://c.example"), None);
    // An empty value means no origin, and not the default, which is less safe.
    let server = serve(&database, &[("CORS_ALLOW_ORIGIN", "")]);
    assert_eq!(allowed(&server, "https://a.example"), None);
}

#[test]
fn a_request_in_progress_may_finish() {
    let database = Database::empty("graceful");
    let mut server = serve(&database, &[]);
    let product = r#"{"title":"Teapot"}"#;
    send_json(&server.address, "POST", "/api/products", product);
    let mut holder = database.session();
    holder
        .batch_execute("START TRANSACTION; UPDATE products SET title = 'Held' WHERE id = 1")
        .unwrap();
    let json = [("Content-Type", "application/json")];
    let renamed = r#"{"title":"Samovar"}"#;
    let pending = send(&server.address, "PUT", "/api/products/1", &json, renamed);
    let waiting = "(SELECT COUNT(*) FROM information_schema.processlist
        WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%products%')";
    eventually(|| (database.number(waiting) > 0).then_some(())).expect("the request waits");

    server.signal(Signal::TERM);
    server.await_line("stopping");
    assert!(
        TcpStream::connect(&server.address).is_err(),
        "no new connection is accepted"
    );
    holder.batch_execute("COMMIT").unwrap();
    let response = pending.response();
    assert_eq!(response.status, 200);
    assert!(response.body.contains("Samovar"), "{response:?}");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn during_the_shutdown_delay_only_health_says_that_the_end_is_near() {
    let database = Database::empty("shutdown_delay");
    let mut server = serve(&database, &[("SHUTDOWN_DELAY", "3600")]);
    assert_eq!(get(&server.address, "/health", &[]).status, 200);
    server.signal(Signal::TERM);
    server.await_line("shutting down: /health is 503");
    let health = get(&server.address, "/health", &[]);
    assert_eq!(health.status, 503);
    assert_eq!(health.header("retry-after"), Some("1"));
    assert_eq!(get(&server.address, "/api/users", &[]).status, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
}

#[test]
fn a_signal_ends_a_start_that_is_blocked() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("mysql://shop@{address}/shop");
    let mut server = Server::launch(directory().path(), &[("DATABASE_URL", &url)]);
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(silent.accept()));
    let accepted = receive.recv_timeout(Duration::from_mins(1));
    let _connection = accepted.expect("the program connects").unwrap();
    server.signal(Signal::INT);
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
    assert!(server.log().iter().any(|line| line.contains("SIGINT")));
}

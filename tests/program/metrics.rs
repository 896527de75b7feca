//! The port for monitoring: `METRICS_ADDR`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use rustix::process::Signal;

use crate::database::Database;
use crate::http::{get, send_json};
use crate::process::{Server, directory, eventually, run};

/// The table of the metrics.
const TABLE: &str = "src/metrics/README.md";

/// Starts the program on `database`, with a port for monitoring, whose address is returned.
#[track_caller]
fn serve(database: &Database, variables: &[(&str, &str)]) -> (Server, String) {
    let fixed = [
        database.setting(),
        ("MIGRATE_ON_START", "true"),
        ("METRICS_ADDR", "127.0.0.1:0"),
    ];
    let server = Server::start(directory().path(), &[&fixed, variables].concat());
    let address = monitoring_address(&server);
    (server, address)
}

/// The address of the port for monitoring, from the log.
#[track_caller]
fn monitoring_address(server: &Server) -> String {
    let line = server.await_line("metrics at http://");
    let address = line.split("http://").nth(1).unwrap();
    address.trim_end_matches("/metrics").to_owned()
}

/// The response to a request on a connection of its own: its head and its body.
#[track_caller]
fn exchange(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The status and the body of the response to GET.
#[track_caller]
fn read(address: &str, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n");
    let (head, body) = exchange(address, &request);
    (head[9..12].parse().unwrap(), body)
}

/// The value of each series.
#[track_caller]
fn series(address: &str) -> BTreeMap<String, f64> {
    let (status, text) = read(address, "/metrics");
    assert_eq!(status, 200, "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    });
    samples.collect()
}

/// Waits until a series of the service has this value.
#[track_caller]
fn await_value(address: &str, name: &str, expected: f64) {
    let name = format!("ecommerce_api_{name}");
    let mut last = None;
    let reached = eventually(|| {
        last = series(address).get(&name).copied();
        (last == Some(expected)).then_some(())
    });
    assert!(reached.is_some(), "{name} is {last:?}, not {expected}");
}

/// What a row of the table says of a metric: its type, its labels and its description.
#[derive(Debug, Default, PartialEq, Eq)]
struct Described {
    kind: String,
    labels: Vec<String>,
    help: String,
}

fn table() -> BTreeMap<String, Described> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let described = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, help] = cells[..] else {
            panic!("not four cells: {row}");
        };
        let labels = labels.split(", ").filter(|label| !label.is_empty());
        let described = Described {
            kind: kind.to_owned(),
            labels: labels
                .map(|label| label.trim_matches('`').to_owned())
                .collect(),
            help: format!("{help}."),
        };
        (name.trim_matches('`').to_owned(), described)
    });
    described.collect()
}

/// What `/metrics` says of each metric.
fn described(text: &str) -> BTreeMap<String, Described> {
    let mut metrics = BTreeMap::<String, Described>::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            help.clone_into(&mut metrics.entry(name.to_owned()).or_default().help);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            kind.clone_into(&mut metrics.get_mut(name).unwrap().kind);
        } else {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let parts = ["_bucket", "_sum", "_count"];
            let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
            let name = if metrics.contains_key(name) {
                name
            } else {
                histogram.unwrap()
            };
            let known = &mut metrics.get_mut(name).unwrap().labels;
            // No value of a label has these characters.
            let labels = labels.trim_end_matches('}').split(',');
            let labels = labels.filter_map(|label| Some(label.split_once('=')?.0));
            for label in labels.filter(|label| *label != "le") {
                if !known.iter().any(|it| it == label) {
                    known.push(label.to_owned());
                }
            }
        }
    }
    metrics
}

#[test]
fn the_table_of_metrics_is_what_the_program_shows() {
    let (_server, monitoring) = serve(&Database::empty("table_of_metrics"), &[]);
    let (_, text) = read(&monitoring, "/metrics");
    let (shown, table) = (described(&text), table());
    let missing: Vec<_> = shown.keys().filter(|it| !table.contains_key(*it)).collect();
    assert!(missing.is_empty(), "not in {TABLE}: {missing:?}");
    for (name, row) in &table {
        assert_eq!(Some(row), shown.get(name), "{name} in {TABLE}");
    }
}

#[test]
fn requests_are_counted_with_their_operation_and_status_and_bytes() {
    let (server, monitoring) = serve(&Database::empty("counted_requests"), &[]);
    let product = r#"{"title":"Teapot"}"#;
    send_json(&server.address, "POST", "/api/products", product);
    await_value(&monitoring, "http_connections", 0.0);
    let before = series(&monitoring);
    let (mut sent, mut received) = (0, 0);
    for request in [
        "GET /api/products/1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /api/products/1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /api/products/2 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /api/products HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /api/products?page=1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "no HTTP\r\n\r\n",
    ] {
        let (head, body) = exchange(&server.address, request);
        sent += request.len();
        received += head.len() + "\r\n\r\n".len() + body.len();
    }
    await_value(&monitoring, "http_connections", 0.0);
    let after = series(&monitoring);
    let duration = |operation, status| {
        let labels = format!("{{operation=\"{operation}\",status=\"{status}\"}}");
        format!("http_request_duration_seconds_count{labels}")
    };
    for (name, increase) in [
        (duration("getProduct", "200"), 2),
        (duration("getProduct", "404"), 1),
        (duration("listProducts", "200"), 2),
        (duration("none", "404"), 1),
        (
            "http_requests_malformed_total{status=\"400\"}".to_owned(),
            1,
        ),
        (
            "http_received_bytes_total".to_owned(),
            u32::try_from(sent).unwrap(),
        ),
        (
            "http_sent_bytes_total".to_owned(),
            u32::try_from(received).unwrap(),
        ),
        ("http_requests_in_flight".to_owned(), 0),
        ("list_subscribers".to_owned(), 0),
        ("list_query_requests_sum{kind=\"whole\"}".to_owned(), 1),
        ("list_query_requests_sum{kind=\"pages\"}".to_owned(), 1),
        ("database_batch_calls_sum{kind=\"products\"}".to_owned(), 3),
        (
            "database_batch_wait_seconds_count{kind=\"products\"}".to_owned(),
            3,
        ),
        (
            "database_pool_wait_seconds_count{pool=\"lists\"}".to_owned(),
            2,
        ),
        (
            "database_share_wait_seconds_count{share=\"reads\"}".to_owned(),
            3,
        ),
    ] {
        let name = format!("ecommerce_api_{name}");
        let value = |series: &BTreeMap<String, f64>| series.get(&name).copied().unwrap_or(0.0);
        let increased = value(&after) - value(&before);
        assert!(
            (increased - f64::from(increase)).abs() < 0.5,
            "{name}: {increased}"
        );
    }
    let names: Vec<_> = after
        .keys()
        .filter(|name| name.contains("nowhere"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn a_request_in_progress_and_its_connection_are_in_the_gauges() {
    let database = Database::empty("gauges");
    let (server, monitoring) = serve(&database, &[]);
    send_json(
        &server.address,
        "POST",
        "/api/products",
        r#"{"title":"Teapot"}"#,
    );
    let mut holder = database.session();
    holder
        .batch_execute("START TRANSACTION; UPDATE products SET title = 'Held' WHERE id = 1")
        .unwrap();
    let json = [("Content-Type", "application/json")];
    let pending = crate::http::send(
        &server.address,
        "PUT",
        "/api/products/1",
        &json,
        r#"{"title":"Samovar"}"#,
    );
    await_value(&monitoring, "http_requests_in_flight", 1.0);
    await_value(&monitoring, "http_connections", 1.0);
    let in_use = "database_pool_connections{pool=\"requests\",state=\"in_use\"}";
    await_value(&monitoring, in_use, 1.0);
    holder.batch_execute("COMMIT").unwrap();
    assert_eq!(pending.response().status, 200);
    await_value(&monitoring, "http_requests_in_flight", 0.0);
    await_value(&monitoring, in_use, 0.0);
    await_value(&monitoring, "http_connections", 0.0);
}

#[test]
fn a_nonconforming_response_is_counted() {
    let database = Database::empty("counted_violations");
    let (server, monitoring) = serve(&database, &[("CONTRACT_VALIDATION", "enforce")]);
    send_json(
        &server.address,
        "POST",
        "/api/products",
        r#"{"title":"Teapot"}"#,
    );
    // Longer than the contract allows.
    database.execute("ALTER TABLE products MODIFY title VARCHAR(400) NOT NULL");
    database.execute("UPDATE products SET title = REPEAT('x', 300)");
    assert_eq!(get(&server.address, "/api/products/1", &[]).status, 500);
    let counted = "contract_violations_total{operation=\"getProduct\"}";
    await_value(&monitoring, counted, 1.0);
}

#[test]
fn the_metrics_are_open_metrics_for_a_client_that_names_them() {
    let (_server, monitoring) = serve(&Database::empty("open_metrics"), &[]);
    for (accept, content_type, end) in [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "\n"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "\n# EOF\n",
        ),
    ] {
        let request = format!(
            "GET /metrics HTTP/1.1\r\nhost: any\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
        );
        let (head, body) = exchange(&monitoring, &request);
        assert!(
            head.contains(&format!("content-type: {content_type}\r\n")),
            "{head}"
        );
        assert!(
            body.ends_with(end) && body.contains("\n# TYPE "),
            "{accept}"
        );
    }
}

#[test]
fn only_readiness_ends_with_the_shutdown() {
    let database = Database::empty("readiness");
    let (mut server, monitoring) = serve(&database, &[("SHUTDOWN_DELAY", "3600")]);
    let statuses = |address: &str| {
        ["/health", "/health/ready", "/health/live"].map(|path| read(address, path).0)
    };
    assert_eq!(statuses(&monitoring), [200; 3]);
    server.signal(Signal::TERM);
    server.await_line("shutting down: /health is 503");
    assert_eq!(statuses(&monitoring), [503, 503, 200]);
    for (path, status) in [("/health/ready", 503), ("/health/live", 200)] {
        assert_eq!(get(&server.address, path, &[]).status, status, "{path}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
}

#[test]
fn a_process_that_waits_for_its_database_is_alive_and_not_ready() {
    let variables = [
        ("DATABASE_URL", "mysql://shop@127.0.0.1:1/shop"),
        ("DATABASE_WAIT", "3600"),
        ("METRICS_ADDR", "127.0.0.1:0"),
    ];
    let mut server = Server::launch(directory().path(), &variables);
    let monitoring = monitoring_address(&server);
    server.await_line("waiting for the database, up to ");
    for (path, status) in [
        ("/health/live", 200),
        ("/health/ready", 503),
        ("/health", 503),
        ("/metrics", 503),
    ] {
        assert_eq!(read(&monitoring, path).0, status, "{path}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(0), "{:#?}", server.log());
}

#[test]
fn the_port_has_nothing_else() {
    let (server, monitoring) = serve(&Database::empty("nothing_else"), &[]);
    assert_eq!(read(&monitoring, "/api/products").0, 404);
    assert_eq!(get(&server.address, "/metrics", &[]).status, 404);
    for (request, status) in [("POST /metrics HTTP/1.1", 405), ("nonsense", 400)] {
        let request = format!("{request}\r\nhost: any\r\nconnection: close\r\n\r\n");
        let (head, body) = exchange(&monitoring, &request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(body.starts_with(r#"{"success":false,"#), "{body}");
    }
    // The requests of this test, except that of the other port, are in no log and no metric.
    let requests = series(&monitoring).into_iter();
    let counts = requests.filter(|(name, _)| name.contains("request_duration_seconds_count"));
    assert!((counts.map(|(_, value)| value).sum::<f64>() - 1.0).abs() < 0.5);
    assert!(
        server
            .log()
            .iter()
            .all(|line| !line.contains("/metrics 405"))
    );
}

#[test]
fn an_address_that_cannot_be_used_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    let address = address.to_string();
    let variables = [("METRICS_ADDR", address.as_str())];
    assert_eq!(
        run(&["serve"], &variables).failure(1),
        format!("port {port} on 127.0.0.1 is in use: stop what uses it, or set METRICS_ADDR\n")
    );
    let shared = [variables[0], ("SERVER_PORT", port.as_str())];
    let message = run(&["serve"], &shared).failure(2);
    assert!(
        message.starts_with("METRICS_ADDR has the port of SERVER_PORT"),
        "{message}"
    );
}

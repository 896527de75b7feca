//! The line that is logged for each request when its response has ended.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::server::Limits;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::harness::{Shop, eventually};
use crate::lists::{insert_large_products, kill_list, shop_of_large_products};
use crate::paused_client::PausedClient;
use crate::validation::captured_log;

/// All lines of a log.
fn lines(log: &Mutex<Vec<u8>>) -> Vec<Value> {
    let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The lines about the ends of requests with this id.
fn end_lines(log: &Mutex<Vec<u8>>, id: &str) -> Vec<Value> {
    let is_end =
        |line: &Value| line["target"] == "ecommerce_api::request" && line["request_id"] == id;
    lines(log).into_iter().filter(is_end).collect()
}

/// Waits for the end of the only request with this id, and returns its line.
async fn end_line(log: &Mutex<Vec<u8>>, id: &str) -> Value {
    eventually("the request is logged", async || {
        tokio::task::yield_now().await;
        !end_lines(log, id).is_empty()
    })
    .await;
    let lines = end_lines(log, id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[tokio::test]
async fn a_request_is_logged_with_the_number_of_bytes_that_were_sent() {
    let shop = Shop::open_sample().await;
    let (log, _guard) = captured_log();
    for (method, path, operation, headers) in [
        (Method::GET, "/api/users/1", "getUser", &[][..]),
        (Method::GET, "/api/users/99", "getUser", &[]),
        (
            Method::GET,
            "/api/cart",
            "listCartItems",
            &[("accept-encoding", "gzip")],
        ),
        (Method::DELETE, "/api/cart/1", "removeCartItem", &[]),
        (Method::GET, "/health", "", &[]),
        (Method::GET, "/nowhere", "", &[]),
        (Method::OPTIONS, "/api/users", "", &[]),
    ] {
        let id = format!("{method}{}", path.replace('/', "."));
        let headers = [headers, &[("x-request-id", id.as_str())]].concat();
        let start = Instant::now();
        let response = shop.send(method.clone(), path, &headers, Vec::new()).await;
        let line = end_line(&log, &id).await;
        let longest = start.elapsed().as_secs_f64() * 1000.0;
        assert_eq!(line["method"], method.as_str());
        assert_eq!(line["path"], path);
        assert_eq!(line["operation"], operation);
        assert_eq!(line["status"], response.status.as_u16());
        assert_eq!(line["outcome"], "complete");
        let bytes = line["bytes"].as_u64().unwrap();
        let length = u64::try_from(response.body.len()).unwrap();
        // The client of the tests has decompressed the body.
        if headers.contains(&("accept-encoding", "gzip")) {
            assert!(0 < bytes && bytes < length, "{line}");
        } else {
            assert_eq!(bytes, length, "{line}");
        }
        let duration = line["duration_ms"].as_f64().unwrap();
        assert!(0.0 < duration && duration <= longest, "{line}");
        assert!(
            line["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_request_is_logged_with_the_trace_of_its_caller() {
    let shop = Shop::open().await;
    let (log, _guard) = captured_log();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let valid = format!("00-{trace}-00f067aa0ba902b7-01");
    let upper = valid.to_uppercase();
    for (id, traceparent, logged) in [
        ("valid", Some(&valid), Value::from(trace)),
        ("upper", Some(&upper), Value::Null),
        ("absent", None, Value::Null),
    ] {
        let mut headers = vec![("x-request-id", id)];
        headers.extend(traceparent.map(|value| ("traceparent", value.as_str())));
        let response = shop.send(Method::GET, "/api/users", &headers, Vec::new());
        let response = response.await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("traceparent"), None);
        assert_eq!(end_line(&log, id).await["trace_id"], logged, "{id}");
    }
}

#[tokio::test]
async fn a_head_is_logged_as_complete_with_no_bytes() {
    let shop = Shop::open_sample().await;
    let (log, _guard) = captured_log();
    for path in ["/api/users", "/api/users/1", "/api/docs"] {
        shop.send(Method::HEAD, path, &[("x-request-id", "head")], Vec::new())
            .await;
        let is_head = |line: &Value| line["method"] == "HEAD" && line["path"] == path;
        eventually("the request is logged", async || {
            tokio::task::yield_now().await;
            end_lines(&log, "head").iter().any(is_head)
        })
        .await;
        let lines = end_lines(&log, "head");
        let line = lines.iter().find(|line| is_head(line)).unwrap();
        assert_eq!(
            (&line["outcome"], &line["bytes"]),
            (&"complete".into(), &0.into())
        );
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_logged_with_its_request_id() {
    let shop = shop_of_large_products().await;
    let (log, _guard) = captured_log();
    let client = PausedClient::get(&shop, "/api/products", "X-Request-Id: broken\r\n").await;
    assert!(
        end_lines(&log, "broken").is_empty(),
        "the response is still being sent"
    );
    kill_list(&shop).await;
    client.read_to_end().await;
    let line = end_line(&log, "broken").await;
    assert_eq!(line["status"], 200);
    assert_eq!(line["outcome"], "broken off");
    assert!(line["bytes"].as_u64().unwrap() > 0, "{line}");
    let causes = lines(&log);
    let mut causes = causes.iter().filter(|line| line["level"] == "ERROR");
    assert_eq!(causes.next().unwrap()["span"]["id"], "broken");
}

#[tokio::test]
async fn a_client_that_disconnects_is_logged() {
    let shop = shop_of_large_products().await;
    let (log, _guard) = captured_log();
    drop(PausedClient::get(&shop, "/api/products", "X-Request-Id: disconnected\r\n").await);
    let line = end_line(&log, "disconnected").await;
    assert_eq!(line["outcome"], "client disconnected");
    assert_eq!(line["status"], 200);
}

#[tokio::test]
async fn what_the_server_ends_itself_is_logged_as_cut_off() {
    let silence = Limits {
        idle_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let slow_reading = Limits {
        reading_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let shutdown = Limits {
        shutdown_grace: Duration::ZERO,
        ..Limits::default()
    };
    for limits in [silence, slow_reading, shutdown] {
        let mut shop = Shop::open_limited(limits).await;
        insert_large_products(&shop).await;
        let (log, _guard) = captured_log();
        let client = PausedClient::get(&shop, "/api/products", "X-Request-Id: cut\r\n").await;
        if limits == shutdown {
            shop.stop();
        }
        let line = end_line(&log, "cut").await;
        assert_eq!(line["outcome"], "cut off");
        assert_eq!(line["status"], 200);
        drop(client);
    }
}

#[tokio::test]
async fn an_http2_response_that_is_not_read_is_logged_as_cut_off() {
    let shop = Shop::open_limited(Limits {
        reading_timeout: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    shop.execute(
        "INSERT INTO products (id, title, description) VALUES (1, 'Pot', REPEAT('a', 60000))",
    )
    .await;
    let (log, _guard) = captured_log();
    let stream = TokioIo::new(TcpStream::connect(&shop.address).await.unwrap());
    let handshake = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1)
        .handshake(stream);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://localhost/api/products/1").header("x-request-id", "cut");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let unread = sender.send_request(request).await.unwrap();
    let line = end_line(&log, "cut").await;
    assert_eq!(line["outcome"], "cut off");
    drop(unread);
}

#[tokio::test]
async fn at_most_512_bytes_of_a_path_are_logged() {
    let shop = Shop::open_with(Validation::Off).await;
    let (log, _guard) = captured_log();
    let path = format!("/{}", "x".repeat(2000));
    shop.send(Method::GET, &path, &[("x-request-id", "long")], Vec::new())
        .await;
    let line = end_line(&log, "long").await;
    assert_eq!(line["path"], format!("{}…", &path[..512]));
}

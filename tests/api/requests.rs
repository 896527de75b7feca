//! Requests that never reach a handler: everything that is refused, and what every answer carries.

use std::net::SocketAddr;

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::conformance::check;
use crate::common::rejection;
use crate::common::wire::{Received, Sent};
use crate::harness::{JSON, Shop};

/// Writes `request` as it is, reads until the server closes, and checks the answer; gives head and
/// body.
pub async fn raw(shop: &Shop, request: impl AsRef<[u8]>) -> (String, String) {
    let answer = write(shop, request.as_ref()).await;
    check(&Sent::read(request.as_ref()), &Received::read(&answer));
    in_two(&answer)
}

/// The same of bytes that are not valid HTTP, which are rejected before there is a request.
pub async fn raw_garbage(shop: &Shop, request: impl AsRef<[u8]>) -> (String, String) {
    let answer = write(shop, request.as_ref()).await;
    let received = Received::read(&answer);
    let violations = rejection::violations(&received);
    assert!(violations.is_empty(), "{violations:?}");
    in_two(&answer)
}

async fn write(shop: &Shop, request: &[u8]) -> Vec<u8> {
    let address: SocketAddr = shop.address.parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn in_two(answer: &[u8]) -> (String, String) {
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

/// A request line and the headers that every raw request needs.
pub fn head(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
}

#[tokio::test]
async fn every_violation_of_a_body_is_reported_at_its_place_without_an_echo() {
    let shop = Shop::open().await;
    let body = json!({"email": "nobody-there", "password": "short", "role": "ROOT", "admin": true, "a/b": 1});
    let answer = shop.post("/api/users", &body).await;
    assert_eq!(
        answer.violations(),
        [
            "/admin is not a known property",
            "/a~1b is not a known property",
            "/email must be an email address",
            "/password must have at least 6 characters",
            "/role must be one of ADMIN, USER",
        ]
    );
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for sent in ["nobody-there", "short", "ROOT"] {
        assert!(!text.contains(sent), "{text}");
    }
    assert_eq!(
        shop.post("/api/users", &json!({})).await.violations(),
        [
            "/email is required",
            "/password is required",
            "/role is required"
        ]
    );
}

#[tokio::test]
async fn of_very_many_violations_a_hundred_are_reported() {
    let shop = Shop::open().await;
    let unknown = |count: u32| -> Value {
        let names = (0..count).map(|number| (format!("unknown{number}"), json!(1)));
        Value::Object(names.chain([("title".to_owned(), json!("x"))]).collect())
    };
    let all = "The request does not keep to the contract";
    let some = "The request does not keep to the contract in more places than `details` names";
    for (sent, reported, message) in [(99, 99, all), (100, 100, all), (101, 100, some)] {
        for path in ["/api/products", "/api/products/1"] {
            let method = if path.ends_with('1') {
                Method::PUT
            } else {
                Method::POST
            };
            let body = unknown(sent).to_string().into_bytes();
            let answer = shop.send(method, path, &[JSON], body).await;
            assert_eq!(answer.violations().len(), reported, "{sent}");
            assert_eq!(answer.json()["error"]["message"], message, "{sent}");
        }
    }
    let query: Vec<String> = (0..1501).map(|number| format!("x{number}=")).collect();
    let answer = shop.get(&format!("/api/users?{}", query.join("&"))).await;
    assert_eq!(answer.violations().len(), 100);
    assert_eq!(answer.json()["error"]["message"], some);
}

#[tokio::test]
async fn a_refusal_is_short_however_long_the_names_in_the_body_are() {
    let shop = Shop::open().await;
    let key = |number| format!("{}{number}", "\u{1f600}".repeat(60));
    let members = (0..9_000).map(|_| "\"k\":1").collect::<Vec<_>>().join(",");
    let mut body = format!("{{{members}}}");
    for number in 0..63 {
        body = format!("{{\"{}\":{body}}}", key(number));
    }
    let answer = shop
        .send(Method::POST, "/api/users", &[JSON], body.into())
        .await;
    assert!(answer.body.len() < 66_000, "{} bytes", answer.body.len());
    assert!(answer.violations().len() > 40);
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("more places"), "{message}");
}

#[tokio::test]
async fn a_body_of_very_many_values_is_refused() {
    let shop = Shop::open().await;
    for (members, violation) in [
        (9_999, "/k is there twice"),
        (10_000, " has more than 10000 values"),
    ] {
        let members = vec!["\"k\":1"; members].join(",");
        let body = format!("{{{members}}}").into_bytes();
        let answer = shop
            .send(Method::POST, "/api/products", &[JSON], body)
            .await;
        assert!(answer.violations().contains(&violation.to_owned()));
    }
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused_at_the_place() {
    let shop = Shop::open().await;
    let nested = |depth| "{\"title\":".repeat(depth) + "[]" + &"}".repeat(depth);
    for (depth, violation) in [
        (63, "/title must be a string".to_owned()),
        (
            64,
            format!(
                "{} is nested deeper than 64 levels",
                &"/title".repeat(64)[..255]
            ),
        ),
    ] {
        let body = nested(depth).into_bytes();
        let answer = shop
            .send(Method::POST, "/api/products", &[JSON], body)
            .await;
        assert_eq!(answer.violations(), [violation]);
    }
}

#[tokio::test]
async fn types_are_not_converted() {
    let shop = Shop::open().await;
    let typed = json!({"title": 7, "image_url": true, "description": ["x"]});
    assert_eq!(
        shop.post("/api/products", &typed).await.violations(),
        [
            "/description must be a string or null",
            "/image_url must be a string or null",
            "/title must be a string",
        ]
    );
    for (user_id, message) in [
        (json!("1"), "must be a whole number"),
        (json!(1.0), "must be a whole number"),
        (json!(0), "must be at least 1"),
        (json!(2_147_483_648_u32), "must be at most 2147483647"),
        (Value::Null, "must be a whole number"),
    ] {
        let answer = shop
            .post("/api/cart", &json!({"user_id": user_id, "product_id": 1}))
            .await;
        assert_eq!(
            answer.violations(),
            [format!("/user_id {message}")],
            "{user_id}"
        );
    }
    for body in [json!([]), json!("x"), json!(1), Value::Null] {
        assert_eq!(
            shop.post("/api/cart", &body).await.violations(),
            [" must be an object"]
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_parameters_and_body_is_reported_together() {
    let shop = Shop::open().await;
    let put = async |body: &str| {
        let path = "/api/products/0?x=1";
        let answer = shop.send(Method::PUT, path, &[JSON], body.into()).await;
        answer.violations()
    };
    let id = "id must be a whole number from 1 to 2147483647".to_owned();
    let x = "x is not a known query parameter".to_owned();
    assert_eq!(
        put(r#"{"title": 7, "titel": 8}"#).await,
        ["/titel is not a known property", "/title must be a string"]
            .map(str::to_owned)
            .into_iter()
            .chain([id.clone(), x.clone()])
            .collect::<Vec<_>>()
    );
    assert_eq!(put("{}").await, [id.clone(), x.clone()]);
    let not_json = put("{").await;
    assert_eq!(not_json.len(), 3, "{not_json:?}");
}

#[tokio::test]
async fn what_is_not_json_is_a_400() {
    let shop = Shop::open().await;
    for body in [
        &b""[..],
        b"{",
        b"{\"title\": \"x\"}}",
        b"{'title': 'x'}",
        b"\xff\xfe",
        b"{\"title\": \"\xff\"}",
        b"{\"title\":\"\\ud800\"}",
        b"nan",
    ] {
        let answer = shop
            .send(Method::POST, "/api/products", &[JSON], body.to_vec())
            .await;
        assert_eq!(answer.violations().len(), 1, "{body:?}");
    }
    let deep = "[".repeat(200_000);
    shop.send(Method::POST, "/api/products", &[JSON], deep.into())
        .await
        .violations();
    let twice = br#"{"title": "x", "title": "y"}"#.to_vec();
    let answer = shop
        .send(Method::PUT, "/api/products/1", &[JSON], twice)
        .await;
    assert_eq!(answer.violations(), ["/title is there twice"]);
    let more = br#"{"title": "x", "title": "y", "titel": 1}"#.to_vec();
    let answer = shop
        .send(Method::PUT, "/api/products/1", &[JSON], more)
        .await;
    assert_eq!(
        answer.violations(),
        ["/titel is not a known property", "/title is there twice"]
    );
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let shop = Shop::open().await;
    let body = || br#"{"title":"Kettle"}"#.to_vec();
    for good in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
    ] {
        shop.send(
            Method::POST,
            "/api/products",
            &[("content-type", good)],
            body(),
        )
        .await
        .expect(201);
    }
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/jsonx",
        "json",
        "",
    ] {
        let answer = shop
            .send(
                Method::POST,
                "/api/products",
                &[("content-type", bad)],
                body(),
            )
            .await;
        assert_eq!(answer.error(415).0, "UNSUPPORTED_MEDIA_TYPE", "{bad}");
    }
    shop.send(Method::POST, "/api/products", &[], body())
        .await
        .error(415);
    let zipped = [JSON, ("content-encoding", "gzip")];
    shop.send(Method::POST, "/api/products", &zipped, body())
        .await
        .error(415);
}

#[tokio::test]
async fn an_id_that_cannot_exist_is_a_400_and_one_that_could_a_404() {
    let shop = Shop::open().await;
    for id in [
        "0",
        "-1",
        "2147483648",
        "abc",
        "1.0",
        "+1",
        "01",
        "%00",
        "1%20",
        "99999999999999999999",
        "null",
        "%F0%9F%98%80",
    ] {
        let answer = shop.get(&format!("/api/users/{id}")).await;
        assert_eq!(
            answer.violations(),
            ["id must be a whole number from 1 to 2147483647"],
            "{id}"
        );
    }
    for id in ["%", "%f", "%zz", "%ff", "1%"] {
        let answer = shop.get(&format!("/api/users/{id}/cart")).await;
        assert_eq!(
            answer.violations(),
            ["id has a broken percent-encoding"],
            "{id}"
        );
    }
    shop.get("/api/users/2147483647").await.error(404);
    let cleared = shop.delete("/api/cart/user/0").await;
    assert_eq!(
        cleared.violations(),
        ["user_id must be a whole number from 1 to 2147483647"]
    );
}

#[tokio::test]
async fn query_parameters_are_checked_all_at_once() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.get("/api/products?page=0&limit=1001&limt=3&Page=1")
            .await
            .violations(),
        [
            "Page is not a known query parameter",
            "limit must be a whole number from 1 to 1000",
            "limt is not a known query parameter",
            "page must be a whole number from 1 to 2147483647",
        ]
    );
    for query in [
        "page=",
        "page",
        "page=1&page=1",
        "page=2147483648",
        "limit=-1",
        "limit=1e1",
        "page=%31%",
        "%ff=1",
        "=",
        "page=1;limit=2",
    ] {
        shop.get(&format!("/api/users?{query}")).await.violations();
    }
    // As text that needs a page, whatever its encoding.
    for query in [
        "sort=title",
        "sort=%74itle",
        "sort=%2Dtitle",
        "%71=mo",
        "q=%6Do",
    ] {
        let answer = shop.get(&format!("/api/products?{query}")).await;
        let violations = answer.violations();
        assert!(
            violations[0].ends_with(" needs `page` or `limit` beside it"),
            "{query}"
        );
    }
    shop.get("/api/users?").await.expect(200);
    shop.get("/api/users?page=%31").await.expect(200);
    shop.delete("/api/users/1?force=true").await.violations();
}

#[tokio::test]
async fn an_unknown_path_is_a_404_in_the_envelope() {
    let shop = Shop::open().await;
    for path in [
        "/nothing",
        "/api",
        "/api/",
        "/api/user",
        "/api/users/",
        "/api/users/1/",
        "/api/users/1/cart/2",
        "//api/users",
        "/api/docs/nothing",
        "/API/users",
        "/health/x",
        "/api/%zz",
        "/%ff",
    ] {
        assert_eq!(shop.get(path).await.error(404).0, "NOT_FOUND", "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_which_are_right() {
    let shop = Shop::open().await;
    for (method, path, allow) in [
        ("PATCH", "/api/users", "GET, POST, HEAD, OPTIONS"),
        ("POST", "/api/users/1", "GET, PUT, DELETE, HEAD, OPTIONS"),
        ("DELETE", "/api/users/1/cart", "GET, HEAD, OPTIONS"),
        ("GET", "/api/cart/user/1", "DELETE, OPTIONS"),
        ("TRACE", "/api/products", "GET, POST, HEAD, OPTIONS"),
        ("PROPFIND", "/api/products", "GET, POST, HEAD, OPTIONS"),
        ("PUT", "/", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/swagger.json", "GET, HEAD, OPTIONS"),
        ("POST", "/api/docs", "GET, HEAD, OPTIONS"),
    ] {
        let answer = shop
            .send(method.parse().unwrap(), path, &[], Vec::new())
            .await;
        assert_eq!(answer.error(405).0, "METHOD_NOT_ALLOWED", "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn options_is_a_204_for_the_whole_server_and_for_what_there_is() {
    let shop = Shop::open().await;
    for (target, allow) in [
        ("*", None),
        ("/api/users", Some("GET, POST, HEAD, OPTIONS")),
        ("/health", Some("GET, HEAD, OPTIONS")),
    ] {
        let (head, body) = raw(&shop, head(&format!("OPTIONS {target}")) + "\r\n").await;
        assert!(head.starts_with("http/1.1 204"), "{head}");
        let found = head.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(found, allow.map(str::to_lowercase).as_deref(), "{target}");
        assert_eq!(body, "");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    let (get, head) = (
        shop.get("/api/users").await,
        shop.send(Method::HEAD, "/api/users", &[], Vec::new()).await,
    );
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(
        shop.send(Method::HEAD, "/api/users/0", &[], Vec::new())
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_a_413_that_reaches_a_client_still_sending() {
    let shop = Shop::open().await;
    let limit = 1024 * 1024;
    let fits = format!("{{\"title\":\"x\"}}{}", " ".repeat(limit - 13));
    assert_eq!(fits.len(), limit);
    shop.send(Method::POST, "/api/products", &[JSON], fits.into())
        .await
        .expect(201);

    // Declared, and sent to the end before the first look at the answer.
    let length = limit * 3;
    let mut request = head("POST /api/products").into_bytes();
    request.extend(
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n").into_bytes(),
    );
    request.extend(vec![b' '; length]);
    let (answer, body) = raw(&shop, request).await;
    assert!(answer.starts_with("http/1.1 413"), "{answer}");
    assert!(body.contains("PAYLOAD_TOO_LARGE"), "{body}");

    // In chunks, without a declared length.
    let mut request = head("PUT /api/users/1").into_bytes();
    request.extend(b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..40 {
        request.extend(b"10000\r\n");
        request.extend(vec![b' '; 0x10000]);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    assert!(raw(&shop, request).await.0.starts_with("http/1.1 413"));

    // Announced to a server that is asked first: refused before a byte is sent.
    let asks = format!(
        "{}Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
        head("POST /api/users")
    );
    let (answer, _) = raw(&shop, asks).await;
    assert!(answer.starts_with("http/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_nobody_asked_for_is_ignored() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.send(Method::GET, "/api/users", &[JSON], b"{}".to_vec())
        .await
        .expect(200);
    shop.send(Method::DELETE, "/api/users/1", &[], b"garbage".to_vec())
        .await
        .expect(200);
    // Also one that is larger than any body may be, or that never comes.
    let large = vec![b' '; 3 * 1024 * 1024];
    shop.send(Method::GET, "/api/products", &[], large)
        .await
        .expect(200);
    let never = format!("{}Content-Length: 10\r\n\r\n", head("DELETE /api/cart/999"));
    assert!(raw(&shop, never).await.0.starts_with("http/1.1 404"));
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_asking_still_gets_its_answer() {
    let shop = Shop::open().await;
    for path in ["/", "/api/users", "/api/users/1"] {
        let mut stream = TcpStream::connect(&shop.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        check(&Sent::read(request.as_bytes()), &Received::read(&answer));
    }
}

#[tokio::test]
async fn options_tells_the_methods_of_a_path() {
    let shop = Shop::open().await;
    let answer = shop
        .send(Method::OPTIONS, "/api/cart/1", &[], Vec::new())
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("allow"), Some("GET, DELETE, HEAD, OPTIONS"));
    shop.send(Method::OPTIONS, "/nothing", &[], Vec::new())
        .await
        .error(404);
}

#[tokio::test]
async fn only_hosts_of_this_machine_are_answered_on_a_loopback_address() {
    let shop = Shop::open().await;
    for host in [
        "evil.example",
        "evil.example:8088",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.1",
    ] {
        let answer = shop
            .send(Method::GET, "/api/users", &[("host", host)], Vec::new())
            .await;
        assert_eq!(answer.violations().len(), 1, "{host}");
        shop.send(Method::GET, "/api/docs", &[("host", host)], Vec::new())
            .await
            .violations();
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"] {
        shop.send(Method::GET, "/api/users", &[("host", host)], Vec::new())
            .await
            .expect(200);
    }
    assert!(
        raw(&shop, "GET /api/users HTTP/1.0\r\n\r\n")
            .await
            .0
            .contains(" 400 "),
        "no Host at all"
    );
}

#[tokio::test]
async fn a_request_id_is_taken_over_if_it_is_harmless_and_made_up_otherwise() {
    let shop = Shop::open().await;
    let id = |sent: &'static str| {
        let shop = &shop;
        async move {
            let answer = shop
                .send(
                    Method::GET,
                    "/nothing",
                    &[("x-request-id", sent)],
                    Vec::new(),
                )
                .await;
            answer.header("x-request-id").unwrap().to_owned()
        }
    };
    assert_eq!(id("order-7.retry_2").await, "order-7.retry_2");
    for odd in ["", "a b", "a\tb", "<script>", "a;b"] {
        let made_up = id(odd).await;
        assert_eq!(made_up.len(), 32, "{odd}");
    }
    for length in [1, 63, 64, 65, 127, 128] {
        let usable = "x".repeat(length);
        let sent = [("x-request-id", usable.as_str())];
        let answer = shop.send(Method::GET, "/", &sent, Vec::new()).await;
        assert_eq!(answer.header("x-request-id"), Some(&*usable));
    }
    let long = "x".repeat(129);
    let answer = shop
        .send(Method::GET, "/", &[("x-request-id", &long)], Vec::new())
        .await;
    assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
    assert_ne!(id("").await, id("").await);
}

#[tokio::test]
async fn pages_of_other_origins_may_call() {
    let shop = Shop::open().await;
    let origin = ("origin", "https://shop.example");
    let preflight = [
        origin,
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = shop
        .send(Method::OPTIONS, "/api/users/1", &preflight, Vec::new())
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(
        answer
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PUT")
    );
    let may_send = answer.header("access-control-allow-headers").unwrap();
    for name in ["content-type", "if-match", "if-none-match"] {
        assert!(may_send.to_lowercase().contains(name), "{name}: {may_send}");
    }
    for path in ["/api/users", "/api/users/0", "/nothing"] {
        let answer = shop.send(Method::GET, path, &[origin], Vec::new()).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        let may_read = answer.header("access-control-expose-headers").unwrap();
        assert!(may_read.contains("Location") && may_read.contains("ETag"));
    }
}

#[tokio::test]
async fn larger_answers_are_compressed_for_clients_that_take_it() {
    let shop = Shop::open().await;
    for number in 0..40 {
        shop.create_product(&format!("A cup with the number {number}"))
            .await;
    }
    let fetch = |path: &'static str, codings: &'static str| {
        let shop = &shop;
        async move {
            shop.send(
                Method::GET,
                path,
                &[("accept-encoding", codings)],
                Vec::new(),
            )
            .await
        }
    };
    let plain = shop.get("/api/products").await;
    assert!(plain.header("content-encoding").is_none());
    for codings in ["br, gzip", "GZIP", "gzip;x=1;q=0.1"] {
        let zipped = fetch("/api/products", codings).await;
        assert_eq!(zipped.header("content-encoding"), Some("gzip"), "{codings}");
        assert_eq!(zipped.body, plain.body, "unpacked by the harness");
    }
    assert_eq!(
        fetch("/api/docs/swagger-ui.css", "gzip")
            .await
            .header("content-encoding"),
        Some("gzip")
    );
    let gzip = [("accept-encoding", "gzip")];
    let head = shop
        .send(Method::HEAD, "/api/products", &gzip, Vec::new())
        .await;
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    assert_eq!(head.header("content-length"), None);
    for (path, codings) in [
        ("/api/products", "br"),
        ("/api/products", "gzip;q=0"),
        ("/api/products", "gzip;Q=0"),
        ("/api/products", "gzip;x=1;q=0"),
        ("/api/products/1", "gzip"),
        ("/api/docs", "gzip"),
    ] {
        let answer = fetch(path, codings).await;
        assert!(
            answer.header("content-encoding").is_none(),
            "{path} {codings}"
        );
        assert!(answer.header("vary").unwrap().contains("Accept-Encoding"));
    }
}

#[tokio::test]
async fn what_carries_user_data_is_never_stored() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    for path in [
        "/api/users",
        &format!("/api/users/{user}"),
        "/api/cart",
        "/api/users/0",
        "/health",
    ] {
        assert_eq!(
            shop.get(path).await.header("cache-control"),
            Some("no-store"),
            "{path}"
        );
    }
    assert_eq!(
        shop.get("/").await.header("x-content-type-options"),
        Some("nosniff")
    );
}

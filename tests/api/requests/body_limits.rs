//! The limits of request bodies, and of the violations that are reported.

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{JSON, Shop};
use crate::raw::{request_head, send_raw};

#[tokio::test]
async fn at_most_a_hundred_violations_are_reported() {
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
            let response = shop.send(method, path, &[JSON], body).await;
            assert_eq!(response.violations().len(), reported, "{sent}");
            assert_eq!(response.json()["error"]["message"], message, "{sent}");
        }
    }
    let query: Vec<String> = (0..1501).map(|number| format!("x{number}=")).collect();
    let response = shop.get(&format!("/api/users?{}", query.join("&"))).await;
    assert_eq!(response.violations().len(), 100);
    assert_eq!(response.json()["error"]["message"], some);
}

#[tokio::test]
async fn a_rejection_is_short_however_long_the_names_in_the_body_are() {
    let shop = Shop::open().await;
    let key = |number| format!("{}{number}", "\u{1f600}".repeat(60));
    let members = (0..9_000).map(|_| "\"k\":1").collect::<Vec<_>>().join(",");
    let mut body = format!("{{{members}}}");
    for number in 0..63 {
        body = format!("{{\"{}\":{body}}}", key(number));
    }
    let response = shop
        .send(Method::POST, "/api/users", &[JSON], body.into())
        .await;
    assert!(
        response.body.len() < 66_000,
        "{} bytes",
        response.body.len()
    );
    assert!(response.violations().len() > 40);
    let message = response.json()["error"]["message"].to_string();
    assert!(message.contains("more places"), "{message}");
}

#[tokio::test]
async fn a_body_of_more_than_ten_thousand_values_is_rejected() {
    let shop = Shop::open().await;
    for (members, violation) in [
        (9_999, "/k is there twice"),
        (10_000, " has more than 10000 values"),
    ] {
        let members = vec!["\"k\":1"; members].join(",");
        let body = format!("{{{members}}}").into_bytes();
        let response = shop
            .send(Method::POST, "/api/products", &[JSON], body)
            .await;
        assert!(response.violations().contains(&violation.to_owned()));
    }
}

#[tokio::test]
async fn a_body_that_is_nested_too_deeply_is_rejected_at_the_place() {
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
        let response = shop
            .send(Method::POST, "/api/products", &[JSON], body)
            .await;
        assert_eq!(response.violations(), [violation]);
    }
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_a_413_even_while_the_client_is_still_sending() {
    let shop = Shop::open().await;
    let limit = 1024 * 1024;
    let fits = format!("{{\"title\":\"x\"}}{}", " ".repeat(limit - 13));
    assert_eq!(fits.len(), limit);
    shop.send(Method::POST, "/api/products", &[JSON], fits.into())
        .await
        .expect(201);

    // With a declared length, and sent completely before the client reads.
    let length = limit * 3;
    let mut request = request_head("POST /api/products").into_bytes();
    request.extend(
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n").into_bytes(),
    );
    request.extend(vec![b' '; length]);
    let (response, body) = send_raw(&shop, request).await;
    assert!(response.starts_with("http/1.1 413"), "{response}");
    assert!(body.contains("PAYLOAD_TOO_LARGE"), "{body}");

    // In chunks, without a declared length.
    let mut request = request_head("PUT /api/users/1").into_bytes();
    request.extend(b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..40 {
        request.extend(b"10000\r\n");
        request.extend(vec![b' '; 0x10000]);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    assert!(send_raw(&shop, request).await.0.starts_with("http/1.1 413"));

    // With `Expect: 100-continue`: rejected before the client sends the body.
    let announced = format!(
        "{}Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
        request_head("POST /api/users")
    );
    let (response, _) = send_raw(&shop, announced).await;
    assert!(response.starts_with("http/1.1 413"), "{response}");
}

#[tokio::test]
async fn a_client_that_holds_its_body_back_is_not_asked_for_it_when_a_parameter_is_invalid() {
    let shop = Shop::open().await;
    let request = format!(
        "{}Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        request_head("PUT /api/products/0")
    );
    let (head, body) = send_raw(&shop, request).await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert!(body.contains(r#""field":"id""#), "{body}");
}

/// A connection on which the client has sent the head of a `POST /api/products` with this header, which
/// says how long its body is.
async fn begin_post(shop: &Shop, length: &str) -> TcpStream {
    let head = format!(
        "POST /api/products HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(&shop.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Reads until the end of what is expected next on the connection.
async fn expect(stream: &mut TcpStream, expected: &str) {
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&received), expected);
}

#[tokio::test]
async fn a_client_that_holds_back_a_body_of_the_largest_size_is_asked_for_it() {
    let shop = Shop::open().await;
    let mut body = r#"{"title":"Kettle"}"#.to_owned();
    body.push_str(&" ".repeat(1024 * 1024 - body.len()));
    let length = format!("Expect: 100-continue\r\nContent-Length: {}", body.len());
    let mut stream = begin_post(&shop, &length).await;
    expect(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(body.as_bytes()).await.unwrap();
    expect(&mut stream, "HTTP/1.1 201 ").await;
}

#[tokio::test]
async fn a_connection_remains_usable_after_a_body_of_three_mebibytes() {
    let shop = Shop::open().await;
    let body = vec![b' '; 3 * 1024 * 1024];
    let mut stream = begin_post(&shop, &format!("Content-Length: {}", body.len())).await;
    stream.write_all(&body).await.unwrap();
    let next = request_head("GET /api/products") + "\r\n";
    stream.write_all(next.as_bytes()).await.unwrap();
    let mut responses = String::new();
    stream.read_to_string(&mut responses).await.unwrap();
    assert!(responses.starts_with("HTTP/1.1 413 "), "{responses}");
    assert!(responses.contains("HTTP/1.1 200 "), "{responses}");
}

#[tokio::test]
async fn an_endless_body_is_rejected_while_it_arrives() {
    let shop = Shop::open().await;
    let stream = begin_post(&shop, "Transfer-Encoding: chunked").await;
    let (mut reader, mut writer) = stream.into_split();
    let sending = tokio::spawn(async move {
        // No number of these chunks makes a power of two.
        let chunk = format!("ffff\r\n{}\r\n", " ".repeat(0xffff));
        let chunk = chunk.as_bytes();
        while writer.write_all(chunk).await.is_ok() {}
    });
    let mut status = [0; "HTTP/1.1 413 ".len()];
    reader.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413 ");
    sending.abort();
}

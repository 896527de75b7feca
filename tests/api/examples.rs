//! The examples of the contracts are correct: each request that consists of examples is sent to a new
//! sample shop, and the response has to equal its example.
//!
//! The mapping from examples to requests:
//! - A response example named `all` belongs to the request with its required parameters only. Any other
//!   example, also one without a name, belongs to the request with all of its parameters.
//! - The request's body is the body example of the same name, or the only one.
//! - An error example belongs to a recorded request in a shop with a recorded fault (see `errors`).
//!
//! Exceptions for headers:
//! - `ETag` is compared only by its form, as in the harness.
//! - `X-Request-Id` is compared only where the request sends one.
//! - The examples of `Link` and `X-Total-Count` belong to the request in [`PAGE`]. In other responses the
//!   harness checks that they match the request and the body.
//! - `Idempotent-Replayed` is only in the response to a repeated request.
//! - `WWW-Authenticate` has another value where no token was sent.
//!
//! Tokens in responses are random. The sample shop has the session of the requests with tokens, and the
//! password with which the example of a login succeeds.

mod contract;
mod errors;

use std::collections::BTreeSet;

use ecommerce_api::api::contracts::contracts;
use hyper::Method;
use serde_json::Value;

use crate::common::headers::resolve;
use crate::harness::{ClientResponse, Shop};
use contract::{Request, examples, members, open_sample, operations, text};

/// The request to which the examples of `Link` and `X-Total-Count` belong.
const PAGE: &str = "/api/users/2/cart?page=1&limit=10";

/// Sends a request. For a GET, also sends a HEAD, whose response the harness compares.
async fn send(shop: &Shop, request: &Request) -> ClientResponse {
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let target = request.target();
    let send = |method: Method| shop.send(method, &target, &headers, request.body.clone());
    if request.method == "GET" {
        send(Method::HEAD).await;
    }
    send(request.method.parse().unwrap()).await
}

/// Compares a response and its headers with their examples.
fn compare(
    of: &str,
    response: &ClientResponse,
    request: &Request,
    (document, documented): (&'static Value, &'static Value),
    body: &Value,
) {
    let mut received = response.json();
    for token in ["access_token", "refresh_token"] {
        let Some(received) = received.pointer_mut(&format!("/data/{token}")) else {
            continue;
        };
        assert!(received.is_string(), "{of}: {token}");
        *received = body["data"][token].clone();
    }
    assert_eq!(received, *body, "{of}: the body is not the example");
    let id = request
        .headers
        .iter()
        .find(|(name, _)| name == "X-Request-Id");
    let has_token = request
        .headers
        .iter()
        .any(|(name, _)| name == "Authorization");
    for (name, header) in members(&documented["headers"]) {
        let expected = match name {
            "ETag" | "Link" | "X-Total-Count" | "Idempotent-Replayed" => continue,
            "WWW-Authenticate" if !has_token => Some("Bearer".to_owned()),
            "X-Request-Id" => id.map(|(_, id)| id.clone()),
            _ => Some(text(&resolve(document, header)["example"])),
        };
        if let Some(expected) = expected {
            assert_eq!(response.header(name), Some(&*expected), "{of}: {name}");
        }
    }
}

#[tokio::test]
async fn every_example_of_a_success_is_the_response_to_its_request() {
    let mut shop = open_sample().await;
    let mut count = 0;
    for operation in operations() {
        for (status, documented) in &operation.responses {
            for (name, body) in examples(operation.document, &documented["content"]) {
                if *status >= 300 {
                    continue;
                }
                let of = format!("{} {status} {name}", operation.id);
                let request = operation.request(name != "all", name);
                let response = send(&shop, &request).await;
                assert_eq!(response.status.as_u16(), *status, "{of}: {response:?}");
                compare(
                    &of,
                    &response,
                    &request,
                    (operation.document, documented),
                    body,
                );
                if operation.method != "GET" {
                    shop = open_sample().await;
                }
                count += 1;
            }
        }
    }
    assert!(count >= 17, "only {count} examples");
}

#[tokio::test]
async fn a_header_that_an_operation_does_not_name_is_ignored() {
    let mut shop = open_sample().await;
    for operation in operations() {
        for (name, value) in [
            ("Idempotency-Key", "no key"),
            ("If-Match", "\"0\""),
            ("If-None-Match", "*"),
        ] {
            if operation.has_parameter(name) {
                continue;
            }
            let mut request = operation.request(false, "");
            request.headers.push((name.to_owned(), value.to_owned()));
            let response = send(&shop, &request).await;
            assert!(
                response.status.is_success(),
                "{}: {response:?}",
                operation.id
            );
            if operation.method != "GET" {
                shop = open_sample().await;
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_example_is_replayed() {
    let shop = open_sample().await;
    let mut count = 0;
    for operation in operations() {
        if !operation.has_parameter("Idempotency-Key") {
            continue;
        }
        let request = operation.request(true, "");
        let first = send(&shop, &request).await;
        let again = send(&shop, &request).await;
        assert_eq!(again.body, first.body, "{}", operation.id);
        let document = contracts()[0].contract.document();
        let example = text(&document["components"]["headers"]["IdempotentReplayed"]["example"]);
        assert_eq!(again.header("idempotent-replayed"), Some(&*example));
        count += 1;
    }
    assert_eq!(count, 3);
}

/// A request example without a response would never be sent.
#[test]
fn every_example_of_a_request_has_a_response() {
    for operation in operations() {
        let names = |examples: Vec<(&'static str, _)>| -> BTreeSet<&str> {
            examples.into_iter().map(|(name, _)| name).collect()
        };
        let mut responses = operation.responses.iter();
        let (_, success) = responses.find(|(status, _)| *status < 300).unwrap();
        let of_responses = names(examples(operation.document, &success["content"]));
        assert!(!of_responses.is_empty(), "{} has no example", operation.id);
        if !operation.bodies.is_empty() {
            assert_eq!(names(operation.bodies), of_responses, "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn the_examples_of_a_page_s_headers_are_those_of_a_request() {
    let shop = open_sample().await;
    let page = shop.get(PAGE).await;
    let document = contracts()[0].contract.document();
    let headers = &document["components"]["headers"];
    for (component, name) in [("Link", "link"), ("TotalCount", "x-total-count")] {
        let example = text(&headers[component]["example"]);
        assert_eq!(page.header(name), Some(&*example), "{component}");
    }
}

//! The contract's examples are true: each request that they make up is sent as it stands to a fresh
//! sample shop, and each response is what the service sends.
//!
//! The mapping from examples to requests:
//! - A response example named `all` is that of the request with its required parameters only; any
//!   other, also one without a name, is that of the request with all of its parameters.
//! - The request's body is the body example of the same name, or the only one.
//! - An error example is that of a recorded request, in a shop with a recorded fault (see `errors`).
//!
//! The response has to equal its example, and its headers theirs, except:
//! - `ETag` is compared by its form, as the harness does;
//! - `X-Request-Id` is compared where the request sends one;
//! - `Link` and `X-Total-Count` follow from the request and the body, as the harness checks; their
//!   examples are those of the request in [`PAGE`].

mod contract;
mod errors;

use std::collections::BTreeSet;

use ecommerce_api::api::contracts::contracts;
use hyper::Method;
use serde_json::Value;

use crate::common::headers::resolve;
use crate::harness::{Answer, Shop};
use contract::{Request, examples, members, operations, text};

/// What the examples of `Link` and `X-Total-Count` are of.
const PAGE: &str = "/api/users/2/cart?page=1&limit=10";

/// Sends a request; one with GET also as a HEAD, whose answer the harness compares.
async fn send(shop: &Shop, request: &Request) -> Answer {
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

/// Compares an answer with its example, and its headers with theirs.
fn compare(
    of: &str,
    answer: &Answer,
    request: &Request,
    (document, response): (&'static Value, &'static Value),
    body: &Value,
) {
    assert_eq!(answer.json(), *body, "{of}: the body is not the example");
    let id = request
        .headers
        .iter()
        .find(|(name, _)| name == "X-Request-Id");
    for (name, header) in members(&response["headers"]) {
        let expected = match name {
            "ETag" | "Link" | "X-Total-Count" => continue,
            "X-Request-Id" => id.map(|(_, id)| id.clone()),
            _ => Some(text(&resolve(document, header)["example"])),
        };
        if let Some(expected) = expected {
            assert_eq!(answer.header(name), Some(&*expected), "{of}: {name}");
        }
    }
}

#[tokio::test]
async fn every_example_of_a_success_is_the_response_to_its_request() {
    let mut shop = Shop::open_sample().await;
    let mut count = 0;
    for operation in operations() {
        for (status, response) in &operation.responses {
            for (name, body) in examples(operation.document, &response["content"]) {
                if *status >= 300 {
                    continue;
                }
                let of = format!("{} {status} {name}", operation.id);
                let request = operation.request(name != "all", name);
                let answer = send(&shop, &request).await;
                assert_eq!(answer.status.as_u16(), *status, "{of}: {answer:?}");
                compare(&of, &answer, &request, (operation.document, response), body);
                if operation.method != "GET" {
                    shop = Shop::open_sample().await;
                }
                count += 1;
            }
        }
    }
    assert!(count >= 17, "only {count} examples");
}

/// An operation that does not name a header of conditions ignores it.
#[tokio::test]
async fn a_header_that_an_operation_does_not_name_is_ignored() {
    let mut shop = Shop::open_sample().await;
    for operation in operations() {
        for (name, value) in [("If-Match", "\"0\""), ("If-None-Match", "*")] {
            if operation.has_parameter(name) {
                continue;
            }
            let mut request = operation.request(false, "");
            request.headers.push((name.to_owned(), value.to_owned()));
            let answer = send(&shop, &request).await;
            assert!(answer.status.is_success(), "{}: {answer:?}", operation.id);
            if operation.method != "GET" {
                shop = Shop::open_sample().await;
            }
        }
    }
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
    let shop = Shop::open_sample().await;
    let page = shop.get(PAGE).await;
    let document = contracts()[0].contract.document();
    let headers = &document["components"]["headers"];
    for (component, name) in [("Link", "link"), ("TotalCount", "x-total-count")] {
        let example = text(&headers[component]["example"]);
        assert_eq!(page.header(name), Some(&*example), "{component}");
    }
}

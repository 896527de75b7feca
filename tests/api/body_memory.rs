//! Bodies that clients leave unfinished, until there is no memory for more.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::api::{Pipeline, Settings, service};
use ecommerce_api::clients::{self, Connection};
use ecommerce_api::db::Database;
use futures_util::{StreamExt, stream};
use poem::http::Method;
use poem::{Body, Endpoint, Request};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::harness::settings;

/// The size of the largest body.
const MAX_BODY: usize = 1024 * 1024;

/// A service without a database, with memory for four bodies, in which no client is exempt from limits.
fn service_for_four_bodies() -> Arc<Pipeline> {
    let settings = Settings {
        clients: clients::Rules::parse("none", "none").unwrap(),
        body_memory: 4 * MAX_BODY,
        ..settings(Validation::Off)
    };
    Arc::new(service(&Database::nowhere(), settings))
}

/// A request to create a product, from the address 192.0.2.`client`.
fn request(client: u8, body: Body) -> Request {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri_str("/api/products")
        .header("Host", "localhost")
        .content_type("application/json")
        .body(body);
    let address = IpAddr::from([192, 0, 2, client]);
    request.extensions_mut().insert(Connection::new(address));
    request
}

/// Sends `length` bytes of a body without its end. Returns when they have been read.
async fn leave_unfinished(service: &Arc<Pipeline>, client: u8, length: usize) -> JoinHandle<()> {
    let (read, mut is_read) = mpsc::channel(1);
    let part = stream::iter([Ok::<_, io::Error>(Bytes::from(vec![b' '; length]))]);
    let end = stream::once(async move {
        read.send(()).await.unwrap();
        std::future::pending().await
    });
    let request = request(client, Body::from_bytes_stream(part.chain(end)));
    let service = Arc::clone(service);
    let sending = tokio::spawn(async move {
        service.call(request).await.unwrap();
    });
    is_read.recv().await.unwrap();
    sending
}

/// Whether the service reads a body of this client, which does not conform to the contract. Otherwise it
/// says that it is overloaded.
async fn is_read(service: &Pipeline, client: u8) -> bool {
    let response = service.call(request(client, "{}".into())).await.unwrap();
    match response.status().as_u16() {
        400 => true,
        503 => {
            assert_eq!(response.headers()["retry-after"], "1");
            false
        }
        status => panic!("{status}"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_client_uses_a_quarter_of_the_memory_for_bodies_and_no_more() {
    let service = service_for_four_bodies();
    let unfinished = leave_unfinished(&service, 1, MAX_BODY).await;
    assert!(!is_read(&service, 1).await);
    assert!(is_read(&service, 2).await);
    unfinished.abort();
    unfinished.await.unwrap_err();
    assert!(is_read(&service, 1).await);
}

#[tokio::test(start_paused = true)]
async fn without_memory_for_bodies_requests_with_a_body_are_503() {
    let service = service_for_four_bodies();
    let mut unfinished = Vec::new();
    for client in 1..5 {
        unfinished.push(leave_unfinished(&service, client, MAX_BODY).await);
    }
    assert!(!is_read(&service, 5).await);
    unfinished[0].abort();
    unfinished.remove(0).await.unwrap_err();
    assert!(is_read(&service, 5).await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_holds_no_memory_while_the_rest_of_it_is_read() {
    let service = service_for_four_bodies();
    let _unfinished = leave_unfinished(&service, 1, MAX_BODY + 1).await;
    assert!(is_read(&service, 1).await);
}

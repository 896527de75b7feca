//! Bodies that arrive slowly. The time of these tests is simulated.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use ecommerce_api::api::service;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::db::Database;
use ecommerce_api::deadlines;
use futures_util::{Stream, StreamExt, stream};
use poem::{Body, Endpoint, Request};
use tokio::time::Instant;

use crate::harness::settings;

const MAX_BODY: usize = 1024 * 1024;

/// `length` bytes of white space, `rate` of them each second.
fn spaces(length: usize, rate: usize) -> impl Stream<Item = Bytes> {
    stream::iter(vec![b' '; length])
        .chunks(rate)
        .then(|chunk| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Bytes::from(chunk)
        })
}

/// Sends a body to create a product. Returns the status and the body of the response, and how long it took.
async fn send(body: impl Stream<Item = Bytes> + Send + 'static) -> (u16, String, Duration) {
    let service = service(&Database::nowhere(), settings(Validation::Off));
    let start = Instant::now();
    let request = Request::builder()
        .method(poem::http::Method::POST)
        .uri_str("/api/products")
        .header("Host", "localhost")
        .content_type("application/json")
        .body(Body::from_bytes_stream(body.map(Ok::<_, io::Error>)));
    let response = service.call(request).await.unwrap();
    let elapsed = start.elapsed();
    let status = response.status().as_u16();
    let body = response.into_body().into_string().await.unwrap();
    (status, body, elapsed)
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_a_few_bytes_before_its_end_is_a_400_after_one_part() {
    let almost = stream::iter([Bytes::from(vec![b' '; MAX_BODY - 6])]);
    let (status, body, elapsed) = send(almost.chain(stream::pending())).await;
    assert_eq!(status, 400);
    assert!(body.contains("arrived too slowly"), "{body}");
    assert!(elapsed < deadlines::BODY_PART + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_arrives_slowly_but_steadily_is_read_to_its_end() {
    let end = stream::iter([Bytes::from("{}")]);
    let (status, body, elapsed) = send(spaces(60 * 2048, 2048).chain(end)).await;
    assert_eq!(status, 400);
    assert!(body.contains("title"), "{body}");
    assert!(elapsed >= Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_arrives_at_less_than_the_rate_is_a_400() {
    let (status, body, elapsed) = send(spaces(60 * 512, 512)).await;
    assert_eq!(status, 400);
    assert!(body.contains("arrived too slowly"), "{body}");
    assert!(elapsed < 2 * deadlines::BODY_PART);
}

#[tokio::test(start_paused = true)]
async fn a_body_at_any_rate_has_a_limit_in_all() {
    let (status, body, elapsed) = send(spaces(MAX_BODY, 1200)).await;
    assert_eq!(status, 400);
    assert!(body.contains("did not arrive within 120 seconds"), "{body}");
    assert!(elapsed < deadlines::BODY + Duration::from_secs(1));
}

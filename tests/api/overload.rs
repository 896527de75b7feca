//! More requests than the service can handle.

use ecommerce_api::api::authentication::Mode;
use ecommerce_api::api::cors::Cors;
use ecommerce_api::api::hosts::Hosts;
use ecommerce_api::api::rates::Quotas;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::api::{Settings, service};
use ecommerce_api::clients;
use ecommerce_api::db::Database;
use ecommerce_api::deadlines;
use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Shop, connections, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_capacity_operations_are_503_and_the_rest_of_the_site_responds() {
    let shop = Shop::open_with_capacity(2).await;
    shop.create_user("ada@example.com").await;
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let lock = shop.sql(move |session| {
        session
            .batch_execute("BEGIN; UPDATE users SET role = 'USER' WHERE id = 1")
            .unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        session.batch_execute("ROLLBACK").unwrap();
    });
    let change = json!({"role": "ADMIN"});
    let accepted = async {
        is_locked.await.unwrap();
        let (one, other) = tokio::join!(
            shop.put("/api/users/1", &change),
            shop.put("/api/users/1", &change)
        );
        [one, other]
    };
    let beyond = async {
        eventually("two updates wait for the lock", async || {
            let waiting = shop.sql(|session| connections(session, "info LIKE 'UPDATE%users%'"));
            waiting.await.len() == 2
        })
        .await;
        for path in ["/api/users/1", "/api/products", "/api/cart"] {
            let response = shop.get(path).await;
            assert_eq!(response.status, 503, "{path}");
            assert_eq!(response.header("retry-after"), Some("1"));
        }
        let user = json!({"email": "eve@example.com", "password": "secret", "role": "USER"});
        assert_eq!(shop.post("/api/users", &user).await.status, 503);
        for path in [
            "/",
            "/health",
            "/health/ready",
            "/health/live",
            "/api/docs",
            "/api/openapi.yaml",
        ] {
            assert_eq!(shop.get(path).await.status, 200, "{path}");
        }
        release.send(()).unwrap();
    };
    let ((), accepted, ()) = tokio::join!(lock, accepted, beyond);
    for response in accepted {
        response.expect(200);
    }
    shop.get("/api/users/1").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_network_has_a_quarter_of_the_operations_and_others_go_on() {
    let shop = Shop::open_behind_proxy_with_capacity(8).await;
    shop.create_user("ada@example.com").await;
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let lock = shop.sql(move |session| {
        session
            .batch_execute("BEGIN; UPDATE users SET role = 'USER' WHERE id = 1")
            .unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        session.batch_execute("ROLLBACK").unwrap();
    });
    let send_from = async |client, method, path, body: &str| {
        let headers = [
            ("X-Forwarded-For", client),
            ("Content-Type", "application/json"),
        ];
        shop.send(method, path, &headers, body.into()).await
    };
    let (one, other) = ("192.0.2.1", "192.0.2.2");
    let change = async || send_from(one, Method::PUT, "/api/users/1", r#"{"role":"ADMIN"}"#).await;
    let accepted = async {
        is_locked.await.unwrap();
        tokio::join!(change(), change())
    };
    let beyond = async {
        eventually("two updates wait for the lock", async || {
            let waiting = shop.sql(|session| connections(session, "info LIKE 'UPDATE%users%'"));
            waiting.await.len() == 2
        })
        .await;
        let product = r#"{"title":"Teapot"}"#;
        for (client, read, created) in [(one, 503, 503), (other, 200, 201)] {
            let response = send_from(client, Method::GET, "/api/products", "").await;
            assert_eq!(response.status, read, "{client}");
            let response = send_from(client, Method::POST, "/api/products", product).await;
            assert_eq!(response.status, created, "{client}");
        }
        release.send(()).unwrap();
    };
    let ((), accepted, ()) = tokio::join!(lock, accepted, beyond);
    accepted.0.expect(200);
    accepted.1.expect(200);
    assert_eq!(change().await.status, 200, "its share is free again");
}

#[tokio::test]
async fn a_client_that_sends_its_body_slowly_takes_no_capacity() {
    let shop = Shop::open_with_capacity(1).await;
    let body = json!({"title": "Teapot"}).to_string();
    let head = "POST /api/products HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    let head = format!(
        "{head}\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut slow = TcpStream::connect(&shop.address).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut interim = [0; 25];
    slow.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, expected, "the body is being read");

    shop.get("/api/products").await.expect(200);
    slow.write_all(body.as_bytes()).await.unwrap();
    let mut response = String::new();
    slow.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
}

#[tokio::test(start_paused = true)]
async fn rejections_are_paced() {
    let settings = Settings {
        authentication: crate::harness::authentication(Mode::Off),
        clients: clients::Rules::default(),
        cors: Cors::Any,
        hosts: Hosts::Any,
        validation: Validation::Off,
        max_operations: 0,
        quotas: Quotas::OFF,
        body_memory: 0,
        hsts: None,
    };
    let pipeline = service(&Database::nowhere(), settings);
    let start = tokio::time::Instant::now();
    let request = Request::builder().uri_str("/api/users/1").finish();
    let response = pipeline.call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(start.elapsed() >= deadlines::REJECTION);
}

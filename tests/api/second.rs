//! A second contract and its service in the same pipeline as the shop's.
#![expect(
    clippy::unused_async,
    reason = "poem-openapi requires handlers to be `async`"
)]

use std::sync::LazyLock;
use std::time::Duration;

use ecommerce_api::api::authentication::Mode;
use ecommerce_api::api::cors::Cors;
use ecommerce_api::api::hosts::Hosts;
use ecommerce_api::api::json::{JsonBody, OptionalJsonBody};
use ecommerce_api::api::rates::Quotas;
use ecommerce_api::api::validation::Validation;
use ecommerce_api::api::{Pipeline, Service, Settings, contracts};
use ecommerce_api::clients;
use ecommerce_api::contract::Contract;
use ecommerce_api::db::Database;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Route};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, OpenApiService};
use serde_json::{Value, json};

static NOTES: LazyLock<Contract> = LazyLock::new(|| {
    Contract::parse("notes", include_str!("second/notes.yaml")).unwrap_or_else(|it| panic!("{it}"))
});

#[derive(Object)]
struct Note {
    text: String,
}

struct Notes;

#[OpenApi]
impl Notes {
    #[oai(path = "/notes", method = "post")]
    async fn add(
        &self,
        notebook: Query<String>,
        #[oai(name = "X-Author")] author: Header<String>,
        body: JsonBody<Note>,
    ) -> Json<Value> {
        let _ = (notebook, author);
        Json(json!({ "length": body.0.text.len() }))
    }

    #[oai(path = "/notes", method = "put")]
    async fn replace(&self, body: OptionalJsonBody<Note>) -> Json<Value> {
        let text = body.0.map(|note| note.text);
        Json(json!({ "length": text.map_or(0, |text| text.len()) }))
    }

    #[oai(path = "/notes/:id", method = "get")]
    async fn get(&self, id: Path<String>) -> Json<Value> {
        match id.0.as_str() {
            "unknown" => Json(json!({ "name": "not what the contract says" })),
            _ => Json(json!({ "id": id.0 })),
        }
    }
}

fn settings() -> Settings {
    Settings {
        authentication: crate::harness::authentication(Mode::Off),
        clients: clients::Rules::default(),
        cors: Cors::Any,
        hosts: Hosts::Any,
        validation: Validation::Enforce,
        max_operations: 16,
        quotas: Quotas::OFF,
        body_memory: 1024 * 1024,
        hsts: None,
    }
}

/// The shop, whose database is unavailable, and the notes.
fn pipeline() -> Pipeline {
    let settings = settings();
    let shop = contracts::contracts().iter();
    let mut services: Vec<Service> = shop
        .map(|published| published.service(&Database::nowhere(), &settings))
        .collect();
    let notes = OpenApiService::new(Notes, "notes", "1.0.0").into_endpoint();
    services.push(Service {
        contract: &NOTES,
        handlers: notes.map_to_response().boxed(),
    });
    Pipeline::new(services, Route::new(), settings)
}

async fn send(method: Method, target: &str, author: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = Request::builder()
        .method(method)
        .uri(target.parse().unwrap())
        .content_type("application/json");
    if let Some(author) = author {
        request = request.header("X-Author", author);
    }
    let response = pipeline()
        .call(request.body(body.to_owned()))
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().into_vec().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn details(body: &Value) -> Vec<String> {
    let details = body["error"]["details"].as_array().unwrap().iter();
    let details = details.map(|it| {
        let [place, field, message] =
            ["in", "field", "message"].map(|name| it[name].as_str().unwrap().to_owned());
        format!("{place} {field} {message}")
    });
    details.collect()
}

#[tokio::test]
async fn operations_of_both_contracts_are_served() {
    let (status, body) = send(
        Method::POST,
        "/notes?notebook=a",
        Some("me"),
        r#"{"text":"abc"}"#,
    )
    .await;
    assert_eq!((status, body), (200, json!({ "length": 3 })));
    let (status, body) = send(Method::GET, "/notes/a+b%20c", None, "").await;
    assert_eq!((status, body), (200, json!({ "id": "a+b c" })));
    let (status, _) = send(Method::GET, "/api/users/1", None, "").await;
    assert_eq!(status, 503, "the shop has no database here");
    let (status, _) = send(Method::GET, "/api/users/0", None, "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn escapes_of_characters_that_need_none_are_as_good_as_the_characters() {
    let (status, body) = send(Method::GET, "/%6eotes/%61%2f?", None, "").await;
    assert_eq!((status, body), (200, json!({ "id": "a/" })));
    let (status, _) = send(Method::GET, "/api/%75sers/0?page=%31", None, "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_body_that_is_not_required_may_be_absent_but_not_wrong() {
    let request = Request::builder()
        .method(Method::PUT)
        .uri("/notes".parse().unwrap());
    let response = pipeline().call(request.finish()).await.unwrap();
    assert_eq!(response.status(), 200);
    for (body, status, length) in [
        ("", 200, json!(0)),
        (r#"{"text":"abc"}"#, 200, json!(3)),
        (r#"{"text":1}"#, 400, Value::Null),
        ("{", 400, Value::Null),
    ] {
        let (received, response) = send(Method::PUT, "/notes", None, body).await;
        assert_eq!((received, &response["length"]), (status, &length), "{body}");
    }
}

#[tokio::test]
async fn everything_that_is_missing_or_wrong_is_named_in_one_response() {
    let (status, body) = send(Method::POST, "/notes", None, r#"{"texts":1}"#).await;
    assert_eq!(status, 400);
    let mut details = details(&body);
    details.sort();
    assert_eq!(
        details,
        [
            "body /text is required",
            "body /texts is not a known property",
            "header X-Author is required",
            "query notebook is required",
        ]
    );
    let (status, _) = send(Method::POST, "/notes?notebook=", Some("me"), "{").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_response_is_checked_against_the_contract_of_its_operation() {
    let (status, body) = send(Method::GET, "/notes/unknown", None, "").await;
    assert_eq!(status, 500);
    assert_eq!(body["error"]["code"], "INTERNAL_ERROR");
}

#[tokio::test]
async fn methods_are_those_of_the_contract_that_has_the_path() {
    for (method, target, status) in [
        (Method::DELETE, "/notes", 405),
        (Method::OPTIONS, "/notes", 204),
        (Method::DELETE, "/notes/1", 405),
        (Method::GET, "/notes/1/2", 404),
    ] {
        let (received, _) = send(method.clone(), target, None, "").await;
        assert_eq!(received, status, "{method} {target}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_longer_than_the_limit_is_a_503() {
    let never = poem::endpoint::make(|_| std::future::pending::<poem::Response>());
    let pipeline = Pipeline::new(Vec::new(), Route::new().at("/slow", never), settings());
    let pipeline = pipeline.with_time_limit(Duration::from_mins(1));
    let start = tokio::time::Instant::now();
    let request = Request::builder().uri("/slow".parse().unwrap()).finish();
    let response = pipeline.call(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(start.elapsed().as_secs(), 60);
}

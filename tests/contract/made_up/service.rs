//! A service for the made-up contract, with poem-openapi. Generic code in front of the handlers checks
//! requests against the contract.

#![expect(
    clippy::unused_async,
    reason = "poem-openapi wants handlers to be `async`"
)]

use std::sync::{Arc, LazyLock};

use ecommerce_api::contract::{Contract, json};
use poem::http::{Method, StatusCode};
use poem::listener::TcpAcceptor;
use poem::{Endpoint, IntoEndpoint, Request, Response, Server};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, OpenApiService};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    Contract::parse("things", include_str!("things.yaml")).unwrap_or_else(|it| panic!("{it}"))
});

#[derive(Enum, Clone, Copy)]
#[oai(rename_all = "lowercase")]
enum Kind {
    Round,
    Square,
}

#[derive(Object)]
struct Thing {
    id: i32,
    kind: Kind,
    #[oai(skip_serializing_if_is_none)]
    weight: Option<f64>,
}

#[derive(Object)]
struct Page {
    items: Vec<Thing>,
    size: i32,
}

#[derive(Object)]
struct ErrorResponse {
    problems: Vec<String>,
}

#[derive(ApiResponse)]
enum Listed {
    /// A page of things
    #[oai(status = 200)]
    Page(Json<Page>, #[oai(header = "X-Count")] i64),
    /// The request is wrong
    #[oai(status_range = "4XX")]
    #[expect(dead_code, reason = "the check of the contract answers it")]
    Wrong(StatusCode, Json<ErrorResponse>),
}

#[derive(ApiResponse)]
enum Mine {
    /// The things of the caller
    #[oai(status = 200)]
    Things(Json<Vec<Thing>>),
    /// Anything else
    #[expect(dead_code, reason = "the check of the contract answers it")]
    Other(StatusCode, Json<ErrorResponse>),
}

#[derive(ApiResponse)]
enum Got {
    /// The thing
    #[oai(status = 200)]
    Thing(Json<Thing>),
    /// There is no such thing
    #[oai(status = 404)]
    Missing,
    /// The request is wrong
    #[oai(status_range = "4XX")]
    Wrong(StatusCode, Json<ErrorResponse>),
}

#[derive(ApiResponse)]
enum Labelled {
    /// The label is set
    #[oai(status = 204)]
    Set(#[oai(header = "X-Label")] String),
    /// Anything else
    #[expect(dead_code, reason = "the check of the contract answers it")]
    Other(StatusCode, Json<ErrorResponse>),
}

struct Things;

#[OpenApi]
impl Things {
    /// List things
    #[oai(path = "/things", method = "get", operation_id = "listThings")]
    async fn list(
        &self,
        kind: Query<Kind>,
        #[oai(
            default = "default_size",
            validator(minimum(value = "1"), maximum(value = "50"))
        )]
        size: Query<i32>,
        #[oai(validator(minimum(value = "0", exclusive)))] above: Query<Option<f64>>,
        whole: Query<Option<bool>>,
        #[oai(
            name = "X-Tenant",
            validator(min_length = 1, max_length = 8, pattern = "^[a-z]+$")
        )]
        tenant: Header<String>,
    ) -> Listed {
        let _ = (whole, tenant);
        let things = (1..=size.0).map(|id| thing(id, kind.0, above.0));
        let items: Vec<_> = things.collect();
        let count = 1_000_000;
        Listed::Page(
            Json(Page {
                items,
                size: size.0,
            }),
            count,
        )
    }

    /// List the things of the caller
    #[oai(path = "/things/mine", method = "get", operation_id = "listMine")]
    async fn mine(&self) -> Mine {
        Mine::Things(Json(vec![thing(7, Kind::Square, None)]))
    }

    /// Get a thing
    #[oai(path = "/things/:id", method = "get", operation_id = "getThing")]
    async fn get(&self, #[oai(validator(minimum(value = "1")))] id: Path<i32>) -> Got {
        match id.0 {
            404 => Got::Missing,
            418 => {
                let problems = vec!["a teapot".to_owned()];
                Got::Wrong(StatusCode::IM_A_TEAPOT, Json(ErrorResponse { problems }))
            }
            id => Got::Thing(Json(thing(id, Kind::Round, None))),
        }
    }

    /// Set a label
    #[oai(
        path = "/things/:id/labels/:label",
        method = "put",
        operation_id = "setLabel"
    )]
    async fn label(
        &self,
        #[oai(validator(minimum(value = "1")))] id: Path<i32>,
        #[oai(validator(max_length = 8))] label: Path<String>,
        values: Json<Vec<i32>>,
    ) -> Labelled {
        let _ = (id, values);
        Labelled::Set(label.0)
    }
}

fn default_size() -> i32 {
    25
}

fn thing(id: i32, kind: Kind, weight: Option<f64>) -> Thing {
    Thing { id, kind, weight }
}

pub fn generated_document() -> Value {
    let document = OpenApiService::new(Things, "things", "1.0.0").spec();
    serde_json::from_str(&document).expect("poem-openapi writes JSON")
}

/// An endpoint that checks requests against the contract before it calls the handlers.
struct Checked<E>(E);

impl<E: Endpoint<Output = Response>> Endpoint for Checked<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let path = request.uri().path().to_owned();
        let Some(operation) = CONTRACT.find(request.method().as_str(), &path) else {
            let methods = CONTRACT.methods(&path).join(", ");
            return Ok(Response::builder()
                .status(StatusCode::NOT_FOUND)
                .header("allow", methods)
                .finish());
        };
        let query = request.uri().query().unwrap_or_default();
        let headers = request.headers();
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let mut violations = operation.parameter_violations(&path, query, header);
        if let Some(body) = &operation.body {
            let bytes = request.take_body().into_bytes().await?;
            match json::parse(&bytes) {
                Ok((value, duplicates)) => {
                    violations.extend(duplicates);
                    violations.extend(body.violations(&value));
                }
                Err(violation) => violations.push(violation),
            }
            request.set_body(bytes);
        }
        if violations.is_empty() {
            return self.0.call(request).await;
        }
        let problems = violations.iter();
        let problems = problems.map(|it| format!("{:?} {} {}", it.place, it.field, it.message));
        Ok(Response::builder()
            .status(StatusCode::BAD_REQUEST)
            .content_type("application/json; charset=utf-8")
            .body(json!({ "problems": problems.collect::<Vec<_>>() }).to_string()))
    }
}

/// Starts the service, and returns its address.
pub async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    let acceptor = TcpAcceptor::from_tokio(listener).expect("a listener");
    let routes = OpenApiService::new(Things, "things", "1.0.0").into_endpoint();
    let app = Checked(routes);
    tokio::spawn(Server::new_with_acceptor(acceptor).run(Arc::new(app)));
    address
}

/// The method with this name, in the type of `hyper` and poem.
pub fn method(name: &str) -> Method {
    name.parse().expect("a method")
}

//! The HTTP service: the 17 operations, the site around them, and what every request goes through.
//!
//! `App::call` is that way, from top to bottom. Whatever happens on it, the answer is in the
//! contract's envelope: the handlers' own errors are so already, and everything that the framework
//! refuses by itself becomes one in `App::envelope`.
//!
//! Imports `db`, `contract`, `error` and `passwords`; knows no SQL.

pub mod cart;
mod compression;
pub mod conditions;
pub mod contracts;
pub mod cors;
mod document;
pub mod failures;
pub mod gate;
pub mod json;
mod lists;
pub mod products;
pub mod responses;
pub mod rows;
pub mod schemas;
pub mod site;
mod sorting;
pub mod types;
pub mod users;
pub mod validation;

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use poem::endpoint::BoxEndpoint;
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Response};
use tracing::Instrument;

use crate::contract::Operation;
use crate::db::Database;
use crate::error::Error;

use cors::Cors;
use failures::{Refusal, refuse};
use gate::Hosts;
use lists::paging;
use validation::Validation;

/// How long an operation may take before its client is told to come back later. The operation
/// itself runs on: a query is never cancelled (see `db`).
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest request id that is taken from a client.
const MAX_REQUEST_ID: usize = 128;

const REQUEST_ID: &str = "x-request-id";

/// The contract's tags, in its order.
#[derive(poem_openapi::Tags)]
enum Tag {
    /// The people who shop here, and those who run the shop
    Users,
    /// What the shop sells
    Products,
    /// Which products lie in whose cart
    Cart,
}

/// What an operator can set about the service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which pages of other origins may call.
    pub cors: Cors,
    /// Which hosts the service answers for.
    pub hosts: Hosts,
    /// Whether answers are checked against the contract.
    pub validation: Validation,
}

/// The service, as an endpoint that always answers and never fails.
pub struct App {
    operations: BoxEndpoint<'static, Response>,
    site: BoxEndpoint<'static, Response>,
    settings: Settings,
}

impl App {
    /// The service over `db`.
    #[must_use]
    pub fn new(db: &Database, settings: Settings) -> Self {
        // Read now, or the first request would wait for it.
        let _ = contracts::contracts();
        let operations = document::service(document::Shop::new(db, settings.validation));
        let operations = operations.into_endpoint();
        let ping = {
            let db = db.clone();
            move || {
                let db = db.clone();
                async move { db.ping().await }
            }
        };
        let site = site::routes(contracts::contracts().iter().map(site::Document::of), ping);
        Self {
            operations: operations.map_to_response().boxed(),
            site: site.map_to_response().boxed(),
            settings,
        }
    }

    /// The answer to `request`, or the error that became of it.
    async fn answer(
        &self,
        mut request: Request,
        operation: Option<&'static Operation>,
    ) -> poem::Result<Response> {
        self.settings
            .hosts
            .check(&request)
            .map_err(|refusal| refuse(&refusal))?;
        if let Some(response) = cors::preflight(&request) {
            return Ok(response);
        }
        if let Some(operation) = operation {
            // A body that nobody asked for is left where it is.
            let body = match &operation.body {
                Some(_) => gate::take_body(&mut request).await,
                None => Ok(()),
            };
            gate::join_headers(operation, &mut request);
            gate::check_parameters(operation, &request)
                .and(body)
                .map_err(|refusal| refuse(&refusal))?;
            request.set_data(operation);
        }
        let is_in_contract =
            operation.is_some() || !contracts::methods(request.uri().path()).is_empty();
        let routes = if is_in_contract {
            &self.operations
        } else {
            &self.site
        };
        let query = request.uri().query().unwrap_or_default().to_owned();
        // What is dropped midway here, by the timeout or as the client leaves, is no query: those
        // run in tasks of their own (see `db`).
        let answer = AssertUnwindSafe(routes.call(request)).catch_unwind();
        match tokio::time::timeout(OPERATION_TIMEOUT, answer).await {
            Ok(Ok(Ok(mut response))) => {
                paging::add_links(&mut response, &query);
                Ok(response)
            }
            Ok(Ok(Err(error))) => Err(error),
            // Said in the log by the panic hook.
            Ok(Err(_)) => Err(refuse(&Error::Internal("a handler panicked".into()).into())),
            Err(_) => Err(refuse(&Refusal::Overloaded)),
        }
    }

    /// What the framework refused, in the contract's envelope. What has a response already is ours.
    fn envelope(error: poem::Error, method: &Method, path: &str) -> Response {
        if error.is_from_response() {
            return error.into_response();
        }
        if error.is::<MethodNotAllowedError>() && *method == Method::OPTIONS {
            return Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(header::ALLOW, allow(path))
                .finish();
        }
        let refusal = if error.is::<NotFoundError>() {
            Refusal::UnknownPath
        } else if error.is::<MethodNotAllowedError>() {
            Refusal::MethodNotAllowed(allow(path))
        } else {
            Error::Internal(error.to_string().into()).into()
        };
        refusal.answer()
    }

    /// Puts on the answer what every answer carries.
    fn finish(&self, response: &mut Response, origin: Option<&HeaderValue>, request_id: &str) {
        let headers = response.headers_mut();
        self.settings.cors.mark(origin, headers);
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(header::VARY, self.settings.cors.vary());
        if let Ok(request_id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
    }
}

impl Endpoint for App {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request_id(&request);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let origin = request.headers().get(header::ORIGIN).cloned();
        let gzip = compression::accepts_gzip(request.headers());
        let operation = operation(&request);
        let span = tracing::info_span!("request", id = request_id);
        async {
            let mut line = LogLine::start(&method, &path);
            let answer = self.answer(request, operation).await;
            let mut response = answer.unwrap_or_else(|error| Self::envelope(error, &method, &path));
            self.finish(&mut response, origin.as_ref(), &request_id);
            if let Some(operation) = operation {
                let validation = self.settings.validation;
                let checked = validation.check(operation, &method, response).await;
                response = checked.unwrap_or_else(|refusal| {
                    let mut response = refusal.answer();
                    self.finish(&mut response, origin.as_ref(), &request_id);
                    response
                });
            }
            line.status = Some(response.status().as_u16());
            Ok(if gzip {
                compression::compress(response, &method)
            } else {
                response
            })
        }
        .instrument(span)
        .await
    }
}

/// The one line that each request leaves in the log: also that of a client that went away before
/// its answer, which drops the request midway.
struct LogLine<'a> {
    method: &'a Method,
    path: &'a str,
    started: Instant,
    status: Option<u16>,
}

impl<'a> LogLine<'a> {
    fn start(method: &'a Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            started: Instant::now(),
            status: None,
        }
    }
}

impl Drop for LogLine<'_> {
    fn drop(&mut self) {
        // ASCII that is in a path is plain; the rest could be control characters of a terminal.
        let path: Cow<str> = if self.path.is_ascii() {
            self.path.into()
        } else {
            self.path.escape_debug().to_string().into()
        };
        let method = self.method;
        // A larger type would become a string in JSON.
        let microseconds = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Some(status) = self.status {
            tracing::info!(%method, %path, status, microseconds, "answered");
        } else {
            tracing::info!(
                %method,
                %path,
                microseconds,
                "the client left before its answer"
            );
        }
    }
}

/// The contract's operation that a request is for; HEAD is GET without the body.
fn operation(request: &Request) -> Option<&'static Operation> {
    let method = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    contracts::find(method.as_str(), request.uri().path())
}

/// The client's request id if it is one that can be logged and sent back as it is, else a new one:
/// 128 random bits in hexadecimal.
fn request_id(request: &Request) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    request
        .header(REQUEST_ID)
        .filter(|id| !id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(plain))
        .map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned)
}

/// The methods that `path` takes, as the value of `Allow`. Beside the contract there is only GET.
fn allow(path: &str) -> String {
    let mut methods = contracts::methods(path);
    if methods.is_empty() {
        methods.push("GET");
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

//! The stages that every request passes through, in the order of the code of `Pipeline::pass`.
//!
//! Every response, also that of a failed stage, has the contract's envelope and the common headers, and
//! every request is logged in one line.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use poem::endpoint::BoxEndpoint;
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{self, HeaderValue, Method, StatusCode, Uri, header};
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Response};
use tracing::Instrument;

use crate::budget::Budget;
use crate::clients::{self, Connection, Network, Opening};
use crate::contract::{self, Contract, Operation};
use crate::db::Database;
use crate::deadlines::{self, Limits};
use crate::error::Error;
use crate::metrics::{Connections, Metrics};

use super::authentication::{self, Authentication};
use super::authorization;
use super::capacity;
use super::context::RequestContext;
use super::cors::{self, Cors};
use super::failures::{Failure, Overload};
use super::hosts::Hosts;
use super::observe::{REQUEST_ID, RequestLog, new_request_id};
use super::rates::{Quotas, Rates};
use super::response_memory::ResponseMemory;
use super::validation::Validation;
use super::{body, compression, malformed, parameters, people, rates, security_headers};

/// About how many headers [`Pipeline::finish`] adds.
const HEADERS: usize = 12;

/// The settings of the service that an operator can change.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The origins whose pages may call the API.
    pub cors: Cors,
    /// The hosts to which requests may be addressed.
    pub hosts: Hosts,
    /// How callers are authenticated.
    pub authentication: Authentication,
    /// Which client a request is from.
    pub clients: clients::Rules,
    /// Which responses are checked against the contract.
    pub validation: Validation,
    /// How many requests a client may send in a time.
    pub quotas: Quotas,
    /// How many operations may be in progress.
    pub max_operations: usize,
    /// How many bytes the bodies of all requests may hold together.
    pub body_memory: usize,
    /// The value of `Strict-Transport-Security` for clients that use HTTPS to reach a trusted proxy. For those
    /// that use it to reach this server, the server adds the header.
    pub hsts: Option<HeaderValue>,
}

/// A contract, and the handlers of its operations.
pub struct Service {
    /// The contract.
    pub contract: &'static Contract,
    /// The handlers, behind the router of poem-openapi.
    pub handlers: BoxEndpoint<'static, Response>,
}

/// The pipeline as an endpoint. It never fails: errors become responses.
pub struct Pipeline {
    services: Vec<Service>,
    site: BoxEndpoint<'static, Response>,
    rates: Rates,
    /// The operations in progress.
    operations: Budget,
    /// The bytes of the bodies of requests.
    bodies: Budget,
    response_memory: ResponseMemory,
    settings: Settings,
    /// The limit for a handler.
    time_limit: Duration,
    /// Where it is known which sessions have ended.
    sessions: Database,
    /// Whether the server is shutting down.
    pub(super) is_stopping: Arc<AtomicBool>,
    pub(super) metrics: Arc<Metrics>,
}

/// The target of a request: an operation, and the service that has it.
#[derive(Clone, Copy)]
struct Target<'p> {
    service: &'p Service,
    operation: &'static Operation,
}

impl Pipeline {
    /// The pipeline in front of the handlers of `services`, and of `site`, which has all other paths.
    pub fn new(
        services: Vec<Service>,
        site: impl IntoEndpoint<Endpoint: 'static>,
        settings: Settings,
    ) -> Self {
        Self {
            services,
            site: site.into_endpoint().map_to_response().boxed(),
            rates: Rates::new(settings.quotas),
            operations: capacity::operations(settings.max_operations),
            bodies: capacity::bodies(settings.body_memory),
            response_memory: ResponseMemory::default(),
            settings,
            time_limit: Limits::DEFAULT.operation,
            sessions: Database::nowhere(),
            is_stopping: Arc::default(),
            metrics: Arc::default(),
        }
    }

    /// Sets the database whose sessions the access tokens belong to. Without it no token is accepted.
    #[must_use]
    pub fn with_sessions_of(self, db: &Database) -> Self {
        let sessions = db.clone();
        Self { sessions, ..self }
    }

    /// Sets how long a handler may take until its response begins.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Records that the server is shutting down, which `/health` and `/health/ready` report.
    pub(crate) fn announce_shutdown(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The metrics of connections.
    pub(crate) fn metrics_of_connections(&self) -> Connections {
        self.metrics.http.connections.clone()
    }

    /// The network that the connections of `peer` are counted by; `None` for one without limits.
    pub(crate) fn network(&self, peer: IpAddr) -> Option<Network> {
        self.settings.clients.network_of_connections(peer)
    }

    /// How a connection of `peer` begins.
    pub(crate) fn opening(&self, peer: IpAddr) -> Opening {
        self.settings.clients.opening(peer)
    }

    /// Passes a request through all stages, from top to bottom. `fields` gets what its rate limit allows.
    async fn pass(
        &self,
        mut request: Request,
        target: Option<Target<'_>>,
        log: &RequestLog,
        fields: &mut Option<rates::Fields>,
    ) -> poem::Result<Response> {
        // Host.
        self.settings.hosts.check(&request)?;

        // The transfer codings of the body.
        malformed::check_transfer_codings(request.headers())?;

        // CORS preflight.
        if let Some(response) = cors::preflight(&request) {
            return Ok(response);
        }

        // The operation. All other requests are for the site.
        let Some(Target { service, operation }) = target else {
            return self.pass_to_site(request).await;
        };

        // Authentication.
        let authentication = &self.settings.authentication;
        let caller = if operation.security.schemes().next().is_some() {
            let caller = authentication.caller(request.headers(), SystemTime::now())?;
            authentication::check_session(caller, &self.sessions).await?;
            caller
        } else {
            // What proves who the caller is, is in the body. A token, which may have expired, is not looked at.
            authentication.without_token()
        };

        // Authorization, as far as path and caller decide.
        let permission = authorization::permit(operation, caller, request.uri().path())?;

        // Rate limit.
        let network = log.client.network;
        let row_meter = self
            .rates
            .check(operation, network, caller.user(), fields)?;

        // Capacity. It is looked at before the body is read, so that a rejection costs little, but a place
        // is taken only afterwards, so that clients that send slowly have none.
        let network = log.client.network;
        self.operations.check(network).map_err(Failure::from)?;
        if !request.method().is_safe() {
            // The response to a change is sent in any case.
            let checked = self.response_memory.check(&log.client);
            checked.map_err(Failure::from)?;
        }

        // Parameters and body. The body is read even when a parameter is invalid, so that the response
        // reports the violations of both, but a client that holds its body back is not asked for it then.
        // What the body holds is counted until the handler has returned.
        let mut memory = self.bodies.account(network);
        let mut violations = parameters::check(operation, &mut request);
        let mut checked = None;
        let is_pointless = !violations.is_empty() && body::is_held_back(&request);
        if operation.body.is_none() {
            // On HTTP/2 it would take the window of the connection from other requests.
            drop(request.take_body());
        }
        if let Some(contract) = operation.body.as_ref().filter(|_| !is_pointless) {
            match body::check(contract, &mut request, &mut memory).await {
                Ok(body) => checked = body,
                Err(failure) if violations.is_empty() => return Err(failure.into()),
                Err(failure) => violations.extend(failure.into_violations()),
            }
        }
        if !violations.is_empty() {
            return Err(Failure::from(Error::Invalid(violations)).into());
        }

        // Authorization, as far as the body decides.
        if let Some(body) = checked {
            body.inspect(|body| permission.check_body(body))?;
            request.set_data(body);
        }

        // The handler.
        let _place = self.operations.take(network).map_err(Failure::from)?;
        let deadline = Instant::now() + self.time_limit;
        request.set_data(RequestContext {
            contract: service.contract,
            operation,
            caller,
            scope: permission.scope,
            client: log.client,
            row_meter,
            request_id: log.request_id.clone(),
            query: request.uri().query().unwrap_or_default().into(),
            start: log.start,
            deadline,
        });
        call(&service.handlers, request, deadline).await
    }

    /// Handles a request to no operation.
    async fn pass_to_site(&self, request: Request) -> poem::Result<Response> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let is_in_contract = !self.methods(&path).is_empty();
        if method == Method::OPTIONS && (is_in_contract || path == "*") {
            return Ok(self.options(&path));
        }
        if is_in_contract {
            return Err(Failure::method_not_allowed(self.allow(&path)).into());
        }
        let deadline = Instant::now() + self.time_limit;
        match call(&self.site, request, deadline).await {
            Err(error) if error.is::<MethodNotAllowedError>() && method == Method::OPTIONS => {
                Ok(self.options(&path))
            }
            Err(error) if error.is::<MethodNotAllowedError>() => {
                Err(Failure::method_not_allowed(self.allow(&path)).into())
            }
            Err(error) if error.is::<NotFoundError>() => {
                Err(Failure::new(StatusCode::NOT_FOUND).into())
            }
            result => result,
        }
    }

    /// The operation of a request, if a contract has it. HEAD has the operation of GET.
    fn target(&self, request: &Request) -> Option<Target<'_>> {
        let method = match *request.method() {
            Method::HEAD => &Method::GET,
            ref method => method,
        };
        let path = request.uri().path();
        self.services.iter().find_map(|service| {
            let operation = service.contract.find(method.as_str(), path)?;
            Some(Target { service, operation })
        })
    }

    /// The methods that the contracts have at a concrete path; empty when no contract has the path.
    fn methods(&self, path: &str) -> Vec<&str> {
        let mut methods = self.services.iter().map(|it| it.contract.methods(path));
        methods
            .find(|methods| !methods.is_empty())
            .unwrap_or_default()
    }

    /// The methods of `path` as the value of `Allow`. Paths that are in no contract have only GET.
    fn allow(&self, path: &str) -> String {
        let mut methods = self.methods(path);
        if methods.is_empty() {
            methods.push("GET");
        }
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }

    /// The response to OPTIONS for a path that exists, or for `*`, which stands for the whole server.
    fn options(&self, path: &str) -> Response {
        let response = Response::builder().status(StatusCode::NO_CONTENT);
        if path == "*" {
            response.finish()
        } else {
            response.header(header::ALLOW, self.allow(path)).finish()
        }
    }

    /// The response to a request that the server rejects with `status` before it reaches the pipeline.
    pub(crate) fn reject(&self, status: StatusCode) -> http::Response<Bytes> {
        self.metrics.http.malformed(status.as_u16());
        let failure = malformed::failure(status);
        let mut response = failure.response();
        self.finish(&mut response, None, &new_request_id());
        drop(response.take_body());
        // The server sets this header itself.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        let response: http::Response<_> = response.into();
        response.map(|_| failure.body())
    }

    /// Adds the headers that every response has.
    fn finish(&self, response: &mut Response, origin: Option<&HeaderValue>, request_id: &str) {
        let headers = response.headers_mut();
        // Otherwise the map grows twice, and hashes each name again.
        headers.reserve(HEADERS);
        self.settings.cors.mark(origin, headers);
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        security_headers::add(headers);
        headers.insert(header::VARY, self.settings.cors.vary());
        if let Ok(request_id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
    }

    /// The response to `request`, with all headers, checked against the contract and compressed.
    async fn respond(
        &self,
        request: Request,
        target: Option<Target<'_>>,
        log: &RequestLog,
    ) -> Response {
        let method = request.method().clone();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let gzip = compression::accepts_gzip(request.headers());
        // A contract promises JSON; elsewhere people can read what went wrong.
        let path_for_people = (target.is_none() && people::is_wanted(request.headers()))
            .then(|| request.uri().path().to_owned());
        let has_known_end = malformed::check_transfer_codings(request.headers()).is_ok();

        let arrival = tokio::time::Instant::now();
        let mut fields = None;
        let passed = Box::pin(self.pass(request, target, log, &mut fields)).await;
        let counted = self.count(passed, &method, log).await;
        if let Some(Target { operation, .. }) = target
            && counted.as_ref().is_err_and(Overload::is_cause_of)
        {
            self.metrics.http.shed(&operation.id);
            tokio::time::sleep_until(arrival + deadlines::REJECTION).await;
        }
        let mut response = counted.unwrap_or_else(envelope);
        if let Some(path) = path_for_people
            && response.status().is_client_error()
        {
            response = people::failure_instead_of(&response, &path);
        }
        self.finish(&mut response, origin.as_ref(), &log.request_id);
        if let Some(fields) = fields {
            fields.add_to(response.headers_mut());
        }
        if !has_known_end {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        } else if let Some(Target { operation, .. }) = target {
            let validation = self.settings.validation;
            let checked = validation.check(operation, &method, response, &self.metrics);
            let checked = checked.await;
            response = checked.unwrap_or_else(|failure| {
                let mut response = failure.response();
                self.finish(&mut response, origin.as_ref(), &log.request_id);
                response
            });
        }
        // Without memory for it the response is sent as it is.
        let encoder = || {
            let memory = compression::MEMORY;
            self.response_memory.try_hold_spare(&log.client, memory)
        };
        if gzip {
            compression::compress(response, &method, encoder)
        } else {
            response
        }
    }

    /// Counts the body of a response among those that their clients have not read.
    async fn count(
        &self,
        passed: poem::Result<Response>,
        method: &Method,
        log: &RequestLog,
    ) -> poem::Result<Response> {
        let response = match passed {
            Err(error) if Overload::is_cause_of(&error) => return Err(error),
            passed => passed.unwrap_or_else(envelope),
        };
        let is_final = !method.is_safe() && response.status().is_success();
        let memory = &self.response_memory;
        let counted = memory.count_body(&log.client, response, is_final).await;
        counted.map_err(|error| Failure::from(error).into())
    }
}

impl Endpoint for Pipeline {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        normalise_path(&mut request);
        let target = self.target(&request);
        let operation = target.map_or("", |target| target.operation.id.as_str());
        let connection = request.data::<Connection>();
        let rules = &self.settings.clients;
        let client = rules.client(connection, request.headers());
        let is_forwarded_https = rules.is_forwarded_https(connection, request.headers());
        let log = RequestLog::begin(&request, operation, client, &self.metrics);
        // The span has the highest level, so that no log level removes the request id from warnings.
        let span = tracing::error_span!("request", id = &*log.request_id);
        // Boxed, since each layer around it would copy the whole future.
        let response = Box::pin(self.respond(request, target, &log));
        let mut response = response.instrument(span.clone()).await;
        if is_forwarded_https && let Some(hsts) = &self.settings.hsts {
            let headers = response.headers_mut();
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        Ok(log.watch(response, span))
    }
}

/// Replaces the path of a request by its normal form, which the contracts and the routers of the handlers
/// compare with their paths.
fn normalise_path(request: &mut Request) {
    let path = request.uri().path();
    if !path.contains('%') {
        return;
    }
    let mut target = contract::normalise_path(path).into_owned();
    if let Some(query) = request.uri().query() {
        target = format!("{target}?{query}");
    }
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Calls an endpoint, until the deadline. The handler is dropped at the deadline or when the client
/// disconnects, but its query continues for a while, since queries run in separate tasks (see `db`).
async fn call(
    endpoint: &BoxEndpoint<'static, Response>,
    request: Request,
    deadline: Instant,
) -> poem::Result<Response> {
    let response = AssertUnwindSafe(endpoint.call(request)).catch_unwind();
    match tokio::time::timeout_at(deadline.into(), response).await {
        Ok(Ok(response)) => response,
        // The panic hook has logged the panic.
        Ok(Err(_)) => Err(Failure::from(Error::Internal("a handler panicked".into())).into()),
        Err(_) => Err(Failure::too_slow().into()),
    }
}

/// Converts an error to a response with the contract's envelope. An error that already contains a
/// response was made from a [`Failure`].
fn envelope(error: poem::Error) -> Response {
    if error.is_from_response() {
        error.into_response()
    } else {
        Failure::from(Error::Internal(error.to_string().into())).response()
    }
}

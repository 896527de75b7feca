//! The conformance check of a response: its status, headers and body conform to the contract and to the
//! rules for all responses of the service.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use ecommerce_api::api::contracts;
use ecommerce_api::contract::Operation;
use serde_json::Value;

use super::headers::{self, document_of, resolve};
use super::site::{Page, page};
use super::wire::{Received, Sent};
use super::{body, links};

/// The target of a request.
pub enum Endpoint {
    /// An operation of a contract. HEAD belongs to the operation of GET.
    Operation(&'static Operation),
    /// A page or document that is in no contract.
    Page(&'static Page),
    /// An existing path with a method that it does not have, and the methods that it has.
    OtherMethod(Vec<&'static str>),
    /// A path that does not exist.
    Nothing,
    /// `OPTIONS *`.
    WholeServer,
}

impl Endpoint {
    fn of(sent: &Sent) -> Self {
        let method = if sent.method == "HEAD" {
            "GET"
        } else {
            &sent.method
        };
        if let Some(operation) = contracts::find(method, sent.path()) {
            return Self::Operation(operation);
        }
        let page = page(sent.path());
        match page {
            Some(page) if method == "GET" => return Self::Page(page),
            _ => {}
        }
        if sent.method == "OPTIONS" && sent.path() == "*" {
            return Self::WholeServer;
        }
        let mut methods = contracts::methods(sent.path());
        if page.is_some() {
            methods.push("GET");
        }
        if methods.is_empty() {
            return Self::Nothing;
        }
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        Self::OtherMethod(methods)
    }

    pub fn methods(&self) -> &[&'static str] {
        match self {
            Self::OtherMethod(methods) => methods,
            _ => &[],
        }
    }

    /// The statuses that a response may have. Any request may be a 400 because of its host.
    fn statuses(&self, is_options: bool) -> Vec<u16> {
        match self {
            Self::Operation(operation) => operation.statuses().collect(),
            Self::Page(page) => [page.statuses, &[400]].concat(),
            Self::OtherMethod(_) if is_options => vec![204, 400],
            Self::OtherMethod(_) => vec![405, 400],
            Self::WholeServer => vec![204, 400],
            Self::Nothing => vec![404, 400],
        }
    }
}

/// A request with its response and its endpoint.
pub struct Exchange<'a> {
    pub sent: &'a Sent,
    pub received: &'a Received,
    pub endpoint: Endpoint,
}

impl Exchange<'_> {
    pub fn is_head(&self) -> bool {
        self.sent.method == "HEAD"
    }

    pub fn is_success(&self) -> bool {
        (200..400).contains(&self.received.status)
    }

    pub fn is_preflight(&self) -> bool {
        let has = |name| self.sent.header(name).is_some();
        self.sent.method == "OPTIONS"
            && self.received.status == 204
            && has("origin")
            && has("access-control-request-method")
    }

    /// The content type that the body must have; `None` if there must be no body.
    pub fn content_type(&self) -> Option<&'static str> {
        match (self.received.status, &self.endpoint) {
            (204 | 304 | 308, _) => None,
            _ if self.is_for_people() => Some("text/html; charset=utf-8"),
            (200, Endpoint::Page(page)) => Some(page.content_type),
            _ => Some("application/json"),
        }
    }

    /// Whether the response is a page for people: `/`, or a failure outside of the contracts, for a request
    /// that accepts HTML.
    fn is_for_people(&self) -> bool {
        let accept = self.sent.header("accept").unwrap_or_default();
        accept.starts_with("text/html")
            && match &self.endpoint {
                Endpoint::Operation(_) => false,
                Endpoint::Page(page) if self.received.status == 200 => page.path == "/",
                _ => (400..500).contains(&self.received.status),
            }
    }

    /// The headers that the contract, or the table of pages, has for the response.
    pub fn documented_headers(&self) -> BTreeSet<String> {
        let status = self.received.status;
        let mut names = BTreeSet::new();
        if self.is_for_people() {
            names.extend(["content-security-policy", "referrer-policy"].map(str::to_owned));
        }
        match &self.endpoint {
            Endpoint::Operation(operation) => {
                let status = status.to_string();
                let headers = &responses(operation)[status.as_str()];
                let headers = resolve(document_of(operation), headers)["headers"].as_object();
                let is_page = self.asks_for_page();
                let shown = headers.into_iter().flatten().filter(|(name, _)| {
                    is_page || !["Link", "X-Total-Count"].contains(&name.as_str())
                });
                names.extend(shown.map(|(name, _)| name.to_ascii_lowercase()));
            }
            Endpoint::Page(page) if self.is_success() => {
                names.extend(page.headers.iter().map(|name| (*name).to_owned()));
            }
            Endpoint::Page(_) if status == 503 => drop(names.insert("retry-after".to_owned())),
            _ => {}
        }
        names
    }

    fn asks_for_page(&self) -> bool {
        let query = self.sent.query();
        query
            .iter()
            .any(|(name, _)| ["page", "limit"].contains(name))
    }
}

fn responses(operation: &Operation) -> &'static Value {
    let method = operation.method.to_ascii_lowercase();
    &document_of(operation)["paths"][&operation.path][method.as_str()]["responses"]
}

/// Records the tag and the data of a response. Returns a violation unless responses with the same tag have
/// the same data, and those with the same data the same tag.
fn tag_violation(tag: &str, data: &str) -> Option<String> {
    static SEEN: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);
    let mut seen = SEEN.lock().expect("no test panics while it holds this");
    let both = [(tag, data), (data, tag)];
    let other = both.into_iter().find_map(|(key, value)| {
        let known = seen.entry(key.to_owned()).or_insert(value.to_owned());
        (known != value).then(|| known.clone())
    })?;
    Some(format!(
        "{tag} is the tag of {data}, but one of them also belongs to {other}"
    ))
}

/// The violations of the contract and of the common rules in a response. Those in the body begin with
/// `body`.
pub fn violations(sent: &Sent, received: &Received) -> Vec<String> {
    let endpoint = Endpoint::of(sent);
    let exchange = Exchange {
        sent,
        received,
        endpoint,
    };
    let mut found = headers::violations(&exchange);
    let is_options = sent.method == "OPTIONS";
    let allowed = exchange.endpoint.statuses(is_options);
    // The response to a preflight does not depend on the path.
    if !allowed.contains(&received.status) && !exchange.is_preflight() {
        found.push(format!(
            "the status {} is not in {allowed:?}",
            received.status
        ));
    }
    if let Endpoint::Operation(operation) = &exchange.endpoint {
        found.extend(operation_violations(&exchange, operation));
    }
    if exchange.is_head() || exchange.content_type().is_none() {
        if !received.body.is_empty() {
            found.push("body: must be empty".to_owned());
        }
    } else if received.is_whole && exchange.content_type() == Some("application/json") {
        found.extend(body::violations(&exchange));
    }
    found
}

/// The violations of an operation in a response: of its schemas, and of the descriptions of its headers.
fn operation_violations(exchange: &Exchange<'_>, operation: &Operation) -> Vec<String> {
    let Received { status, body, .. } = exchange.received;
    let header = |name: &str| exchange.received.header(name);
    let mut found = Vec::new();
    if exchange.is_head() || !exchange.received.is_whole {
        let violations = operation.head_violations(*status, header);
        found.extend(violations.iter().map(|violation| format!("{violation:?}")));
        return found;
    }
    for violation in operation.response_violations(*status, header, body) {
        let is_of_body = violation.place == ecommerce_api::violation::Place::Body;
        let place = if is_of_body { "body" } else { "head" };
        found.push(format!("{place}: {violation:?}"));
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(tag) = header("etag").filter(|_| *status < 300) {
        found.extend(tag_violation(tag, &body["data"].to_string()));
    }
    let pagination = &body["pagination"];
    let links = responses(operation)["200"]["headers"].get("Link").is_some();
    if *status == 200 && links && exchange.asks_for_page() != pagination.is_object() {
        found.push("body: `pagination` must be present exactly in a page".to_owned());
    }
    if pagination.is_object() {
        if header("x-total-count") != Some(&pagination["total"].to_string()) {
            found.push("X-Total-Count is not the body's total".to_owned());
        }
        match header("link") {
            Some(value) => found.extend(links::violations(value, exchange.sent, pagination)),
            // The links exceed the limit of 4096 bytes only if the target is long.
            None if exchange.sent.target.len() < 1024 => found.push("Link is missing".to_owned()),
            None => {}
        }
    }
    found
}

/// # Panics
/// When the response does not conform.
#[track_caller]
pub fn check(sent: &Sent, received: &Received) {
    let found = violations(sent, received);
    assert!(
        found.is_empty(),
        "{} {} responded with {}:\n  {}\nheaders: {:?}\n{}",
        sent.method,
        sent.target,
        received.status,
        found.join("\n  "),
        received.headers,
        String::from_utf8_lossy(&received.body[..received.body.len().min(2000)]),
    );
}

/// The differences between the responses to a HEAD and to the same GET.
pub fn head_violations(head: &Received, get: &Received) -> Vec<String> {
    let mut found = Vec::new();
    if head.status != get.status {
        found.push(format!(
            "HEAD is a {}, but GET a {}",
            head.status, get.status
        ));
    }
    let lines = |response: &Received| -> BTreeSet<String> {
        // The time and generated ids are different in each response. The server decides the framing of
        // bodies, also of an empty one.
        let ignored = ["date", "x-request-id", "transfer-encoding"];
        let lines = response.headers.iter().filter(|(name, value)| {
            !ignored.contains(&name.as_str())
                && (name.as_str(), value.as_str()) != ("content-length", "0")
        });
        lines
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    };
    let (head, get) = (lines(head), lines(get));
    found.extend(
        head.difference(&get)
            .map(|line| format!("only HEAD has {line}")),
    );
    found.extend(
        get.difference(&head)
            .map(|line| format!("only GET has {line}")),
    );
    found
}

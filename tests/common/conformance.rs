//! The check of a response: status, headers and body against the contract, and against the rules
//! that hold for everything that the service sends.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use ecommerce_api::api::contracts;
use ecommerce_api::contract::Operation;
use serde_json::Value;

use super::headers::{self, document_of, resolve};
use super::site::{Page, page};
use super::wire::{Received, Sent};
use super::{body, links};

/// What a request is addressed to.
pub enum Endpoint {
    /// An operation of the contract; HEAD is GET without the body.
    Operation(&'static Operation),
    /// A page or document of the site.
    Page(&'static Page),
    /// A path of the contract or the site with another method; the methods that it has.
    OtherMethod(Vec<&'static str>),
    /// Nothing.
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

    /// The statuses that it may respond with. Any request can be addressed to another host.
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

/// A request and its response.
pub struct Answered<'a> {
    pub sent: &'a Sent,
    pub received: &'a Received,
    pub endpoint: Endpoint,
}

impl Answered<'_> {
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

    /// What the body has to be declared as; `None` where there is none.
    pub fn content_type(&self) -> Option<&'static str> {
        match (self.received.status, &self.endpoint) {
            (204 | 304 | 308, _) => None,
            (200, Endpoint::Page(page)) => Some(page.content_type),
            _ => Some("application/json"),
        }
    }

    /// The headers that belong to the response by the contract or the site's table.
    pub fn documented_headers(&self) -> BTreeSet<String> {
        let status = self.received.status;
        let mut names = BTreeSet::new();
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

/// Two responses with the same tag show the same, and two that show the same have the same tag.
fn tag_violation(tag: &str, data: &str) -> Option<String> {
    static SEEN: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);
    let mut seen = SEEN.lock().expect("no test panics while it holds this");
    let both = [(tag, data), (data, tag)];
    let other = both.into_iter().find_map(|(key, value)| {
        let known = seen.entry(key.to_owned()).or_insert(value.to_owned());
        (known != value).then(|| known.clone())
    })?;
    Some(format!("{tag} is the tag of {data}, but also: {other}"))
}

/// Everything that is wrong with a response. What begins with `body` is about the body alone.
pub fn violations(sent: &Sent, received: &Received) -> Vec<String> {
    let endpoint = Endpoint::of(sent);
    let it = Answered {
        sent,
        received,
        endpoint,
    };
    let mut found = headers::violations(&it);
    let is_options = sent.method == "OPTIONS";
    let allowed = it.endpoint.statuses(is_options);
    // A preflight is answered before the path is looked at.
    if !allowed.contains(&received.status) && !it.is_preflight() {
        found.push(format!("{} is none of {allowed:?}", received.status));
    }
    if let Endpoint::Operation(operation) = &it.endpoint {
        found.extend(operation_violations(&it, operation));
    }
    if it.is_head() || it.content_type().is_none() {
        if !received.body.is_empty() {
            found.push("body: there should be none".to_owned());
        }
    } else if received.is_whole && it.content_type() == Some("application/json") {
        found.extend(body::violations(&it));
    }
    found
}

/// Against the contract's own schemas, and what its headers say in words.
fn operation_violations(it: &Answered<'_>, operation: &Operation) -> Vec<String> {
    let Received { status, body, .. } = it.received;
    let header = |name: &str| it.received.header(name);
    let mut found = Vec::new();
    if it.is_head() || !it.received.is_whole {
        let violations = operation.head_violations(*status, header);
        found.extend(violations.iter().map(|it| format!("{it:?}")));
        return found;
    }
    for violation in operation.response_violations(*status, header, body) {
        let is_of_body = violation.place == ecommerce_api::error::Place::Body;
        let place = if is_of_body { "body" } else { "head" };
        found.push(format!("{place}: {violation:?}"));
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(tag) = header("etag").filter(|_| *status < 300) {
        found.extend(tag_violation(tag, &body["data"].to_string()));
    }
    let pagination = &body["pagination"];
    let links = responses(operation)["200"]["headers"].get("Link").is_some();
    if *status == 200 && links && it.asks_for_page() != pagination.is_object() {
        found.push("body: `pagination` belongs to a page, and to nothing else".to_owned());
    }
    if pagination.is_object() {
        if header("x-total-count") != Some(&pagination["total"].to_string()) {
            found.push("X-Total-Count is not the body's total".to_owned());
        }
        match header("link") {
            Some(value) => found.extend(links::violations(value, it.sent, pagination)),
            // Only where two links, of which there are always as many, would be longer than 4096 bytes.
            None if it.sent.target.len() < 1024 => found.push("Link is missing".to_owned()),
            None => {}
        }
    }
    found
}

/// # Panics
/// When anything is wrong with a response.
#[track_caller]
pub fn check(sent: &Sent, received: &Received) {
    let found = violations(sent, received);
    assert!(
        found.is_empty(),
        "{} {} answered {}:\n  {}\nheaders: {:?}\n{}",
        sent.method,
        sent.target,
        received.status,
        found.join("\n  "),
        received.headers,
        String::from_utf8_lossy(&received.body[..received.body.len().min(2000)]),
    );
}

/// Everything in which the response to a HEAD differs from that to the same GET.
pub fn head_violations(head: &Received, get: &Received) -> Vec<String> {
    let mut found = Vec::new();
    if head.status != get.status {
        found.push(format!("HEAD is a {}, GET a {}", head.status, get.status));
    }
    let lines = |it: &Received| -> BTreeSet<String> {
        // A made-up id and the time are of each response; framing is of the body, and that of an
        // empty one is the server's.
        let apart = ["date", "x-request-id", "transfer-encoding"];
        let lines = it.headers.iter().filter(|(name, value)| {
            !apart.contains(&name.as_str())
                && (name.as_str(), value.as_str()) != ("content-length", "0")
        });
        lines
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    };
    let (head, get) = (lines(head), lines(get));
    found.extend(
        head.difference(&get)
            .map(|it| format!("only HEAD has {it}")),
    );
    found.extend(get.difference(&head).map(|it| format!("only GET has {it}")));
    found
}

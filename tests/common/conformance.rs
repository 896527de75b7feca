//! The check of a response: status, headers and body against the contract, and against the rules
//! that hold for everything that the service sends.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use ecommerce_api::contract::{self, Operation};
use serde_json::Value;

use super::headers::{self, resolve};
use super::site::{Page, page};
use super::wire::{Received, Sent};

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
}

impl Endpoint {
    fn of(sent: &Sent) -> Self {
        let method = if sent.method == "HEAD" {
            "GET"
        } else {
            &sent.method
        };
        if let Some(operation) = contract::find(method, sent.path()) {
            return Self::Operation(operation);
        }
        let page = page(sent.path());
        match page {
            Some(page) if method == "GET" => return Self::Page(page),
            _ => {}
        }
        let mut methods = contract::methods(sent.path());
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
                let headers = resolve(headers)["headers"].as_object();
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
    &contract::document()["paths"][operation.path][method.as_str()]["responses"]
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
        found.extend(body_violations(&it));
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
        let links = header("link").map(|value| link_violations(value, it.sent, pagination));
        found.extend(links.unwrap_or_else(|| vec!["Link is missing".to_owned()]));
    }
    found
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

/// `first`, `prev`, `next` and `last`, as far as there are such pages, each with all parameters.
fn link_violations(value: &str, sent: &Sent, pagination: &Value) -> Vec<String> {
    let number = |name: &str| pagination[name].as_i64().unwrap_or_default();
    let (page, limit, total) = (number("page"), number("limit"), number("total"));
    let last = ((total + limit - 1) / limit).max(1);
    let mut expected = vec![("first", 1), ("last", last)];
    if page < last {
        expected.push(("next", page + 1));
    }
    if page > 1 {
        // Past the end, the page before is the last one that has rows.
        expected.push(("prev", (page - 1).min(last)));
    }
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for link in value.split(", ") {
        let parts = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix('"'))
            .and_then(|link| link.split_once(">; rel=\""));
        let Some((reference, relation)) = parts else {
            found.push(format!("Link: `{link}` is no link"));
            continue;
        };
        let linked = Sent::new("GET", reference, &[], b"");
        let query = linked.query();
        let kept = |query: &[(&str, &str)]| -> BTreeSet<(String, String)> {
            let pairs = query
                .iter()
                .map(|(name, value)| (decoded(name), decoded(value)));
            pairs
                .filter(|(name, _)| !["page", "limit"].contains(&name.as_str()))
                .collect()
        };
        let value = |name| {
            query
                .iter()
                .find(|(known, _)| *known == name)
                .map(|it| it.1)
        };
        let has_limit = value("limit").map_or(limit == 10, |text| text == limit.to_string());
        if !reference.starts_with('?') || kept(&query) != kept(&sent.query()) || !has_limit {
            found.push(format!("Link: `{link}` is not the same list"));
        }
        let linked_page = value("page").and_then(|page| page.parse().ok());
        seen.push((relation, linked_page.unwrap_or(0)));
    }
    seen.sort_unstable();
    expected.sort_unstable();
    if seen != expected {
        found.push(format!("Link: {seen:?} instead of {expected:?}"));
    }
    found
}

/// A part of a query without its encoding.
fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let bytes = percent_encoding::percent_decode_str(&spaced);
    bytes.decode_utf8_lossy().into_owned()
}

/// What every JSON body of the service keeps to, whatever its endpoint.
fn body_violations(it: &Answered<'_>) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(&it.received.body) else {
        return vec!["body: it is no JSON".to_owned()];
    };
    let status = it.received.status;
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("body: {what}"));
        }
    };
    // The documents are themselves, without an envelope.
    if status == 200 && body.get("openapi").is_some() && body.get("success").is_none() {
        return found;
    }
    let is_success = (200..300).contains(&status);
    demand(body["success"] == is_success, "`success` tells the status");
    demand(
        body.get("error").is_none() == is_success,
        "`error` of a failure alone",
    );
    demand(
        body.get("data").is_some() == is_success,
        "`data` of a success alone",
    );
    demand(
        body["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
            == is_success,
        "`message` of a success",
    );
    if is_success {
        return found;
    }
    let error = &body["error"];
    let info = &contract::document()["components"]["schemas"]["ErrorInfo"]["properties"];
    let code = &info["code"]["x-error-codes"][error["code"].as_str().unwrap_or_default()];
    demand(*code == status, "`code` is the status's in `x-error-codes`");
    if let Some(reason) = error.get("reason") {
        let known = &info["reason"]["x-error-reasons"][reason.as_str().unwrap_or_default()];
        demand(
            *known == status,
            "`reason` is one of the status's in `x-error-reasons`",
        );
    }
    demand(
        error.get("reason").is_some() == (status == 409),
        "`reason` of a conflict",
    );
    demand(error["message"].is_string(), "`message` of an error");
    demand(
        error.get("details").is_some() == (status == 400),
        "`details` of a 400 alone",
    );
    let details = error["details"].as_array();
    demand(
        status != 400 || details.is_some_and(|all| (1..=1000).contains(&all.len())),
        "between 1 and 1000 `details`",
    );
    for detail in details.into_iter().flatten() {
        let field = detail["field"].as_str().unwrap_or("(none)");
        let is_right = match detail["in"].as_str() {
            Some("body") => field.is_empty() || field.starts_with('/'),
            Some("path") => it.endpoint_has_parameter("path", field),
            Some("header") => field == "Host" || it.endpoint_has_parameter("header", field),
            // A name that the operation does not know may be anything.
            Some("query") => true,
            _ => false,
        };
        demand(is_right, &format!("{detail} names a place of the request"));
    }
    found
}

impl Answered<'_> {
    fn endpoint_has_parameter(&self, place: &str, name: &str) -> bool {
        let Endpoint::Operation(operation) = &self.endpoint else {
            return false;
        };
        let same = |it: &str| it.eq_ignore_ascii_case(place);
        let mut parameters = operation.parameters.iter();
        parameters.any(|it| it.name == name && same(&format!("{:?}", it.place)))
    }
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

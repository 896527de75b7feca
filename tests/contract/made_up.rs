//! Nothing of the shop is in the contract module: a made-up contract and its service, served over
//! HTTP, are matched, checked, validated and compared by it alone.

mod refused;
mod service;

use bytes::Bytes;
use ecommerce_api::contract::{Contract, Operation, ParseError, diff};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use service::{CONTRACT, generated_document, method, start};

/// A response, as it was received.
struct Received {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.iter().find(|(known, _)| known == name);
        line.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The fields of what is wrong with the response.
    fn violations(&self, operation: &Operation) -> Vec<String> {
        let header = |name: &str| self.header(name);
        let violations = operation.response_violations(self.status, header, &self.body);
        violations.into_iter().map(|it| it.field).collect()
    }
}

/// Sends a request, with the header that `listThings` requires if `is_tenant`, and checks that the
/// response keeps to the contract.
async fn send(address: &str, name: &str, target: &str, is_tenant: bool, body: &str) -> Received {
    let mut request = Request::builder()
        .method(method(name))
        .uri(format!("http://{address}{target}"))
        .header("content-type", "application/json");
    if is_tenant {
        request = request.header("x-tenant", "acme");
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.expect("a request")).await;
    let (head, body) = response.expect("a response").into_parts();
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let received = Received {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: body.collect().await.expect("a body").to_bytes().to_vec(),
    };
    let path = target.split('?').next().unwrap_or_default();
    if let Some(operation) = CONTRACT.find(name, path) {
        let violations = received.violations(operation);
        assert!(violations.is_empty(), "{name} {target}: {violations:?}");
    }
    received
}

#[test]
fn the_document_of_the_service_is_its_contract() {
    let differences = diff::diff(CONTRACT.document(), &generated_document());
    assert!(differences.is_empty(), "{}", diff::report(&differences));
    let mut other = generated_document();
    let size = "/paths/~1things/get/parameters/1/schema/default";
    *other.pointer_mut(size).expect("a default") = json!(10);
    assert_eq!(diff::diff(CONTRACT.document(), &other).len(), 1);
}

#[tokio::test]
async fn what_keeps_to_the_contract_is_served() {
    let address = start().await;
    let page = send(&address, "GET", "/things?kind=round", true, "").await;
    let page = page.json();
    assert_eq!(
        (
            page["size"].as_i64(),
            page["items"].as_array().map(Vec::len)
        ),
        (Some(25), Some(25))
    );
    for (name, target, body, status) in [
        (
            "GET",
            "/things?kind=square&size=1&above=1e-3&whole=true",
            "",
            200,
        ),
        ("GET", "/things/mine", "", 200),
        ("GET", "/things/2147483647", "", 200),
        ("GET", "/things/404", "", 404),
        ("GET", "/things/418", "", 418),
        ("PUT", "/things/1/labels/a%20b", "[]", 204),
        ("PUT", "/things/1/labels/a/b", "[]", 404),
        ("PUT", "/things/mine", "[]", 404),
        ("GET", "/things/", "", 404),
    ] {
        let received = send(&address, name, target, true, body).await;
        assert_eq!(received.status, status, "{name} {target}");
    }
    let mine = send(&address, "GET", "/things/mine", false, "")
        .await
        .json();
    assert_eq!(mine[0]["id"], 7, "not the thing called mine");
    let labelled = send(&address, "PUT", "/things/1/labels/a+b%2Bc", false, "[1]").await;
    assert_eq!(labelled.header("x-label"), Some("a+b+c"));
    assert!(labelled.body.is_empty());
    let other = send(&address, "PUT", "/things/mine", false, "[]").await;
    assert_eq!(other.header("allow"), Some("GET"));
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_request_is_named() {
    let address = start().await;
    for (name, target, is_tenant, body, expected) in [
        (
            "GET",
            "/things",
            false,
            "",
            &["Query kind is required", "Header X-Tenant is required"][..],
        ),
        (
            "GET",
            "/things?kind=ROUND&size=0&above=0&whole=yes&page=1&size=2",
            true,
            "",
            &[
                "Query kind must be one of round, square",
                "Query size must be a whole number from 1 to 50",
                "Query above does not keep to the contract's `exclusiveMinimum`",
                "Query whole must be true or false",
                "Query page is not a known query parameter",
                "Query size is there twice",
            ],
        ),
        (
            "GET",
            "/things?kind=%zz&above=much&a%=1&k+d=1",
            true,
            "",
            &[
                "Query kind has a broken percent-encoding",
                "Query above must be a number",
                "Query a% has a broken percent-encoding",
                "Query k d is not a known query parameter",
            ],
        ),
        (
            "PUT",
            "/things/0/labels/123456789?x",
            false,
            "[1,\"2\",2147483648]",
            &[
                "Path id must be a whole number from 1 to 2147483647",
                "Path label must have at most 8 characters",
                "Query x is not a known query parameter",
                "Body /1 must be a whole number",
                "Body /2 must be at most 2147483647",
            ],
        ),
        (
            "PUT",
            "/things/1/labels/%ff",
            false,
            "[",
            &[
                "Path label has a broken percent-encoding",
                "Body  is not JSON: EOF while parsing a list at line 1 column 1",
            ],
        ),
    ] {
        let received = send(&address, name, target, is_tenant, body).await;
        assert_eq!(received.status, 400, "{target}");
        assert_eq!(received.json()["problems"], json!(expected), "{target}");
    }
}

/// What becomes of a response that keeps to the contract.
enum Change {
    Status(u16),
    Body(&'static str),
    Header(&'static str, &'static str),
    Without(&'static str),
}

impl Change {
    fn make(&self, received: &mut Received) {
        match *self {
            Self::Status(status) => received.status = status,
            Self::Body(body) => received.body = body.into(),
            Self::Without(name) => received.headers.retain(|(known, _)| known != name),
            Self::Header(name, value) => {
                Self::Without(name).make(received);
                received.headers.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

#[tokio::test]
async fn a_response_that_does_not_keep_to_the_contract_is_found() {
    use Change::{Body, Header, Status, Without};
    let address = start().await;
    let (list, mine) = ("/things?kind=round&size=1", "/things/mine");
    let (one, label) = ("/things/1", "/things/1/labels/a");
    for (target, change, expected) in [
        (list, Status(302), "status"),
        (list, Status(500), "status"),
        (list, Without("x-count"), "X-Count"),
        (list, Header("x-count", "many"), "X-Count"),
        (list, Body(r#"{"items":[],"size":1,"total":1}"#), "/total"),
        (
            list,
            Body(r#"{"items":[{"id":1}],"size":1}"#),
            "/items/0/kind",
        ),
        (list, Body(r#"{"items":[],"size":1,"size":1}"#), "/size"),
        (list, Body(""), ""),
        (mine, Body(r#"[{"id":1,"kind":"flat"}]"#), "/0/kind"),
        (mine, Status(503), ""),
        (one, Status(404), ""),
        (one, Status(403), "/id"),
        (one, Without("content-type"), "content-type"),
        (
            one,
            Header("content-type", "application/json"),
            "content-type",
        ),
        ("/things/418", Body(r#"{"problems":[1]}"#), "/problems/0"),
        (label, Body("{}"), ""),
        (label, Header("content-type", "text/plain"), "content-type"),
        (label, Without("x-label"), "X-Label"),
    ] {
        let (name, body) = if target == label {
            ("PUT", "[]")
        } else {
            ("GET", "")
        };
        let mut received = send(&address, name, target, true, body).await;
        change.make(&mut received);
        let path = target.split('?').next().unwrap_or_default();
        let operation = CONTRACT.find(name, path).expect("an operation");
        let violations = received.violations(operation);
        let is_found = violations.iter().any(|it| it == expected);
        assert!(is_found, "{target}: {expected}: {violations:?}");
    }
}

#[test]
fn rows_of_a_list_are_checked_at_their_places() {
    let list = CONTRACT.find("GET", "/things").expect("an operation");
    let violations = |rows: &str| -> Vec<String> {
        let violations = list.row_violations(200, "/items", 7, rows.as_bytes());
        violations.into_iter().map(|it| it.field).collect()
    };
    assert!(violations("").is_empty());
    assert!(violations(r#"{"id":1,"kind":"round"},{"id":2,"kind":"square"}"#).is_empty());
    assert_eq!(
        violations(
            r#"{"id":1,"kind":"round"},{"id":"2","kind":"round","id":3},7,{"kind":"round"}"#
        ),
        ["/items/8/id", "/items/8/id", "/items/9", "/items/10/id"]
    );
    assert_eq!(violations("{"), ["/items"]);
    // A place that has no list by the contract is not passed over.
    for (status, place) in [(200, "/data"), (200, "/size"), (404, "/items")] {
        let violations = list.row_violations(status, place, 0, b"");
        assert_eq!(violations[0].field, place, "{status}");
    }
}

#[test]
fn a_path_has_values_for_its_placeholders() {
    let path = "/things/1/labels/a+b";
    let operation = CONTRACT.find("PUT", path).expect("an operation");
    assert_eq!(
        operation.path_values(path),
        [("id", "1".to_owned()), ("label", "a+b".to_owned())]
    );
    assert_eq!(CONTRACT.methods("/things/mine"), ["GET"]);
    for mine in ["/things/%6dine", "/%74hings/min%65"] {
        let operation = CONTRACT.find("GET", mine).expect("an operation");
        assert_eq!(operation.id, "listMine", "{mine}");
    }
    let label = CONTRACT
        .find("PUT", "/things/1/%6Cabels/%2f")
        .expect("an operation");
    let values = label.path_values("/things/1/%6Cabels/%2f");
    assert_eq!(values[1], ("label", "%2F".to_owned()));
    let violations = label.parameter_violations("/things/0/%6Cabels/a", "", |_| None);
    assert_eq!(violations[0].field, "id");
    assert!(CONTRACT.methods("/nothing").is_empty());
    let body = operation.body.as_ref().expect("a body");
    assert!(body.is_required && body.component().is_none());
    let statuses: Vec<u16> = operation.statuses().collect();
    assert_eq!(statuses, [204], "neither ranges nor the default");
}

/// Two contracts may have a component of the same name.
#[test]
fn a_contract_has_validators_of_its_own() -> Result<(), ParseError> {
    let other = include_str!("made_up/things.yaml").replace("problems", "errors");
    let other = Contract::parse("other", &other)?;
    let header = |name: &str| (name == "content-type").then_some("application/json; charset=utf-8");
    for (contract, body) in [
        (&*CONTRACT, r#"{"problems":[]}"#),
        (&other, r#"{"errors":[]}"#),
    ] {
        for wrong in [r#"{"problems":[]}"#, r#"{"errors":[]}"#] {
            let operation = contract.find("GET", "/things/1").expect("an operation");
            let violations = operation.response_violations(400, header, wrong.as_bytes());
            assert_eq!(
                violations.is_empty(),
                wrong == body,
                "{}: {wrong}",
                contract.name()
            );
        }
    }
    Ok(())
}

//! The operations of the contracts with their examples, and the requests that the examples describe.

use std::sync::LazyLock;

use ecommerce_api::api::contracts::contracts;
use ecommerce_api::passwords;
use ecommerce_api::tokens::RefreshToken;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::common::headers::resolve;
use crate::harness::{Shop, access_token};

/// The user whose requests the examples are.
const USER: i32 = 2;
/// The session of this user.
const SESSION: u64 = 1;

/// Opens the sample shop, with the password and the refresh token that the examples of requests have.
pub async fn open_sample() -> Shop {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let password = example_of("login", "password");
        let hash = passwords::hash_blocking(&password.into()).unwrap();
        hash.expose_secret().to_owned()
    });
    let token = example_of("refresh", "refresh_token");
    let hash = RefreshToken(token.into()).hash();
    let hash = hash.map(|byte| format!("{byte:02x}")).concat();
    let shop = Shop::open_sample().await;
    shop.execute(format!(
        "UPDATE users SET password = '{}' WHERE id = {USER};
         INSERT INTO auth_sessions (id, user_id, expires_at)
             VALUES ({SESSION}, {USER}, UTC_TIMESTAMP() + INTERVAL 1 DAY);
         INSERT INTO auth_refresh_tokens (hash, session_id, expires_at)
             VALUES (X'{hash}', {SESSION}, UTC_TIMESTAMP() + INTERVAL 1 DAY)",
        *HASH
    ))
    .await;
    shop
}

/// The value of a property in the only example of an operation's request.
fn example_of(operation: &str, property: &str) -> String {
    let operations = operations();
    let operation = operations.iter().find(|it| it.id == operation).unwrap();
    text(&operation.bodies[0].1[property])
}

/// An operation with its examples.
pub struct OperationExamples {
    pub document: &'static Value,
    pub id: &'static str,
    pub method: String,
    /// Whether the operation needs an access token, although authentication is off.
    pub is_secured: bool,
    path: &'static str,
    parameters: Vec<&'static Value>,
    /// The examples of the request body by name, which is empty for an example without a name.
    pub bodies: Vec<(&'static str, &'static Value)>,
    pub responses: Vec<(u16, &'static Value)>,
}

/// A request that is ready to be sent.
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn operations() -> Vec<OperationExamples> {
    let mut all = Vec::new();
    for published in contracts() {
        let document = published.contract.document();
        for (path, item) in members(&document["paths"]) {
            let operations = members(item);
            all.extend(operations.map(|(method, operation)| {
                OperationExamples::read(document, path, method, operation)
            }));
        }
    }
    all
}

/// The examples of a JSON body by name.
pub fn examples(
    document: &'static Value,
    content: &'static Value,
) -> Vec<(&'static str, &'static Value)> {
    let media_type = &content["application/json"];
    if let Some(example) = media_type.get("example") {
        return vec![("", example)];
    }
    let named = members(&media_type["examples"]);
    named
        .map(|(name, example)| (name, &resolve(document, example)["value"]))
        .collect()
}

pub fn members(object: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// The example of a parameter or header as text.
pub fn text(example: &Value) -> String {
    match example.as_str() {
        Some(text) => text.to_owned(),
        None => example.to_string(),
    }
}

impl OperationExamples {
    fn read(
        document: &'static Value,
        path: &'static str,
        method: &str,
        operation: &'static Value,
    ) -> Self {
        let resolve = |value| resolve(document, value);
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let body = resolve(&operation["requestBody"]);
        let responses = members(&operation["responses"]);
        Self {
            document,
            id: operation["operationId"].as_str().unwrap(),
            method: method.to_uppercase(),
            // Without a token, the others do everything.
            is_secured: path.starts_with("/api/auth/") && operation["security"][0].is_object(),
            path,
            parameters: parameters.map(resolve).collect(),
            bodies: examples(document, &body["content"]),
            responses: responses
                .map(|(status, response)| (status.parse().unwrap(), resolve(response)))
                .collect(),
        }
    }

    /// Creates a request from the examples of all parameters, or only of the required ones, and the body
    /// example named `body`, or the only body example.
    pub fn request(&self, all: bool, body: &str) -> Request {
        let mut request = Request {
            method: self.method.clone(),
            path: self.path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        if self.is_secured {
            let token = access_token(USER, SESSION);
            let authorization = format!("Bearer {token}");
            request
                .headers
                .push(("Authorization".to_owned(), authorization));
        }
        for parameter in &self.parameters {
            if !all && parameter["required"] != true {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            request.set(
                parameter["in"].as_str().unwrap(),
                name,
                &parameter["example"],
            );
        }
        let body = match &self.bodies[..] {
            [] => return request,
            [(_, only)] => only,
            several => {
                let named = several.iter().find(|(name, _)| *name == body);
                named.map_or(several[0].1, |(_, body)| body)
            }
        };
        request.body = body.to_string().into();
        request
            .headers
            .push(("content-type".into(), "application/json".into()));
        request
    }
}

impl OperationExamples {
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters
            .iter()
            .any(|parameter| parameter["name"] == name)
    }
}

impl Request {
    /// Adds the example of a parameter to the request.
    fn set(&mut self, place: &str, name: &str, example: &Value) {
        assert!(
            !example.is_null(),
            "{} {}: {name} has no example",
            self.method,
            self.path
        );
        let value = text(example);
        let encoded = utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string();
        match place {
            "path" => self.path = self.path.replace(&format!("{{{name}}}"), &encoded),
            "query" => {
                let sign = if self.query.is_empty() { "?" } else { "&" };
                self.query.extend([sign, name, "=", &encoded]);
            }
            "header" => self.headers.push((name.to_owned(), value)),
            place => panic!("a parameter in {place}"),
        }
    }

    pub fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }
}

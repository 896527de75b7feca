//! The three groups of operations as one API, and the OpenAPI document that poem-openapi generates
//! from it: what the contract gate compares with the contract.
//!
//! What the generator cannot say is added here, and each addition states what some code does: the
//! request id that [`super::App`] puts on every answer, the 413 and 415 of every operation that
//! takes a body, and that [`super::json::JsonBody`] refuses properties that a schema does not name.

use std::collections::HashMap;

use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode};
use poem_openapi::registry::{MetaApi, MetaOperation, MetaPath, MetaSchema, Registry};
use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject};
use serde_json::Value;

use crate::contract;
use crate::db::Database;

use super::cart::Cart;
use super::lists::Lists;
use super::products::Products;
use super::responses::{failure, response_header};
use super::users::Users;
use super::validation::Validation;

const DESCRIPTION: &str = "\
Users, products and the cart of a shop, over HTTP and JSON.

**Answers.** Every success is `{\"success\": true, \"data\": …, \"message\": \"…\"}`, every failure \
`{\"success\": false, \"error\": {\"code\": \"…\", \"message\": \"…\"}}`; a 400 adds `details`, one entry \
for each thing that is wrong, and never repeats the values that were sent.

**Lists.** Without parameters a list holds every row, in the order of the ids. With `page` or \
`limit` it holds that page and a `pagination` object. A query parameter that an operation does \
not know is refused.

**Requests.** Bodies are `application/json`, at most 1 MiB, and a property that a schema does \
not name is refused. An update changes the properties that are present: `null` clears one that \
is nullable, and an absent one stays as it is.

**Conditions.** An answer that shows one user, product or cart item carries an `ETag`: the tag \
of what it shows in `data`, which changes whenever that does. Send it back as `If-None-Match` \
when you get it again, and the answer is a 304 without a body while nothing has changed. Send \
it as `If-Match` when you update or delete, and nothing is done, and the answer is a 412, when \
what it shows has changed since (a changed password does not show). Operations that do not name these \
headers ignore them.

**Tracing.** Send `X-Request-Id` (up to 128 letters, digits, dots, dashes and underscores) and \
the answer and the server's log carry it; without one the server makes one up.";

/// All operations. poem-openapi's tuple of APIs would emit a path twice where two of them share it.
pub(super) struct Shop {
    groups: (Users, Products, Cart),
}

impl Shop {
    pub(super) fn new(db: &Database, validation: Validation) -> Self {
        let lists = Lists::new(db, validation);
        let users = Users {
            db: db.clone(),
            lists: lists.clone(),
        };
        let products = Products {
            db: db.clone(),
            lists: lists.clone(),
        };
        let cart = Cart {
            db: db.clone(),
            lists,
        };
        let groups = (users, products, cart);
        Self { groups }
    }
}

type Groups = (Users, Products, Cart);

impl OpenApi for Shop {
    fn meta() -> Vec<MetaApi> {
        let mut paths: Vec<MetaPath> = Vec::new();
        for path in Groups::meta().into_iter().flat_map(|group| group.paths) {
            match paths.iter_mut().find(|known| known.path == path.path) {
                Some(known) => known.operations.extend(path.operations),
                None => paths.push(path),
            }
        }
        for operation in paths.iter_mut().flat_map(|path| &mut path.operations) {
            complete(operation);
        }
        vec![MetaApi { paths }]
    }

    fn register(registry: &mut Registry) {
        Groups::register(registry);
    }

    fn add_routes(self, routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.groups.add_routes(routes);
    }
}

fn complete(operation: &mut MetaOperation) {
    let responses = &mut operation.responses.responses;
    if operation.request.is_some() {
        responses.extend(
            [
                StatusCode::PAYLOAD_TOO_LARGE,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ]
            .map(failure),
        );
    }
    for response in responses {
        let schema = MetaSchema {
            min_length: Some(1),
            max_length: Some(128),
            pattern: Some("^[A-Za-z0-9._-]+$".to_owned()),
            ..MetaSchema::new("string")
        };
        let description = "The id of this request, in the answer and in the server's log";
        response
            .headers
            .push(response_header("x-request-id", description, schema));
    }
}

pub(super) fn service(shop: Shop) -> OpenApiService<Shop, ()> {
    OpenApiService::new(shop, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .contact(ContactObject::new().name("The maintainers of ecommerce-api"))
        .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
        .server(
            ServerObject::new("http://localhost:8088")
                .description("The server as it starts without any settings"),
        )
}

/// The OpenAPI document that poem-openapi generates from the types and handlers. Needs no database.
///
/// # Panics
/// When poem-openapi writes something that is not JSON, or the same key twice.
#[must_use]
pub fn generated_document() -> Value {
    let document = service(Shop::new(&Database::nowhere(), Validation::Off)).spec();
    // Strictly, since a key that the generator wrote twice would hide what stands under the first.
    let (mut document, duplicates) =
        contract::json::parse(document.as_bytes()).expect("poem-openapi writes JSON");
    assert!(duplicates.is_empty(), "generated twice: {duplicates:?}");
    close_request_bodies(&mut document);
    document
}

/// Notes on each schema of a request body that unknown properties are refused.
fn close_request_bodies(document: &mut Value) {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.filter_map(|(_, item)| item.as_object()).flatten();
    let bodies = operations.filter_map(|(_, operation)| {
        operation
            .pointer("/requestBody/content/application~1json/schema/$ref")
            .and_then(Value::as_str)
    });
    let pointers: Vec<String> = bodies
        .map(|reference| reference.trim_start_matches('#').to_owned())
        .collect();
    for pointer in pointers {
        if let Some(schema) = document.pointer_mut(&pointer) {
            schema["additionalProperties"] = false.into();
        }
    }
}

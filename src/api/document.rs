//! Combines the operations on users, products and carts to one API, and generates its OpenAPI document,
//! which the contract gate compares with the contract.
//!
//! This module adds what poem-openapi cannot know: the header `X-Request-Id` of requests and responses,
//! 413 and 415 for each operation with a body, and that request bodies have no unknown properties. The
//! extensions (`x-…`) come from the tables that the code itself uses.

use std::collections::HashMap;

use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode};
use poem::{EndpointExt, IntoEndpoint, Response};
use poem_openapi::registry::{
    MetaApi, MetaOperation, MetaOperationParam, MetaParamIn, MetaPath, MetaSchema, MetaSchemaRef,
    Registry,
};
use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject};
use serde_json::Value;

use crate::contract;
use crate::db::Database;
use crate::error::Conflict;

use super::cart::Cart;
use super::descriptions;
use super::failures::{KINDS, body_failures, reason};
use super::lists::{Lists, paging};
use super::products::Products;
use super::responses::response_header;
use super::users::Users;
use super::validation::Validation;

const DESCRIPTION: &str = "\
Users, products and the cart of a shop, over HTTP and JSON.

**Responses.** Every success is `{\"success\": true, \"data\": …, \"message\": \"…\"}`, every \
failure `{\"success\": false, \"error\": {\"code\": \"…\", \"message\": \"…\"}}`; a 400 adds \
`details`, one entry for each violation, and never repeats the values that were sent. \
A `reason` tells failures with the same code apart.

**Lists.** Without parameters a list has every row, ordered by id. With `page` or `limit` it has \
that page, a `pagination` object, and the headers `Link` and `X-Total-Count`. `sort` orders the \
list, other parameters filter it. An unknown query parameter is refused.

**Requests.** Bodies are `application/json`: at most 1 MiB and 10,000 values, nested at most 64 \
levels deep. A property that a schema does not name is refused. An update changes the properties \
that are present: `null` clears a nullable property, and absent properties stay as they are.

**Conditions.** A response with one user, product or cart item has an `ETag`: the entity tag of \
its `data`, which changes whenever the data does. Send the tag as `If-None-Match` to get the same \
resource again: while nothing has changed, the response is a 304 without a body. Send it as \
`If-Match` to update or delete the resource: when the data has changed since, nothing is done and the \
response is a 412 (a changed password is not part of the data). Operations that do not list these \
headers ignore them.

**Tracing.** Send `X-Request-Id` (up to 128 letters, digits, dots, dashes and underscores), and \
the response and the server's log have the same id. Without one, the server generates an id.";

/// All operations as one API. poem-openapi also accepts a tuple of APIs, but writes a path twice when two
/// of the APIs have operations at it.
struct Shop {
    groups: (Users, Products, Cart),
}

impl Shop {
    fn new(db: &Database, validation: Validation) -> Self {
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
        for path in &mut paths {
            path.operations.iter_mut().for_each(add_common_parts);
            descriptions::describe(path);
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

/// Adds what is the same for all operations: the header `X-Request-Id`, and the failures of a body.
fn add_common_parts(operation: &mut MetaOperation) {
    let responses = &mut operation.responses.responses;
    if operation.request.is_some() {
        responses.extend(body_failures());
    }
    operation.params.push(MetaOperationParam {
        name: "X-Request-Id".to_owned(),
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
        in_type: MetaParamIn::Header,
        description: None,
        required: false,
        deprecated: false,
        explode: true,
        style: None,
    });
    for response in responses {
        let schema = MetaSchema {
            min_length: Some(1),
            max_length: Some(128),
            pattern: Some("^[A-Za-z0-9._-]+$".to_owned()),
            ..MetaSchema::new("string")
        };
        let description = "The id of this request, in the response and in the server's log";
        response
            .headers
            .push(response_header("x-request-id", description, schema));
    }
}

/// The handlers of all operations, over `db`.
pub(super) fn handlers(db: &Database, validation: Validation) -> BoxEndpoint<'static, Response> {
    let endpoint = service(Shop::new(db, validation)).into_endpoint();
    endpoint.map_to_response().boxed()
}

fn service(shop: Shop) -> OpenApiService<Shop, ()> {
    OpenApiService::new(shop, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .contact(ContactObject::new().name("The maintainers of ecommerce-api"))
        .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
        .server(
            ServerObject::new("http://localhost:8088")
                .description("The server with its default settings"),
        )
}

/// The OpenAPI document that poem-openapi generates from the types and handlers. Needs no database.
///
/// # Panics
/// When the document of poem-openapi is not JSON, or has an object with a duplicate key.
#[must_use]
pub(super) fn generated() -> Value {
    let document = service(Shop::new(&Database::nowhere(), Validation::Off)).spec();
    // Of two equal keys, only one value would be compared with the contract.
    let (mut document, duplicates) =
        contract::json::parse(document.as_bytes()).expect("poem-openapi writes JSON");
    assert!(duplicates.is_empty(), "generated twice: {duplicates:?}");
    close_request_bodies(&mut document);
    add_error_codes(&mut document);
    add_paging_rules(&mut document);
    document
}

/// Adds the extensions with the codes and reasons of errors, each with its status.
fn add_error_codes(document: &mut Value) {
    let properties = &mut document["components"]["schemas"]["ErrorInfo"]["properties"];
    let codes = KINDS.iter().map(|kind| (kind.code, kind.status.as_u16()));
    properties["code"]["x-error-codes"] = codes.collect();
    let conflict = StatusCode::CONFLICT.as_u16();
    let reasons = Conflict::ALL.map(|why| (reason(why), conflict));
    properties["reason"]["x-error-reasons"] = reasons.into_iter().collect();
}

/// Adds the extensions of the parameters of lists: the defaults of `page` and `limit`, and which other
/// parameters need one of them.
fn add_paging_rules(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let operations = paths
        .filter_map(|(_, item)| item.as_object_mut())
        .flatten()
        .map(|(_, operation)| operation);
    for operation in operations {
        let id = operation["operationId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            if let Some((_, default)) = paging::DEFAULTS.iter().find(|(page, _)| *page == name) {
                let other = paging::PARAMETERS.iter().find(|other| **other != name);
                parameter["x-default-with"] =
                    other.map(|other| (*other, *default)).into_iter().collect();
            }
            let needed = paging::NEEDED
                .iter()
                .find(|(operation, parameter, _)| *operation == id && *parameter == name);
            match needed {
                Some((.., [])) => parameter["x-needs-paging"] = true.into(),
                Some((.., values)) => parameter["x-needs-paging"] = (*values).into(),
                None => {}
            }
        }
    }
}

/// Adds `additionalProperties: false` to each schema of a request body.
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

//! The OpenAPI document of an API, which the contract gate compares with its contract.
//!
//! This module adds what poem-openapi cannot know: the header `X-Request-Id` of requests and responses,
//! who may call an operation, 413 and 415 for each operation with a body, and that request bodies have no
//! unknown properties. The extensions (`x-…`) come from the tables that the code itself uses.

use std::collections::HashMap;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{EndpointExt, IntoEndpoint, Response};
use poem_openapi::registry::{
    MetaApi, MetaOperation, MetaOperationParam, MetaParamIn, MetaPath, MetaSchema, MetaSchemaRef,
    MetaSecurityScheme, Registry,
};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;

use crate::contract;

use super::authorization;
use super::descriptions;
use super::failures::{KINDS, body_failures, guarded_failures, reasons};
use super::lists::paging;
use super::responses::response_header;

/// Several groups of operations as one API. poem-openapi also accepts a tuple of APIs, but writes a path
/// twice when two of them have operations at it.
pub(super) struct Combined<T>(pub T);

impl<T: OpenApi> OpenApi for Combined<T> {
    fn meta() -> Vec<MetaApi> {
        let mut paths: Vec<MetaPath> = Vec::new();
        for path in T::meta().into_iter().flat_map(|group| group.paths) {
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
        T::register(registry);
        registry.create_security_scheme(SECURITY_SCHEME, security_scheme());
    }

    fn add_routes(self, routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.0.add_routes(routes);
    }
}

/// The name of the security scheme in the contracts.
const SECURITY_SCHEME: &str = "bearerAuth";

fn security_scheme() -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "http",
        description: Some(
            "An access token, which is valid for 15 minutes. It follows RFC8725, the best practices for JSON Web Tokens",
        ),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: Some("JWT"),
        flows: None,
        openid_connect_url: None,
    }
}

/// Adds the security of an operation, from the table of who may call it.
fn add_security(operation: &mut MetaOperation) {
    let id = operation.operation_id.unwrap_or_default();
    let Some(rule) = authorization::rule(id).filter(|rule| rule.takes_token()) else {
        return;
    };
    operation.security = vec![HashMap::from([(SECURITY_SCHEME, Vec::new())])];
    if rule.is_public() {
        operation.security.push(HashMap::new());
    }
    let responses = &mut operation.responses.responses;
    if rule.can_forbid() {
        let known: Vec<_> = responses.iter().map(|response| response.status).collect();
        responses.extend(guarded_failures().filter(|it| !known.contains(&it.status)));
    }
}

/// Adds what is the same for all operations: their security, the header `X-Request-Id`, and the failures of
/// a body.
fn add_common_parts(operation: &mut MetaOperation) {
    add_security(operation);
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

/// The handlers of `service`.
pub(super) fn handlers<T: OpenApi + 'static>(
    service: OpenApiService<Combined<T>, ()>,
) -> BoxEndpoint<'static, Response> {
    service.into_endpoint().map_to_response().boxed()
}

/// The OpenAPI document of `service`, as poem-openapi generates it from the types and handlers.
///
/// # Panics
/// When the document of poem-openapi is not JSON, or has an object with a duplicate key.
pub(super) fn generated<T: OpenApi>(service: &OpenApiService<Combined<T>, ()>) -> Value {
    // Of two equal keys, only one value would be compared with the contract.
    let (mut document, duplicates) =
        contract::json::parse(service.spec().as_bytes()).expect("poem-openapi writes JSON");
    assert!(duplicates.is_empty(), "generated twice: {duplicates:?}");
    close_request_bodies(&mut document);
    add_error_codes(&mut document);
    add_paging_rules(&mut document);
    document
}

/// Adds the extensions with the codes and reasons of errors, each with its status.
fn add_error_codes(document: &mut Value) {
    let Some(properties) = document.pointer_mut("/components/schemas/ErrorInfo/properties") else {
        return;
    };
    let codes = KINDS.iter().map(|kind| (kind.code, kind.status.as_u16()));
    properties["code"]["x-error-codes"] = codes.collect();
    let reasons = reasons().map(|(reason, status)| (reason, status.as_u16()));
    properties["reason"]["x-error-reasons"] = reasons.collect();
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

//! The structure of `OpenAPI` 3.0 documents: the kind of value that each key of each object has.
//!
//! Imports nothing else of the crate. The values of all keys that are not listed here are plain data.

use serde_json::{Map, Value};

/// A kind of object in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Document,
    Info,
    Server,
    ServerVariable,
    Tag,
    ExternalDocs,
    PathItem,
    Operation,
    Parameter,
    RequestBody,
    Response,
    Header,
    MediaType,
    Components,
    SecurityScheme,
    Schema,
}

/// The kind of value that a key has.
pub(super) enum Shape {
    /// Plain data, or something unknown. It is kept as it is.
    Data,
    /// Text for people, in which the amount of white space does not count.
    Text,
    /// A list whose order does not count.
    Set,
    /// The version of `OpenAPI`.
    Version,
    /// Removed, either because it is in [`IGNORED`](super::IGNORED) or because the caller moves it.
    Dropped,
    /// One object.
    One(Node),
    /// An object of objects by name.
    Map(Node),
    /// A list of objects.
    List(Node),
    /// Like `Map(Header)`; the letter case of the names does not count.
    Headers,
    /// Component schemas by name.
    Schemas,
    /// Component objects by name, without those that replaced a reference.
    UnusedComponents(Node),
    /// The declared tags.
    Tags,
}

/// The keys of a path that hold its operations.
pub(in crate::contract) const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The kind of value that a key of an object has.
#[expect(
    clippy::match_same_arms,
    reason = "in the order of the specification, by object"
)]
pub(super) fn shape(node: Node, key: &str) -> Shape {
    match (node, key) {
        (Node::MediaType | Node::Parameter | Node::Header, "example" | "examples")
        | (Node::Components, "examples")
        | (Node::Document, "security") => Shape::Dropped,

        (Node::Document, "openapi") => Shape::Version,
        (Node::Document, "info") => Shape::One(Node::Info),
        (Node::Document | Node::PathItem | Node::Operation, "servers") => Shape::List(Node::Server),
        (Node::Document, "tags") => Shape::Tags,
        (Node::Document, "paths") => Shape::Map(Node::PathItem),
        (Node::Document, "components") => Shape::One(Node::Components),
        (Node::Document | Node::Tag | Node::Operation | Node::Schema, "externalDocs") => {
            Shape::One(Node::ExternalDocs)
        }
        (Node::Server, "variables") => Shape::Map(Node::ServerVariable),

        (Node::PathItem, method) if METHODS.contains(&method) => Shape::One(Node::Operation),
        (Node::Operation, "requestBody") => Shape::One(Node::RequestBody),
        (Node::Operation, "responses") => Shape::Map(Node::Response),
        (Node::RequestBody | Node::Response | Node::Parameter | Node::Header, "content") => {
            Shape::Map(Node::MediaType)
        }
        (Node::Response, "headers") => Shape::Headers,
        (Node::MediaType | Node::Parameter | Node::Header, "schema") => Shape::One(Node::Schema),

        (Node::Components, "schemas") => Shape::Schemas,
        (Node::Components, "securitySchemes") => Shape::Map(Node::SecurityScheme),
        (Node::Components, "parameters") => Shape::UnusedComponents(Node::Parameter),
        (Node::Components, "headers") => Shape::UnusedComponents(Node::Header),
        (Node::Components, "responses") => Shape::UnusedComponents(Node::Response),
        (Node::Components, "requestBodies") => Shape::UnusedComponents(Node::RequestBody),

        (Node::Schema, "properties") => Shape::Map(Node::Schema),
        (Node::Schema, "items" | "additionalProperties" | "not") => Shape::One(Node::Schema),
        (Node::Schema, "allOf" | "anyOf" | "oneOf") => Shape::List(Node::Schema),
        (Node::Schema, "required" | "enum") | (Node::Parameter, "x-needs-paging") => Shape::Set,

        (Node::Components, _) => Shape::Data,
        (_, "description") | (Node::PathItem | Node::Operation, "summary") => Shape::Text,
        _ => Shape::Data,
    }
}

/// Whether a `$ref` may replace an object of this kind. Elsewhere it is an unknown key like any other.
pub(super) fn may_be_reference(node: Node) -> bool {
    matches!(
        node,
        Node::PathItem
            | Node::Parameter
            | Node::RequestBody
            | Node::Response
            | Node::Header
            | Node::SecurityScheme
            | Node::Schema
    )
}

/// Whether this value, in normal form, means the same as an absent key.
pub(super) fn is_default(node: Node, key: &str, value: &Value) -> bool {
    match (node, key) {
        (Node::Operation | Node::Parameter | Node::Header | Node::Schema, "deprecated")
        | (Node::Parameter | Node::Header | Node::RequestBody, "required")
        | (Node::Parameter, "allowEmptyValue" | "allowReserved")
        | (
            Node::Schema,
            "nullable" | "readOnly" | "writeOnly" | "uniqueItems" | "exclusiveMinimum"
            | "exclusiveMaximum",
        ) => value == false,
        (Node::Schema, "minLength" | "minItems" | "minProperties") => value == 0,
        (Node::Schema, "additionalProperties") => value == true || is_empty_object(value),
        (Node::Schema, "required")
        | (Node::Document, "tags" | "servers")
        | (Node::Operation, "tags") => value.as_array().is_some_and(Vec::is_empty),
        (Node::Schema, "properties")
        | (Node::Response, "headers" | "content")
        | (Node::Server, "variables")
        | (
            Node::Components,
            "schemas" | "securitySchemes" | "parameters" | "headers" | "responses"
            | "requestBodies",
        )
        | (Node::Document, "components") => is_empty_object(value),
        _ => false,
    }
}

fn is_empty_object(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

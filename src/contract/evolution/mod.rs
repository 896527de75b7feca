//! What a new edition of the contract does to the clients of the old one: every change, classified
//! as compatible or breaking, and the version that such changes ask for.
//!
//! Knows no web framework; imports the diff's normal form and nothing else of ours, so that it sees
//! exactly what the diff sees ([`IGNORED`](super::diff::IGNORED) is all that neither does), and the
//! order of properties and parameters as well.
//!
//! A change is **compatible** if all that an old client may send is still accepted, all that it may
//! receive was promised before, and generated code still has every name, type and position that
//! callers use. So a schema's constraint breaks clients where it gets narrower in what they send, or
//! wider in what they receive; a schema that does both may do neither. A generated method that
//! gains an optional argument behind all others is compatible, although some languages want it
//! written out; so is a type that becomes optional or nullable, or ceases to be, in languages that show
//! it. What no rule explains is **breaking**.
//!
//! | place | compatible | breaking |
//! |---|---|---|
//! | path, operation | added | removed (a rename is a removal) |
//! | a path parameter's name | | any change: calls with named arguments fail |
//! | `operationId` | | any change: generated methods carry it |
//! | tags of an operation | one more behind the others | one less, another order: generated clients group their methods by it |
//! | security | each old way in still suffices | any other change |
//! | parameter | optional one added behind all others, made optional | removed, required one added, made required, serialised otherwise |
//! | order of parameters, of properties | | any other order, one added in front of another: generated clients take them by position |
//! | request body | optional one added, made optional, media type added | removed, required one added, made required, media type removed |
//! | response status | 4xx or 5xx added, with the body of the old errors; 304 without a body, together with an optional header `If-None-Match` | any other added, any removed |
//! | response media type | | added, removed |
//! | letter case of a media type | any change | |
//! | response header | added, made required | removed, no longer required |
//! | link | added | changed, removed |
//! | callback | added | changed, removed |
//! | component schema, security scheme | added | removed; a reference that leads to another name |
//! | `$ref` | written as an `allOf` around it, with keywords beside | any other change |
//! | type, bound, `multipleOf`, pattern, `nullable`, `required`, `additionalProperties`, `items` | narrower where received, wider where sent, the same in other words | narrower where sent, wider where received, not comparable |
//! | `minimum` with `exclusiveMinimum`, `maximum` with `exclusiveMaximum` | judged as one bound each, as above | |
//! | `enum` | values: as above | added or removed as a whole: generated clients make a type of it (except of a boolean) |
//! | `format` | of a number: as above; of a text: `email` and `hostname`, as above | any other of a text: it decides the type in generated clients |
//! | property | optional one added behind all others, in an open or closed schema where sent, an open one where received | removed; added to a closed schema where received, or to one with a schema for all others |
//! | `readOnly` | where only received; removed from an optional property | added or removed elsewhere |
//! | `writeOnly` | where only sent; removed | added elsewhere |
//! | `allOf`, `anyOf` | compatible inside their members; reordered, if no value and no position depends on the order | members added, removed, exchanged; reordered otherwise |
//! | `default` | | any change: it is what an absent value means |
//! | servers | added behind the others | any other change: generated clients call the first, and choose others by position |
//! | `x-error-codes`, `x-error-reasons` | name added: the set is open | removed, another status |
//! | `x-default-with` of a parameter | | any change, as of `default` |
//! | `x-needs-paging` of a parameter | fewer values | more values |
//! | titles, texts, examples, declared tags, licence, `deprecated`, other extensions (`x-…`), unused components | any change | a title that names a generated type |
//! | `info.version` | not a change, but measured against the others: see [`verdict`] | |
//! | all else | | any change |
//!
//! What generated clients do was tried with openapi-generator 7 (Rust, Java, Kotlin, C#, Go, Python,
//! TypeScript): the order of `required` plays no part, that of `properties` and `parameters` does.

mod bounds;
mod change;
mod composition;
mod document;
mod extensions;
mod order;
mod parameters;
mod responses;
mod schema;
mod servers;
mod sides;
mod users;
mod version;
mod walk;

use serde_json::Value;

use super::diff::{Normalised, normalise};

pub use change::{Change, Severity};
pub use version::{Version, verdict};

/// One edition of the contract: a document that could be read, and its version.
#[derive(Debug, Clone)]
pub struct Edition {
    /// `info.version`.
    pub version: Version,
    /// The document in the diff's normal form.
    pub normalised: Normalised,
}

impl Edition {
    /// Reads an edition from YAML (or JSON).
    ///
    /// # Errors
    /// In one line, what is wrong and where: when it is no YAML, or [`Edition::new`] refuses it.
    pub fn read(yaml: &str) -> Result<Self, String> {
        let document = super::read_yaml(yaml).map_err(|error| {
            let first = error.lines().next().unwrap_or_default();
            format!("not YAML: {first}")
        })?;
        Self::new(&document)
    }

    /// Takes a document that has been read already.
    ///
    /// # Errors
    /// When it is no OpenAPI 3.0 document, has no operation, a version that is not of the form
    /// `1.2.3`, or no normal form: a `$ref` that leads nowhere, for example.
    pub fn new(document: &Value) -> Result<Self, String> {
        let openapi = document.get("openapi").and_then(Value::as_str);
        if !openapi.is_some_and(|version| version.starts_with("3.0.")) {
            return Err("not an OpenAPI 3.0 document: /openapi is not 3.0.x".to_owned());
        }
        let version = document.pointer("/info/version").and_then(Value::as_str);
        let version = version
            .ok_or_else(|| "/info/version is missing or no text".to_owned())?
            .parse()
            .map_err(|problem| format!("/info/version: {problem}"))?;
        let normalised = normalise(document).map_err(|problem| problem.to_string())?;
        if document::operations(&normalised.document).next().is_none() {
            return Err("/paths has no operation: is the document complete?".to_owned());
        }
        Ok(Self {
            version,
            normalised,
        })
    }
}

/// Every change from `old` to `new` but that of `info.version`: the breaking ones first, else in
/// the order of the old document, the same change at many places as one. Empty if and only if the
/// diff finds no difference either, and properties and parameters come in the same order.
#[must_use]
pub fn changes(old: &Normalised, new: &Normalised) -> Vec<Change> {
    let mut walk = walk::Walk::new(old, new);
    walk.document();
    walk.order();
    let mut changes = change::grouped(walk.found);
    changes.sort_by_key(|change| std::cmp::Reverse(change.severity));
    changes
}

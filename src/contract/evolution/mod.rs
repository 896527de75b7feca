//! What a new edition of the contract does to the clients of the old one: every change, classified
//! as compatible or breaking, and the version that such changes ask for.
//!
//! Knows no web framework; imports the diff's normal form and nothing else of ours, so that it sees
//! exactly what the diff sees ([`IGNORED`](super::diff::IGNORED) is all that neither does).
//!
//! A change is **compatible** if all that an old client may send is still accepted, all that it may
//! receive was promised before, and every name that generated code carries is still there. So a
//! schema's constraint breaks clients where it gets narrower in what they send, or wider in what
//! they receive; a schema that does both may do neither. What no rule explains is **breaking**.
//!
//! | place | compatible | breaking |
//! |---|---|---|
//! | path, operation | added | removed (a rename is a removal) |
//! | `operationId` | | any change: generated methods carry it |
//! | tags of an operation | one more | one less: generated clients group their methods by it |
//! | security | each old way in still suffices | any other change |
//! | parameter | optional one added, made optional | removed, required one added, made required, serialised otherwise |
//! | request body | optional one added, made optional, media type added | removed, required one added, made required, media type removed |
//! | response status | 4xx or 5xx added, with the body of the old errors; 304 without a body, together with an optional header `If-None-Match` | any other added, any removed |
//! | response media type | | added, removed |
//! | response header | added, made required | removed, no longer required |
//! | link | added | changed, removed |
//! | component schema, security scheme | added | removed; a reference that leads to another name |
//! | type, format, bound, pattern, `enum`, `nullable`, `required`, `additionalProperties`, `items` | narrower where received, wider where sent | narrower where sent, wider where received, not comparable |
//! | property | optional, in a closed schema, where sent; any, in an open schema, where received | removed; added otherwise |
//! | `allOf`, `anyOf` | compatible inside their members | members added, removed, exchanged |
//! | `default` | | any change: it is what an absent value means |
//! | servers | other hosts | a path of a server's URL removed: it stands before every path |
//! | titles, texts, examples, declared tags, licence, `deprecated`, unused components | any change | a title that names a generated type |
//! | `info.version` | not a change, but measured against the others: see [`verdict`] | |
//! | all else, extensions (`x-…`) too | | any change |

mod document;
mod found;
mod responses;
mod schema;
mod users;
mod version;

use serde_json::Value;

use super::diff::{Normalised, normalise};

pub use found::{Change, Severity};
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
        let document = super::parse(yaml).map_err(|error| {
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
/// the order of the old document. Empty if and only if the diff finds no difference either.
#[must_use]
pub fn changes(old: &Normalised, new: &Normalised) -> Vec<Change> {
    let mut walk = found::Walk::new(old, new);
    walk.document(&old.document, &new.document);
    let mut found = walk.found;
    found.sort_by_key(|change| std::cmp::Reverse(change.severity));
    found
}

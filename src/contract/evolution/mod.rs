//! Classifies every change from one edition of a contract to the next as compatible or breaking for
//! clients, and says how far the version has to move.
//!
//! Imports only the normal form of the diff. It therefore sees what the diff sees, which is
//! everything but [`IGNORED`](super::diff::IGNORED), and the order of properties and parameters.
//!
//! A change is **compatible** if everything that an old client may send is still accepted, everything
//! that it may receive was promised before, and generated code keeps every name, type and position
//! that callers use. A constraint of a schema that gets narrower breaks the clients that send the
//! schema; one that gets wider breaks the clients that receive it. A schema that is both sent and
//! received may change in neither direction. Two changes of generated code are compatible although
//! some languages show them: a method gains an optional argument behind all others, and a type
//! becomes optional or nullable, or stops being so. A change that no rule covers is **breaking**.
//!
//! | place | compatible | breaking |
//! |---|---|---|
//! | path, operation | added | removed, renamed |
//! | a path parameter's name | | any change: calls with named arguments fail |
//! | `operationId` | | any change: generated methods carry it |
//! | tags of an operation | one added behind the others | removed, reordered: generated clients group their methods by it |
//! | security | the credentials of each old alternative are still accepted | any other change |
//! | parameter | optional one added behind all others, made optional | removed, required one added, made required, serialised differently |
//! | order of parameters, of properties | | any change of the order, one added in front of another: generated clients take them by position |
//! | request body | optional one added, made optional, media type added | removed, required one added, made required, media type removed |
//! | response status | 4xx or 5xx added, with the body of the old errors; 304 without a body, together with an optional header `If-None-Match` | any other added, any removed |
//! | response media type | | added, removed |
//! | letter case of a media type | any change | |
//! | response header | added, made required | removed, no longer required |
//! | link | added | changed, removed |
//! | callback | added | changed, removed |
//! | component schema, security scheme | added | removed; a reference that leads to another name |
//! | `$ref` | moved into an `allOf` of its own, with keywords beside that | any other change |
//! | type, bound, `multipleOf`, pattern, `nullable`, `required`, `additionalProperties`, `items` | narrower where received, wider where sent, the same values in another notation | narrower where sent, wider where received, not comparable |
//! | `minimum` with `exclusiveMinimum`, `maximum` with `exclusiveMaximum` | judged together as one bound, as above | |
//! | `enum` | values: as above | the keyword itself added or removed: generated clients make a type of it (except for a boolean) |
//! | `format` | of a number: as above; of a string: `email` and `hostname`, as above | any other of a string: it decides the type in generated clients |
//! | property | optional one added behind all others, in an open or closed schema where sent, an open one where received | removed; added to a closed schema where received, or to one with a schema for all others |
//! | `readOnly` | where only received; removed from an optional property | added or removed elsewhere |
//! | `writeOnly` | where only sent; removed | added elsewhere |
//! | `allOf`, `anyOf` | members changed compatibly; reordered, if no value and no position depends on the order | members added, removed, replaced; reordered otherwise |
//! | `oneOf`, `not`, `discriminator` | | any change |
//! | a component schema within a `oneOf` or `not` | the same values in another notation | any other change of its values |
//! | a component schema that extends one with a `discriminator`, by `allOf` | | added |
//! | `default` | | any change: it is the meaning of an absent value |
//! | servers | added behind the others | any other change: generated clients call the first, and choose others by position |
//! | `x-error-codes`, `x-error-reasons` | name added: the set is open | name removed, status changed |
//! | `x-default-with` of a parameter | | any change, as for `default` |
//! | `x-needs-paging` of a parameter | fewer values | more values |
//! | titles, descriptions, examples, declared tags, licence, `deprecated`, other extensions (`x-…`), unused components | any change | a title that names a generated type |
//! | `info.version` | no change by itself: [`verdict`] compares it with all other changes | |
//! | everything else | | any change |
//!
//! The statements about generated clients were tested with openapi-generator 7 (Rust, Java, Kotlin,
//! C#, Go, Python, TypeScript). The order of `required` does not matter to them; the order of
//! `properties` and `parameters` does.

mod bounds;
mod change;
mod composition;
mod document;
mod extensions;
mod operations;
mod order;
mod parameters;
mod responses;
mod schema;
mod servers;
mod sides;
mod usage;
mod version;
mod walk;

use semver::Version;
use serde_json::Value;

use super::diff::{Normalised, normalise};

pub use change::{Change, Severity};
pub use version::verdict;

/// One edition of a contract: a valid document in normal form, and its version.
#[derive(Debug, Clone)]
pub struct Edition {
    /// `info.version`.
    pub version: Version,
    /// The document in the diff's normal form.
    pub normalised: Normalised,
}

impl Edition {
    /// Reads an edition from YAML, which includes JSON.
    ///
    /// # Errors
    /// What is wrong and where, in one line, when the text is not YAML or [`Edition::new`] fails.
    pub fn read(yaml: &str) -> Result<Self, String> {
        let document = super::read_yaml(yaml).map_err(|error| {
            let first = error.lines().next().unwrap_or_default();
            format!("not YAML: {first}")
        })?;
        Self::new(&document)
    }

    /// Makes an edition of a parsed document.
    ///
    /// # Errors
    /// When it is not an OpenAPI 3.0 document, has no operation, has a version that is not of the form
    /// `1.2.3`, or has no normal form (because a `$ref` leads nowhere, for example).
    pub fn new(document: &Value) -> Result<Self, String> {
        let openapi = document.get("openapi").and_then(Value::as_str);
        if !openapi.is_some_and(|version| version.starts_with("3.0.")) {
            return Err("not an OpenAPI 3.0 document: /openapi is not 3.0.x".to_owned());
        }
        let version = document.pointer("/info/version").and_then(Value::as_str);
        let version = version
            .ok_or_else(|| "/info/version is missing or no text".to_owned())
            .and_then(|text| {
                version::parse(text).map_err(|problem| format!("/info/version: {problem}"))
            })?;
        let normalised = normalise(document).map_err(|problem| problem.to_string())?;
        if operations::operations(&normalised.document)
            .next()
            .is_none()
        {
            return Err("/paths has no operation: is the document complete?".to_owned());
        }
        Ok(Self {
            version,
            normalised,
        })
    }
}

/// Every change from `old` to `new` except that of `info.version`: the breaking changes first, each
/// group in the order of the old document. Equal changes at several places are one change.
///
/// The list is empty if and only if the diff finds no difference and the order of properties and
/// parameters is the same.
#[must_use]
pub fn changes(old: &Normalised, new: &Normalised) -> Vec<Change> {
    let mut walk = walk::Walk::new(old, new);
    walk.document();
    walk.order();
    let mut changes = change::group(walk.occurrences);
    changes.sort_by_key(|change| std::cmp::Reverse(change.severity));
    changes
}

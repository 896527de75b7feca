//! What is wrong with a request, place by place.
//!
//! Imports no other module. The contract finds violations; an error of the service carries them.

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The body.
    Body,
    /// The path.
    Path,
    /// The query.
    Query,
    /// The headers.
    Header,
}

/// One violation of the contract in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The part of the request that `field` stands in.
    pub place: Place,
    /// A JSON pointer into the body (`/email`), or the name of a parameter or header (`page`).
    pub field: String,
    /// What is wrong, without the value that was sent.
    pub message: String,
}

impl Violation {
    /// A violation at `field` of `place`.
    pub fn new(place: Place, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place,
            field: field.into(),
            message: message.into(),
        }
    }

    /// A violation in the body, at a JSON pointer.
    pub fn in_body(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Place::Body, pointer, message)
    }
}

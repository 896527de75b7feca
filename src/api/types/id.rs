//! The type of ids.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::violation::Violation;

/// An id, or another number from 1: an `int32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Id(pub i32);

/// Checks that the `id` in the body of an update, if it is present, is the id in the path.
///
/// # Errors
/// [`Error::Invalid`] when they differ.
pub(in crate::api) fn check_id(in_body: Option<Id>, in_path: Id) -> Result<(), Error> {
    if in_body.is_none_or(|id| id == in_path) {
        return Ok(());
    }
    let violation = Violation::in_body("/id", "must be the id in the path");
    Err(Error::Invalid(vec![violation]))
}

impl Type for Id {
    const IS_REQUIRED: bool = true;
    type RawValueType = i32;
    type RawElementValueType = i32;

    fn name() -> Cow<'static, str> {
        "id".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            minimum: Some(1.0),
            maximum: Some(i32::MAX.into()),
            ..MetaSchema::new_with_format("integer", "int32")
        }))
    }

    fn as_raw_value(&self) -> Option<&i32> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a i32> + 'a> {
        Box::new(std::iter::once(&self.0))
    }
}

impl ParseFromJSON for Id {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        i32::parse_from_json(value)
            .map(Self)
            .map_err(ParseError::propagate)
    }
}

impl ParseFromParameter for Id {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        i32::parse_from_parameter(value)
            .map(Self)
            .map_err(ParseError::propagate)
    }
}

impl ToJSON for Id {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}

//! The type of email addresses in requests.
//!
//! Imports `contract` for the format of an email address.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::contract::email::is_email;

/// An email address in a request. poem-openapi's own `Email` also accepts texts that are not addresses
/// (see [`crate::contract::email`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(pub String);

impl Type for Email {
    const IS_REQUIRED: bool = true;
    type RawValueType = String;
    type RawElementValueType = String;

    fn name() -> Cow<'static, str> {
        "email".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "email")))
    }

    fn as_raw_value(&self) -> Option<&String> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        Box::new(std::iter::once(&self.0))
    }
}

impl ParseFromJSON for Email {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(text)) if is_email(&text) => Ok(Self(text)),
            _ => Err(ParseError::custom("is not an email address")),
        }
    }
}

impl ToJSON for Email {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}

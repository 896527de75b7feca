//! The type of a flag with a constant value.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A flag that always has this value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constant<const VALUE: bool>;

impl<const VALUE: bool> Serialize for Constant<VALUE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(VALUE)
    }
}

impl<const VALUE: bool> Type for Constant<VALUE> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        format!("constant_{VALUE}").into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            enum_items: vec![VALUE.into()],
            ..MetaSchema::new("boolean")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<const VALUE: bool> ParseFromJSON for Constant<VALUE> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        if value == Some(VALUE.into()) {
            Ok(Self)
        } else {
            Err(ParseError::custom(format!("must be {VALUE}")))
        }
    }
}

impl<const VALUE: bool> ToJSON for Constant<VALUE> {
    fn to_json(&self) -> Option<Value> {
        Some(VALUE.into())
    }
}

//! String enums that the contract writes inline.
//!
//! poem-openapi's own `Enum` turns each enum into a component schema.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::violation::Place;

/// A closed set of values, each with the text that stands for it in JSON and in parameters.
pub trait StringEnum: Copy + PartialEq + Send + Sync + 'static {
    /// The texts with their values, in the contract's order.
    const VALUES: &'static [(&'static str, Self)];
    /// The contract's `default`, if there is one.
    const DEFAULT: Option<&'static str> = None;
}

/// A value of a [`StringEnum`] for poem-openapi, which describes it as an inline string enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnumValue<T>(pub T);

impl<T: StringEnum> EnumValue<T> {
    fn text(self) -> &'static str {
        let found = T::VALUES.iter().find(|(_, value)| *value == self.0);
        found.map_or("", |(text, _)| *text)
    }

    fn parse(text: &str) -> ParseResult<Self> {
        let found = T::VALUES.iter().find(|(known, _)| *known == text);
        let found = found.map(|(_, value)| Self(*value));
        found.ok_or_else(|| ParseError::custom("is not one of the texts allowed"))
    }
}

impl<T: StringEnum> Serialize for EnumValue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<T: StringEnum> Type for EnumValue<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "enum_value".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            enum_items: T::VALUES.iter().map(|(text, _)| (*text).into()).collect(),
            default: T::DEFAULT.map(Value::from),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: StringEnum> ParseFromJSON for EnumValue<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        Self::parse(text)
    }
}

impl<T: StringEnum> ParseFromParameter for EnumValue<T> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::parse(value)
    }
}

impl<T: StringEnum> ToJSON for EnumValue<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.text().into())
    }
}

impl StringEnum for Place {
    const VALUES: &'static [(&'static str, Self)] = &[
        ("body", Self::Body),
        ("path", Self::Path),
        ("query", Self::Query),
        ("header", Self::Header),
    ];
}

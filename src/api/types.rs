//! Types that the contract has and poem-openapi does not: an id, an email address, a constant flag, an
//! inline string enum, and a required property that may be null.
//!
//! Imports `contract` for the format of an email address.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::contract::email::is_email;
use crate::error::{Error, Place, Violation};

/// An id (or another count from 1): an `int32` of at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Id(pub i32);

/// Checks the `id` in the body of an update, if there is one, against the id in the path.
///
/// # Errors
/// `Invalid` when they differ.
pub(super) fn check_id(in_body: Option<Id>, in_path: Id) -> Result<(), Error> {
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

/// An email address that a client sends. poem-openapi's own `Email` accepts more than addresses (see
/// [`crate::contract::email`]).
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

/// A flag that always has the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Always<const VALUE: bool>;

impl<const VALUE: bool> Serialize for Always<VALUE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(VALUE)
    }
}

impl<const VALUE: bool> Type for Always<VALUE> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        format!("always_{VALUE}").into()
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

impl<const VALUE: bool> ParseFromJSON for Always<VALUE> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        if value == Some(VALUE.into()) {
            Ok(Self)
        } else {
            Err(ParseError::custom(format!("must be {VALUE}")))
        }
    }
}

impl<const VALUE: bool> ToJSON for Always<VALUE> {
    fn to_json(&self) -> Option<Value> {
        Some(VALUE.into())
    }
}

/// A closed set of values, each with its text in JSON and in parameters.
pub trait Words: Copy + PartialEq + Send + Sync + 'static {
    /// Each text and its value, in the contract's order.
    const ALL: &'static [(&'static str, Self)];
    /// The contract's `default`, if there is one.
    const DEFAULT: Option<&'static str> = None;
}

/// One value of [`Words`], as an inline string enum. poem-openapi's own `Enum` makes a component of
/// each enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<T>(pub T);

impl<T: Words> Word<T> {
    fn text(self) -> &'static str {
        let found = T::ALL.iter().find(|(_, value)| *value == self.0);
        found.map_or("", |(text, _)| *text)
    }

    fn read(text: &str) -> ParseResult<Self> {
        let found = T::ALL.iter().find(|(word, _)| *word == text);
        let found = found.map(|(_, value)| Self(*value));
        found.ok_or_else(|| ParseError::custom("is not one of the texts allowed"))
    }
}

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<T: Words> Type for Word<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "word".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            enum_items: T::ALL.iter().map(|(text, _)| (*text).into()).collect(),
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

impl<T: Words> ParseFromJSON for Word<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        Self::read(text)
    }
}

impl<T: Words> ParseFromParameter for Word<T> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::read(value)
    }
}

impl<T: Words> ToJSON for Word<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.text().into())
    }
}

impl Words for Place {
    const ALL: &'static [(&'static str, Self)] = &[
        ("body", Self::Body),
        ("path", Self::Path),
        ("query", Self::Query),
        ("header", Self::Header),
    ];
}

/// A required property that may be null; `Option` would mean that it may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nullable<T>(pub Option<T>);

impl<T: Type> Type for Nullable<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        format!("nullable_{}", T::name()).into()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref().merge(MetaSchema {
            nullable: true,
            ..MetaSchema::ANY
        })
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_ref().and_then(T::as_raw_value)
    }

    fn raw_element_iter<'a>(
        &'a self,
    ) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(self.0.iter().flat_map(T::raw_element_iter))
    }
}

impl<T: ParseFromJSON> ParseFromJSON for Nullable<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Option::parse_from_json(value)
            .map(Self)
            .map_err(ParseError::propagate)
    }
}

impl<T: ToJSON> ToJSON for Nullable<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.to_json().unwrap_or(Value::Null))
    }
}

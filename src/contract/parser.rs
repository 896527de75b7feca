//! The state that all functions share which parse a part of a contract: the document, its schemas, and
//! the check that these are supported.
//!
//! Imports the module's `located`, `supported` and `validators`.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::Value;

use super::located::{Located, ParseError};
use super::supported::SchemaCheck;
use super::validators::Schemas;

/// Parses a contract from a document.
pub(super) struct Parser<'d> {
    pub document: &'d Value,
    pub schemas: Arc<Schemas>,
    check: RefCell<SchemaCheck<'d>>,
}

impl<'d> Parser<'d> {
    pub(super) fn new(document: &'d Arc<Value>) -> Self {
        Self {
            document,
            schemas: Arc::new(Schemas::new(Arc::clone(document))),
            check: RefCell::new(SchemaCheck::new(document)),
        }
    }

    /// Checks that a schema is supported.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn check(&self, schema: &Located<'d>) -> Result<(), ParseError> {
        self.check.borrow_mut().check(schema)
    }

    /// Checks that a schema does not apply itself to the same value, through `allOf` for example.
    ///
    /// # Errors
    /// When it does.
    pub(super) fn check_acyclic(&self, schema: &Located<'d>) -> Result<(), ParseError> {
        self.check.borrow().check_acyclic(schema, &mut Vec::new())
    }

    /// The media type of a body, and the schema; `None` when `content` is empty.
    ///
    /// # Errors
    /// When there are several media types, when the one is not JSON, or when it has no schema.
    pub(super) fn media_type(
        &self,
        content: &Located<'d>,
    ) -> Result<Option<(&'d str, Located<'d>)>, ParseError> {
        let members = content.members()?;
        let [(name, media_type)] = members.as_slice() else {
            return if members.is_empty() {
                Ok(None)
            } else {
                Err(content.error("several media types are not supported"))
            };
        };
        let (essence, charset) = name.split_once(';').unwrap_or((name, "charset=utf-8"));
        let is_json = essence.trim().eq_ignore_ascii_case("application/json")
            && charset.trim().eq_ignore_ascii_case("charset=utf-8");
        if !is_json {
            return Err(media_type.error("is not supported: a body is application/json"));
        }
        media_type.only(&["schema", "example", "examples"])?;
        let schema = media_type.require("schema")?;
        self.check(&schema)?;
        Ok(Some((name, schema)))
    }
}

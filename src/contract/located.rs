//! A value of a document together with its JSON pointer, which errors contain. Imports nothing else of
//! the crate.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Why a document cannot be used as a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The JSON pointer to the construct, as a URI fragment: `#/paths/~1things/get`.
    pub pointer: String,
    /// What is wrong with it, and what is supported instead.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

impl std::error::Error for ParseError {}

/// A value of a document, and the JSON pointer to it.
#[derive(Clone)]
pub(super) struct Located<'d> {
    pub value: &'d Value,
    /// The JSON pointer, without `#`.
    pub pointer: String,
}

impl<'d> Located<'d> {
    /// The whole document.
    pub(super) fn root(document: &'d Value) -> Self {
        Self {
            value: document,
            pointer: String::new(),
        }
    }

    /// The member with this name, if there is one.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        Some(self.below(name, value))
    }

    /// The member with this name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn require(&self, name: &str) -> Result<Self, ParseError> {
        let missing = || self.error(format!("needs `{name}`"));
        self.get(name).ok_or_else(missing)
    }

    /// The text of the member with this name.
    ///
    /// # Errors
    /// When there is none, or it is not a string.
    pub(super) fn text(&self, name: &str) -> Result<&'d str, ParseError> {
        let member = self.require(name)?;
        let text = member.value.as_str();
        text.ok_or_else(|| member.error("is not a string"))
    }

    /// Whether the member with this name is `true`; an absent member is `false`.
    ///
    /// # Errors
    /// When it is not a boolean.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ParseError> {
        match self.get(name) {
            None => Ok(false),
            Some(member) => {
                let flag = member.value.as_bool();
                flag.ok_or_else(|| member.error("is not true or false"))
            }
        }
    }

    /// The members of an object, in the order of the document.
    pub(super) fn members(&self) -> Result<Vec<(&'d str, Self)>, ParseError> {
        let members = self.value.as_object();
        let members = members.ok_or_else(|| self.error("is not an object"))?;
        let members = members.iter();
        Ok(members
            .map(|(name, value)| (name.as_str(), self.below(name, value)))
            .collect())
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<Self>, ParseError> {
        let items = self.value.as_array();
        let items = items.ok_or_else(|| self.error("is not a list"))?;
        let items = items.iter().enumerate();
        Ok(items
            .map(|(index, value)| self.below(&index.to_string(), value))
            .collect())
    }

    /// Checks that an object has no other members than these and extensions (`x-…`).
    ///
    /// # Errors
    /// The first other member.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ParseError> {
        let mut members = self.members()?.into_iter();
        let unknown = members.find(|(name, _)| !known.contains(name) && !name.starts_with("x-"));
        match unknown {
            Some((_, unknown)) => Err(unknown.error("is not supported here")),
            None => Ok(()),
        }
    }

    /// The value of a member or item, which `segment` names.
    fn below(&self, segment: &str, value: &'d Value) -> Self {
        let segment = segment.replace('~', "~0").replace('/', "~1");
        Self {
            value,
            pointer: format!("{}/{segment}", self.pointer),
        }
    }

    /// An error at this place.
    pub(super) fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError {
            pointer: format!("#{}", self.pointer),
            message: message.into(),
        }
    }

    /// Follows the `$ref` of this object, if it has one, to a component in `#/components/<section>/`.
    ///
    /// # Errors
    /// When the `$ref` leads to another place, to a missing component or to itself, or when it has
    /// siblings, which OpenAPI 3.0 ignores.
    pub(super) fn resolve(self, document: &'d Value, section: &str) -> Result<Self, ParseError> {
        let mut at = self;
        let mut seen = Vec::new();
        while let Some(reference) = at.get("$ref") {
            if at.members()?.len() > 1 {
                let message = "OpenAPI 3.0 ignores what stands beside a `$ref`: take it away";
                return Err(at.error(message));
            }
            let target = reference.value.as_str();
            let target = target.ok_or_else(|| reference.error("is not a string"))?;
            let name = component_name(target, section).ok_or_else(|| {
                reference.error(format!(
                    "`{target}` is not supported: a reference leads to #/components/{section}/<name>"
                ))
            })?;
            if seen.contains(&name) {
                return Err(reference.error(format!("`{target}` leads back to itself")));
            }
            let pointer = format!("/components/{section}/{name}");
            let value = document.pointer(&pointer);
            let value =
                value.ok_or_else(|| reference.error(format!("`{target}` leads nowhere")))?;
            seen.push(name);
            at = Self { value, pointer };
        }
        Ok(at)
    }
}

/// The name of the component to which a `$ref` leads, if it is in this section of the document. Names of
/// components have no characters that a JSON pointer or a URI has to escape.
pub(super) fn component_name(reference: &str, section: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    let pointer = percent_decode_str(fragment).decode_utf8().ok()?;
    let name = pointer.strip_prefix("/components/")?;
    let name = name.strip_prefix(section)?.strip_prefix('/')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_plain)).then(|| name.to_owned())
}

//! A value of a document together with the JSON pointer to it, so that whatever is wrong with the
//! value can be named by its place. Imports nothing of ours.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Why a document cannot be used as a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The JSON pointer to the construct, as a URI fragment: `#/paths/~1things/get`.
    pub pointer: String,
    /// What is wrong with it, and what is supported instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

impl std::error::Error for Problem {}

/// A value of a document, and where it is.
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

    /// The member of this name, if there is one.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        Some(self.below(name, value))
    }

    /// The member of this name.
    pub(super) fn require(&self, name: &str) -> Result<Self, Problem> {
        let missing = || self.problem(format!("needs `{name}`"));
        self.get(name).ok_or_else(missing)
    }

    /// The text under this name.
    pub(super) fn text(&self, name: &str) -> Result<&'d str, Problem> {
        let member = self.require(name)?;
        let text = member.value.as_str();
        text.ok_or_else(|| member.problem("is not a string"))
    }

    /// Whether the member of this name is `true`; an absent one is `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some(member) => {
                let flag = member.value.as_bool();
                flag.ok_or_else(|| member.problem("is not true or false"))
            }
        }
    }

    /// The members of an object, in the order of the document.
    pub(super) fn members(&self) -> Result<Vec<(&'d str, Self)>, Problem> {
        let members = self.value.as_object();
        let members = members.ok_or_else(|| self.problem("is not an object"))?;
        let members = members.iter();
        Ok(members
            .map(|(name, value)| (name.as_str(), self.below(name, value)))
            .collect())
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<Self>, Problem> {
        let items = self.value.as_array();
        let items = items.ok_or_else(|| self.problem("is not a list"))?;
        let items = items.iter().enumerate();
        Ok(items
            .map(|(index, value)| self.below(&index.to_string(), value))
            .collect())
    }

    /// Demands that an object has only these members, or extensions (`x-…`).
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let mut members = self.members()?.into_iter();
        let unknown = members.find(|(name, _)| !known.contains(name) && !name.starts_with("x-"));
        match unknown {
            Some((_, unknown)) => Err(unknown.problem("is not supported here")),
            None => Ok(()),
        }
    }

    fn below(&self, segment: &str, value: &'d Value) -> Self {
        let segment = segment.replace('~', "~0").replace('/', "~1");
        Self {
            value,
            pointer: format!("{}/{segment}", self.pointer),
        }
    }

    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            pointer: format!("#{}", self.pointer),
            message: message.into(),
        }
    }

    /// The object that this is, or that its `$ref` leads to within `#/components/<section>/`.
    ///
    /// # Errors
    /// When the `$ref` leads anywhere else, nowhere, or back to itself, or has siblings, which
    /// OpenAPI 3.0 ignores.
    pub(super) fn resolve(self, document: &'d Value, section: &str) -> Result<Self, Problem> {
        let mut at = self;
        let mut seen = Vec::new();
        while let Some(reference) = at.get("$ref") {
            if at.members()?.len() > 1 {
                let message = "OpenAPI 3.0 ignores what stands beside a `$ref`: take it away";
                return Err(at.problem(message));
            }
            let target = reference.value.as_str();
            let target = target.ok_or_else(|| reference.problem("is not a string"))?;
            let name = component_name(target, section).ok_or_else(|| {
                reference.problem(format!(
                    "`{target}` is not supported: a reference leads to #/components/{section}/<name>"
                ))
            })?;
            if seen.contains(&name) {
                return Err(reference.problem(format!("`{target}` leads back to itself")));
            }
            let pointer = format!("/components/{section}/{name}");
            let value = document.pointer(&pointer);
            let value =
                value.ok_or_else(|| reference.problem(format!("`{target}` leads nowhere")))?;
            seen.push(name);
            at = Self { value, pointer };
        }
        Ok(at)
    }
}

/// The name of the component that a `$ref` within the document leads to. Names have none of the
/// characters that a JSON pointer or a URI would have to escape.
pub(super) fn component_name(reference: &str, section: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    let pointer = percent_decode_str(fragment).decode_utf8().ok()?;
    let name = pointer.strip_prefix("/components/")?;
    let name = name.strip_prefix(section)?.strip_prefix('/')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_plain)).then(|| name.to_owned())
}

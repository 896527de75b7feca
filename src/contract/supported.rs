//! Which schemas are supported: every keyword of an OpenAPI 3.0 schema, with the values that the
//! specification allows. Whatever else a schema says is refused here, with its place, so that
//! nothing of a contract is silently ignored and every schema of a parsed contract compiles.
//!
//! Imports the module's `located`.

use std::collections::HashSet;

use serde_json::Value;

use super::located::{Located, Problem};

const TYPES: [&str; 6] = ["string", "number", "integer", "boolean", "array", "object"];

/// Checks schemas, each of them once.
pub(super) struct SchemaCheck<'d> {
    document: &'d Value,
    /// The pointers of the schemas that are, or are being, checked.
    checked: HashSet<String>,
}

impl<'d> SchemaCheck<'d> {
    pub(super) fn new(document: &'d Value) -> Self {
        Self {
            document,
            checked: HashSet::new(),
        }
    }

    /// Checks a schema and all that it refers to.
    ///
    /// # Errors
    /// The first construct that is not supported.
    pub(super) fn check(&mut self, schema: &Located<'d>) -> Result<(), Problem> {
        let schema = schema.clone().resolve(self.document, "schemas")?;
        if self.checked.insert(schema.pointer.clone()) {
            self.keywords(&schema)
        } else {
            Ok(())
        }
    }

    /// Checks that a schema, by its parts and references, does not lead back to itself for one and
    /// the same value: a validator would never come to an end. `open` are the pointers that led here.
    ///
    /// # Errors
    /// When it does.
    pub(super) fn check_acyclic(
        &self,
        schema: &Located<'d>,
        open: &mut Vec<String>,
    ) -> Result<(), Problem> {
        let resolved = schema.clone().resolve(self.document, "schemas")?;
        if open.contains(&resolved.pointer) {
            return Err(schema.problem("leads back to itself for one and the same value"));
        }
        open.push(resolved.pointer.clone());
        let lists = ["allOf", "anyOf", "oneOf"].map(|keyword| resolved.get(keyword));
        for list in lists.iter().flatten() {
            for member in list.items()? {
                self.check_acyclic(&member, open)?;
            }
        }
        if let Some(not) = resolved.get("not") {
            self.check_acyclic(&not, open)?;
        }
        open.pop();
        Ok(())
    }

    fn keywords(&mut self, schema: &Located<'d>) -> Result<(), Problem> {
        for (keyword, value) in schema.members()? {
            self.keyword(schema, keyword, &value)?;
        }
        Ok(())
    }

    fn keyword(
        &mut self,
        schema: &Located<'d>,
        keyword: &str,
        value: &Located<'d>,
    ) -> Result<(), Problem> {
        let needs = |other: &str| match schema.get(other) {
            Some(_) => Ok(()),
            None => Err(value.problem(format!("has no effect without `{other}`"))),
        };
        match keyword {
            "type" => kind(schema, value),
            "properties" => {
                let properties = value.members()?;
                let mut properties = properties.iter();
                properties.try_for_each(|(_, property)| self.check(property))
            }
            "additionalProperties" if value.value.is_boolean() => Ok(()),
            "items" | "additionalProperties" | "not" => self.check(value),
            "allOf" | "anyOf" | "oneOf" => {
                let members = value.items()?;
                if members.is_empty() {
                    return Err(value.problem("is empty"));
                }
                members.iter().try_for_each(|member| self.check(member))
            }
            "discriminator" => self.discriminator(schema, value),
            "nullable" => {
                if schema.flag(keyword)? {
                    needs("type")?;
                }
                Ok(())
            }
            "exclusiveMinimum" => schema.flag(keyword).and_then(|_| needs("minimum")),
            "exclusiveMaximum" => schema.flag(keyword).and_then(|_| needs("maximum")),
            "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" => {
                schema.flag(keyword).map(drop)
            }
            "minimum" | "maximum" | "multipleOf" => number(keyword, value),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => match value.value.as_u64() {
                Some(_) => Ok(()),
                None => Err(value.problem("is not a whole number from 0")),
            },
            "required" => required(value),
            "enum" => {
                let values = value.items()?;
                let is_twice = |(index, one): (usize, &Located<'_>)| {
                    values[..index].iter().any(|other| other.value == one.value)
                };
                if values.is_empty() || values.iter().enumerate().any(is_twice) {
                    return Err(value.problem("is not a list of different values"));
                }
                Ok(())
            }
            "pattern" => {
                let pattern = schema.text(keyword)?;
                if is_pattern(pattern) {
                    Ok(())
                } else {
                    Err(value.problem("is not a regular expression that can be compiled"))
                }
            }
            "format" => schema.text(keyword).map(drop),
            "title" | "description" | "default" | "example" | "externalDocs" | "xml" => Ok(()),
            extension if extension.starts_with("x-") => Ok(()),
            _ => Err(value.problem("is not a keyword of OpenAPI 3.0 schemas")),
        }
    }

    /// A `discriminator` chooses one of several schemas by a property. A validator that tries them
    /// all finds the same one if each of them demands its own value of that property.
    fn discriminator(&self, schema: &Located<'d>, value: &Located<'d>) -> Result<(), Problem> {
        let property = value.text("propertyName")?;
        let members = match schema.get("oneOf").or_else(|| schema.get("anyOf")) {
            Some(members) => members.items()?,
            None => return Err(value.problem("has no effect without `oneOf` or `anyOf`")),
        };
        let mut seen: Vec<&Value> = Vec::new();
        for member in &members {
            let only = self.only_value(member, property)?;
            match only.filter(|only| !seen.contains(only)) {
                Some(only) => seen.push(only),
                None => {
                    return Err(member.problem(format!(
                        "is chosen by a discriminator, which is supported only where each schema \
                         requires `{property}` with an `enum` of one value of its own"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The only value that a schema allows for a required property, if there is one. No schema
    /// leads back to itself.
    fn only_value(
        &self,
        schema: &Located<'d>,
        property: &str,
    ) -> Result<Option<&'d Value>, Problem> {
        let schema = schema.clone().resolve(self.document, "schemas")?;
        let required = schema.value.get("required").and_then(Value::as_array);
        let is_required = required.is_some_and(|names| names.iter().any(|it| it == property));
        let values = schema.get("properties").and_then(|it| it.get(property));
        let values = match values {
            Some(property) => property.resolve(self.document, "schemas")?.get("enum"),
            None => None,
        };
        if let Some([only]) = values.and_then(|it| it.value.as_array()).map(Vec::as_slice)
            && is_required
        {
            return Ok(Some(only));
        }
        let members = match schema.get("allOf") {
            Some(members) => members.items()?,
            None => return Ok(None),
        };
        for member in &members {
            if let Some(only) = self.only_value(member, property)? {
                return Ok(Some(only));
            }
        }
        Ok(None)
    }
}

/// Whether jsonschema compiles a pattern. Asking jsonschema itself would load its meta-schema: two
/// megabytes that a server which is only read from does without.
fn is_pattern(pattern: &str) -> bool {
    let translated = jsonschema_regex::to_rust_regex(pattern);
    jsonschema_regex::is_valid_ecma_regex(pattern)
        && translated.is_ok_and(|it| fancy_regex::Regex::new(&it).is_ok())
}

fn kind(schema: &Located<'_>, value: &Located<'_>) -> Result<(), Problem> {
    match schema.text("type")? {
        "array" => schema.require("items").map(drop),
        kind if TYPES.contains(&kind) => Ok(()),
        kind => Err(value.problem(format!("`{kind}` is not a type of OpenAPI 3.0"))),
    }
}

fn number(keyword: &str, value: &Located<'_>) -> Result<(), Problem> {
    match value.value.as_f64() {
        Some(number) if keyword == "multipleOf" && number <= 0.0 => {
            Err(value.problem("is not greater than 0"))
        }
        Some(_) => Ok(()),
        None => Err(value.problem("is not a number")),
    }
}

fn required(value: &Located<'_>) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    for item in value.items()? {
        let name = item.value.as_str();
        let name = name.ok_or_else(|| item.problem("is not the name of a property"))?;
        if !seen.insert(name) {
            return Err(item.problem(format!("`{name}` is there twice")));
        }
    }
    Ok(())
}

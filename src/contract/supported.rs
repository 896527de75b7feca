//! Checks that schemas are supported: they may have every keyword of an OpenAPI 3.0 schema, with a value
//! that the specification allows. Everything else is an error, so that no keyword is silently ignored
//! and every schema of a parsed contract compiles.
//!
//! Imports the module's `located`.

use std::collections::HashSet;

use serde_json::Value;

use super::located::{Located, ParseError, component_name};

const TYPES: [&str; 6] = ["string", "number", "integer", "boolean", "array", "object"];

/// Checks schemas, each of them once.
pub(super) struct SchemaCheck<'d> {
    document: &'d Value,
    /// The pointers to the schemas whose check has started.
    checked: HashSet<String>,
}

impl<'d> SchemaCheck<'d> {
    pub(super) fn new(document: &'d Value) -> Self {
        Self {
            document,
            checked: HashSet::new(),
        }
    }

    /// Checks a schema and all schemas to which it refers.
    ///
    /// # Errors
    /// The first construct that is not supported.
    pub(super) fn check(&mut self, schema: &Located<'d>) -> Result<(), ParseError> {
        let schema = schema.clone().resolve(self.document, "schemas")?;
        if self.checked.insert(schema.pointer.clone()) {
            self.check_keywords(&schema)
        } else {
            Ok(())
        }
    }

    /// Checks that a schema does not apply itself to the same value, through references in `allOf`,
    /// `anyOf`, `oneOf` or `not`: a validator would never end. `open` are the pointers to the schemas that
    /// contain this one.
    ///
    /// # Errors
    /// When it does.
    pub(super) fn check_acyclic(
        &self,
        schema: &Located<'d>,
        open: &mut Vec<String>,
    ) -> Result<(), ParseError> {
        let resolved = schema.clone().resolve(self.document, "schemas")?;
        if open.contains(&resolved.pointer) {
            return Err(schema.error("leads back to itself for one and the same value"));
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

    fn check_keywords(&mut self, schema: &Located<'d>) -> Result<(), ParseError> {
        for (keyword, value) in schema.members()? {
            self.check_keyword(schema, keyword, &value)?;
        }
        Ok(())
    }

    fn check_keyword(
        &mut self,
        schema: &Located<'d>,
        keyword: &str,
        value: &Located<'d>,
    ) -> Result<(), ParseError> {
        let needs = |other: &str| match schema.get(other) {
            Some(_) => Ok(()),
            None => Err(value.error(format!("has no effect without `{other}`"))),
        };
        match keyword {
            "type" => check_type(schema, value),
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
                    return Err(value.error("is empty"));
                }
                members.iter().try_for_each(|member| self.check(member))
            }
            "discriminator" => self.check_discriminator(schema, value),
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
            "minimum" | "maximum" | "multipleOf" => check_number(keyword, value),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => match value.value.as_u64() {
                Some(_) => Ok(()),
                None => Err(value.error("is not a whole number from 0")),
            },
            "required" => check_required(value),
            "enum" => {
                let values = value.items()?;
                let is_twice = |(index, one): (usize, &Located<'_>)| {
                    values[..index].iter().any(|other| other.value == one.value)
                };
                if values.is_empty() || values.iter().enumerate().any(is_twice) {
                    return Err(value.error("is not a list of different values"));
                }
                Ok(())
            }
            "pattern" => {
                let pattern = schema.text(keyword)?;
                if is_pattern(pattern) {
                    Ok(())
                } else {
                    Err(value.error("is not a regular expression that can be compiled"))
                }
            }
            "format" => schema.text(keyword).map(drop),
            "title" | "description" | "default" | "example" | "externalDocs" | "xml" => Ok(()),
            extension if extension.starts_with("x-") => Ok(()),
            _ => Err(value.error("is not a keyword of OpenAPI 3.0 schemas")),
        }
    }

    /// Checks that the validator may ignore a `discriminator`. It selects one of several schemas by the
    /// value of a property. The validator tries all of them, and finds the same one if each schema requires
    /// a different value of that property, by which `mapping`, or else the name of the schema, selects it.
    fn check_discriminator(
        &self,
        schema: &Located<'d>,
        value: &Located<'d>,
    ) -> Result<(), ParseError> {
        value.only(&["propertyName", "mapping"])?;
        let property = value.text("propertyName")?;
        let members = match schema.get("oneOf").or_else(|| schema.get("anyOf")) {
            Some(members) => members.items()?,
            None => return Err(value.error("has no effect without `oneOf` or `anyOf`")),
        };
        let mut seen: Vec<&Value> = Vec::new();
        // The only value of the property for each component.
        let mut values: Vec<(String, &Value)> = Vec::new();
        for member in &members {
            let only = self.only_value(member, property)?;
            match only.filter(|only| !seen.contains(only)) {
                Some(only) => {
                    seen.push(only);
                    let target = member.get("$ref").and_then(|it| it.value.as_str());
                    let name = target.and_then(|it| component_name(it, "schemas"));
                    values.extend(name.map(|name| (name, only)));
                }
                None => {
                    return Err(member.error(format!(
                        "is chosen by a discriminator, which is supported only where each schema \
                         requires `{property}` with an `enum` of one value of its own"
                    )));
                }
            }
        }
        let mut mapped: Vec<String> = Vec::new();
        for (key, target) in match value.get("mapping") {
            Some(mapping) => mapping.members()?,
            None => Vec::new(),
        } {
            let text = target.value.as_str();
            let text = text.ok_or_else(|| target.error("is not a string"))?;
            // A target without a slash is the name of a schema.
            let name = component_name(text, "schemas").unwrap_or_else(|| text.to_owned());
            let mut members = values.iter();
            if !members.any(|(member, only)| *member == name && *only == key) {
                return Err(target.error(format!(
                    "is not one of the schemas, with `{key}` as the only value of `{property}`"
                )));
            }
            mapped.push(name);
        }
        let mut unmapped = values.iter().filter(|(name, _)| !mapped.contains(name));
        match unmapped.find(|(name, only)| *only != name) {
            Some((name, only)) => Err(value.error(format!(
                "selects `{name}` by its name, but its only value of `{property}` is {only}: add a `mapping`"
            ))),
            None => Ok(()),
        }
    }

    /// The only value that a schema allows for a required property, if there is one. The recursion ends,
    /// since [`Self::check_acyclic`] has passed for all schemas.
    fn only_value(
        &self,
        schema: &Located<'d>,
        property: &str,
    ) -> Result<Option<&'d Value>, ParseError> {
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

/// Whether jsonschema can compile a pattern. This uses the same libraries as jsonschema, because
/// jsonschema itself would load its meta-schema, which takes two megabytes of memory.
fn is_pattern(pattern: &str) -> bool {
    let translated = jsonschema_regex::to_rust_regex(pattern);
    jsonschema_regex::is_valid_ecma_regex(pattern)
        && translated.is_ok_and(|it| fancy_regex::Regex::new(&it).is_ok())
}

fn check_type(schema: &Located<'_>, value: &Located<'_>) -> Result<(), ParseError> {
    match schema.text("type")? {
        "array" => schema.require("items").map(drop),
        kind if TYPES.contains(&kind) => Ok(()),
        kind => Err(value.error(format!("`{kind}` is not a type of OpenAPI 3.0"))),
    }
}

fn check_number(keyword: &str, value: &Located<'_>) -> Result<(), ParseError> {
    match value.value.as_f64() {
        Some(number) if keyword == "multipleOf" && number <= 0.0 => {
            Err(value.error("is not greater than 0"))
        }
        Some(_) => Ok(()),
        None => Err(value.error("is not a number")),
    }
}

fn check_required(value: &Located<'_>) -> Result<(), ParseError> {
    let mut seen = HashSet::new();
    for item in value.items()? {
        let name = item.value.as_str();
        let name = name.ok_or_else(|| item.error("is not the name of a property"))?;
        if !seen.insert(name) {
            return Err(item.error(format!("`{name}` is there twice")));
        }
    }
    Ok(())
}

//! The normal form of operations: what applies to an operation is written in it, including the
//! parameters of its path and the security of the document.
//!
//! Imports the diff's `canonical`, `normalised` and `structure`.

use serde_json::{Map, Value};

use super::super::canonical::{
    drop_redundant_style, local_pointer, plain_data, security_requirement, sorted,
};
use super::super::normalised::{Link, NormaliseError};
use super::super::structure::{METHODS, Node};
use super::Walk;

impl<'a> Walk<'a> {
    /// A path. Its parameters move into each of its operations.
    pub(super) fn path_item(
        &mut self,
        members: &'a Map<String, Value>,
    ) -> Result<Value, NormaliseError> {
        let shared = members.get("parameters").and_then(Value::as_array);
        let has_operation = METHODS
            .iter()
            .any(|method| members.get(*method).is_some_and(Value::is_object));
        let moved: &[&str] = match shared {
            Some(parameters) if has_operation => {
                self.path_parameters = Some((format!("{}/parameters", self.source), parameters));
                &["parameters"]
            }
            _ => &[],
        };
        let out = self.members(Node::PathItem, members, moved)?;
        self.path_parameters = None;
        Ok(Value::Object(out))
    }

    /// Replaces the parameters and security of an operation by all that apply to it, including those of
    /// the path and the document.
    pub(super) fn finish_operation(
        &mut self,
        out: &mut Map<String, Value>,
        members: &'a Map<String, Value>,
    ) -> Result<(), NormaliseError> {
        let own = match members.get("parameters") {
            None => [].as_slice(),
            Some(Value::Array(own)) => own.as_slice(),
            Some(_) => return Err(self.error("`parameters` is not a list".to_owned())),
        };
        let to = format!("{}/parameters", self.output);
        let mut parameters = match self.path_parameters.clone() {
            Some(shared) => self.parameters(&to, shared)?,
            None => Map::new(),
        };
        let own = (format!("{}/parameters", self.source), own);
        for (key, parameter) in self.parameters(&to, own)? {
            // A parameter that overrides one of the path has the position that the operation gives it,
            // as in generated clients.
            parameters.shift_remove(&key);
            parameters.insert(key, parameter);
        }
        out.shift_remove("parameters");
        if !parameters.is_empty() {
            out.insert("parameters".to_owned(), Value::Object(parameters));
        }

        let security = match members.get("security") {
            Some(own) => Some(own),
            None => self.root.get("security").inspect(|_| {
                let to = format!("{}/security", self.output);
                let at = "/security".to_owned();
                self.links.insert(to, Link { at, target: None });
            }),
        };
        out.shift_remove("security");
        match security {
            Some(Value::Array(alternatives)) if alternatives.is_empty() => {}
            Some(Value::Array(alternatives)) => {
                let alternatives = sorted(alternatives.iter().map(security_requirement));
                out.insert("security".to_owned(), Value::Array(alternatives));
            }
            Some(other) => {
                out.insert("security".to_owned(), plain_data(other));
            }
            None => {}
        }
        Ok(())
    }

    pub(super) fn finish_parameter(
        &self,
        out: &mut Map<String, Value>,
    ) -> Result<(), NormaliseError> {
        let (Some(Value::String(name)), Some(Value::String(location))) =
            (out.get("name"), out.get("in"))
        else {
            let message = "a parameter needs `name` and `in`, both text";
            return Err(self.error(message.to_owned()));
        };
        let (name, location) = (name.to_ascii_lowercase(), location.clone());
        if location == "header" {
            out.insert("name".to_owned(), Value::String(name));
        }
        drop_redundant_style(out, &location, self.root);
        Ok(())
    }

    /// The parameters of a list as an object, by location and name.
    fn parameters(
        &mut self,
        to: &str,
        (at, list): (String, &'a [Value]),
    ) -> Result<Map<String, Value>, NormaliseError> {
        let mut out = Map::new();
        let outer_source = std::mem::replace(&mut self.source, at);
        let outer_output = std::mem::replace(&mut self.output, to.to_owned());
        for (index, parameter) in list.iter().enumerate() {
            let definition = self.definition(parameter);
            let text = |key| {
                definition
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            // For a parameter without name, the walk reports the problem.
            let key = match text("in") {
                "header" => format!("header {}", text("name").to_ascii_lowercase()),
                location => format!("{location} {}", text("name")),
            };
            let value = self.at_member(&index.to_string(), &key, |walk| {
                walk.node(Node::Parameter, parameter)
            })?;
            if out.contains_key(&key) {
                return Err(self.error(format!("two parameters are called {key}: keep one")));
            }
            out.insert(key, value);
        }
        self.source = outer_source;
        self.output = outer_output;
        Ok(out)
    }

    /// The value to which a chain of references leads. The walk reports references that lead nowhere.
    fn definition(&self, value: &'a Value) -> &'a Value {
        let mut definition = value;
        // References to references are rare. The bound ends cycles.
        for _ in 0..8 {
            let Some(target) = definition.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let target = local_pointer(target).and_then(|pointer| self.root.pointer(&pointer));
            definition = target.unwrap_or(&Value::Null);
        }
        definition
    }
}

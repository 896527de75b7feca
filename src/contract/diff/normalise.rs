//! Brings `OpenAPI` 3.0 documents into a normal form, in which two notations of the same contract are
//! equal.
//!
//! Imports the module's `canonical`, `normalised` and `structure`. The walk through a document knows the
//! kind of each object ([`Node`]), so that it distinguishes a property called `description` from the
//! keyword `description`. It keeps unknown constructs as they are: they are compared, never dropped.

mod operations;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::canonical::{
    drop_redundant_style, drop_repeated_keywords, escape, local_pointer, minor_version, plain_data,
    plain_members, push, sorted,
};
use super::normalised::{Link, NormaliseError, Normalised};
use super::structure::{Node, Shape, is_default, may_be_reference, shape};

/// Brings an `OpenAPI` 3.0 document into normal form. [`IGNORED`](super::IGNORED) lists what is lost.
///
/// # Errors
/// When a `$ref` leads nowhere, out of the document or to itself, or has siblings, which `OpenAPI` 3.0
/// ignores; when two parameters or two headers at one place have the same name; when `parameters` is
/// not a list of objects with `name` and `in`.
pub fn normalise(document: &Value) -> Result<Normalised, NormaliseError> {
    let mut walk = Walk {
        root: document,
        source: String::new(),
        output: String::new(),
        via: Vec::new(),
        open_targets: Vec::new(),
        inlined: HashMap::new(),
        links: BTreeMap::new(),
        path_parameters: None,
    };
    let document = walk.node(Node::Document, document)?;
    Ok(Normalised {
        document,
        links: walk.links,
    })
}

/// The walk through one document: its present place, and what it has visited.
struct Walk<'a> {
    root: &'a Value,
    /// The pointer to the present place in the document as it was written.
    source: String,
    /// The pointer to the present place in the normal form.
    output: String,
    /// Pointers to the references that lead to the present place, outermost first.
    via: Vec<String>,
    /// The targets of these references, to detect cycles.
    open_targets: Vec<String>,
    /// The normal forms of the targets that replaced a reference, by pointer and kind.
    inlined: HashMap<(String, Node), Value>,
    links: BTreeMap<String, Link>,
    /// The pointer to the parameters of the present path, and these parameters.
    path_parameters: Option<(String, &'a [Value])>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: Node, value: &'a Value) -> Result<Value, NormaliseError> {
        let Value::Object(members) = value else {
            return match node {
                Node::Parameter => Err(self.error("a parameter is an object".to_owned())),
                _ => Ok(plain_data(value)),
            };
        };
        if let Some(Value::String(target)) = members.get("$ref")
            && may_be_reference(node)
        {
            return self.reference(node, target, members);
        }
        if node == Node::PathItem {
            return self.path_item(members);
        }
        let mut out = self.members(node, members, &[])?;
        match node {
            Node::Operation => self.finish_operation(&mut out, members)?,
            Node::Parameter => self.finish_parameter(&mut out)?,
            Node::Header => drop_redundant_style(&mut out, "header", self.root),
            Node::Schema => drop_repeated_keywords(&mut out),
            _ => {}
        }
        Ok(Value::Object(out))
    }

    /// The normal form of the members of an object, without those that are ignored or in `moved`.
    fn members(
        &mut self,
        node: Node,
        members: &'a Map<String, Value>,
        moved: &[&str],
    ) -> Result<Map<String, Value>, NormaliseError> {
        let mut out = Map::new();
        // Components are last, since only then is it known which of them replaced a reference.
        let are_components = |key: &str| node == Node::Document && key == "components";
        let (first, last) = (members.iter(), members.iter());
        let first = first.filter(|(key, _)| !are_components(key));
        let last = last.filter(|(key, _)| are_components(key));
        for (key, value) in first.chain(last) {
            if moved.contains(&key.as_str()) {
                continue;
            }
            let value = self.at_member(key, key, |walk| walk.member(node, key, value))?;
            if let Some(value) = value.filter(|value| !is_default(node, key, value)) {
                out.insert(key.clone(), value);
            }
        }
        Ok(out)
    }

    fn member(
        &mut self,
        node: Node,
        key: &str,
        value: &'a Value,
    ) -> Result<Option<Value>, NormaliseError> {
        let value = match (shape(node, key), value) {
            (Shape::Dropped, _) => return Ok(None),
            (Shape::Text, Value::String(text)) => {
                Value::String(text.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            (Shape::Version, Value::String(version)) => Value::String(minor_version(version)),
            (Shape::Set, Value::Array(items)) => Value::Array(sorted(items.iter().map(plain_data))),
            (Shape::One(child), value) => self.node(child, value)?,
            (Shape::Map(child), Value::Object(names)) => self.names(child, names, |_| true)?,
            (Shape::UnusedComponents(child), Value::Object(names)) => {
                let section = &self.source;
                let unused = names.keys().filter(|name| {
                    let key = (format!("{section}/{}", escape(name)), child);
                    !self.inlined.contains_key(&key)
                });
                let unused: BTreeSet<&str> = unused.map(String::as_str).collect();
                self.names(child, names, |name| unused.contains(name))?
            }
            (Shape::Schemas, Value::Object(names)) => {
                let mut schemas = self.names(Node::Schema, names, |_| true)?;
                for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
                    if let Some(schema) = schema.as_object_mut()
                        && schema.get("title").is_some_and(|title| title == name)
                    {
                        schema.shift_remove("title");
                    }
                }
                schemas
            }
            (Shape::Headers, Value::Object(names)) => self.headers(names)?,
            (Shape::List(child), Value::Array(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let index = index.to_string();
                    out.push(self.at_member(&index, &index, |walk| walk.node(child, item))?);
                }
                Value::Array(out)
            }
            (Shape::Tags, Value::Array(tags)) => self.tags(tags)?,
            (_, value) => plain_data(value),
        };
        Ok(Some(value))
    }

    /// An object whose keys are names, with the members whose names `keep` accepts.
    fn names(
        &mut self,
        child: Node,
        names: &'a Map<String, Value>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Value, NormaliseError> {
        let mut out = Map::new();
        for (name, value) in names.iter().filter(|(name, _)| keep(name)) {
            let value = self.at_member(name, name, |walk| walk.node(child, value))?;
            out.insert(name.clone(), value);
        }
        Ok(Value::Object(out))
    }

    fn headers(&mut self, headers: &'a Map<String, Value>) -> Result<Value, NormaliseError> {
        let mut out = Map::new();
        for (name, header) in headers {
            let lower = name.to_ascii_lowercase();
            let value = self.at_member(name, &lower, |walk| walk.node(Node::Header, header))?;
            if out.insert(lower, value).is_some() {
                return Err(self.error(format!(
                    "the header {name} occurs twice in different letter case: keep one"
                )));
            }
        }
        Ok(Value::Object(out))
    }

    /// The declared tags as an object, by name. A list of something else is kept as it is.
    fn tags(&mut self, tags: &'a [Value]) -> Result<Value, NormaliseError> {
        let mut out = Map::new();
        for (index, tag) in tags.iter().enumerate() {
            let Some(name) = tag.get("name").and_then(Value::as_str) else {
                return Ok(Value::Array(tags.iter().map(plain_data).collect()));
            };
            let value =
                self.at_member(&index.to_string(), name, |walk| walk.node(Node::Tag, tag))?;
            if out.insert(name.to_owned(), value).is_some() {
                return Err(self.error(format!("the tag {name} is declared twice: keep one")));
            }
        }
        if out.is_empty() {
            return Ok(Value::Array(Vec::new()));
        }
        Ok(Value::Object(out))
    }

    /// The normal form of a reference: its target. A reference to a component schema is kept, since the
    /// name of the schema is part of the contract.
    fn reference(
        &mut self,
        node: Node,
        target: &str,
        members: &Map<String, Value>,
    ) -> Result<Value, NormaliseError> {
        let Some(pointer) = local_pointer(target) else {
            return Err(self.error(format!(
                "`$ref: {target}` leads out of the document: only #/… is followed"
            )));
        };
        let found = self.root.pointer(&pointer);
        let is_component_schema = |pointer: &str| {
            let name = pointer.strip_prefix("/components/schemas/");
            name.is_some_and(|name| !name.contains('/'))
        };
        let mut via = self.via.clone();
        via.push(self.source.clone());
        let problem = |message| NormaliseError {
            pointer: pointer.clone(),
            via: via.clone(),
            message,
        };
        let Some(found) = found else {
            return Err(problem(format!(
                "`$ref: {target}` leads nowhere: add what is missing, or correct the reference"
            )));
        };
        if node == Node::Schema && is_component_schema(&pointer) {
            return Ok(Value::Object(plain_members(members)));
        }
        if members.len() > 1 {
            return Err(self.error(
                "`$ref` has siblings, which OpenAPI 3.0 ignores: move them to what it refers to"
                    .to_owned(),
            ));
        }
        if self.open_targets.contains(&pointer) {
            return Err(problem(format!("`$ref: {target}` leads to itself")));
        }

        self.record_origin(Some(pointer.clone()));
        let key = (pointer, node);
        if let Some(value) = self.inlined.get(&key) {
            return Ok(value.clone());
        }
        // The target is walked once, at its own place.
        let outer_source = std::mem::replace(&mut self.source, key.0.clone());
        let outer_output = std::mem::replace(&mut self.output, key.0.clone());
        let outer_via = std::mem::replace(&mut self.via, via);
        self.open_targets.push(key.0.clone());
        let value = self.node(node, found)?;
        self.open_targets.pop();
        self.source = outer_source;
        self.output = outer_output;
        self.via = outer_via;
        self.inlined.insert(key, value.clone());
        Ok(value)
    }

    /// Runs `walk` at the member that is called `from` in the document and `to` in the normal form.
    fn at_member<T>(
        &mut self,
        from: &str,
        to: &str,
        walk: impl FnOnce(&mut Self) -> Result<T, NormaliseError>,
    ) -> Result<T, NormaliseError> {
        let (source_length, output_length) = (self.source.len(), self.output.len());
        push(&mut self.source, from);
        push(&mut self.output, to);
        if from != to {
            self.record_origin(None);
        }
        let result = walk(self)?;
        self.source.truncate(source_length);
        self.output.truncate(output_length);
        Ok(result)
    }

    /// Records the origin of the present place.
    fn record_origin(&mut self, target: Option<String>) {
        let at = self.source.clone();
        self.links.insert(self.output.clone(), Link { at, target });
    }

    fn error(&self, message: String) -> NormaliseError {
        NormaliseError {
            pointer: self.source.clone(),
            via: self.via.clone(),
            message,
        }
    }
}

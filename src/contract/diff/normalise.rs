//! One normal form for `OpenAPI` 3.0 documents, so that two ways of writing the same promise compare equal.
//!
//! Imports the room's `structure`, `canonical` and `normalised`. The walk knows what kind of object it stands in
//! ([`Node`]), so that a property called `description` is a name and the keyword `description` is a
//! keyword. What the walk does not know it keeps as it is: an unknown construct is compared, never
//! dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::canonical::{
    data, drop_idle_style, drop_repeats, escape, local_pointer, minor_version, object, push,
    requirement, sorted,
};
use super::normalised::{Link, Normalised, Problem};
use super::structure::{METHODS, Node, Shape, is_default, may_be_reference, shape};

/// Brings an `OpenAPI` 3.0 document into normal form; [`IGNORED`](super::IGNORED) lists what gets lost on the way.
///
/// # Errors
/// When a `$ref` leads nowhere, out of the document or round in a circle, or has siblings (`OpenAPI`
/// 3.0 ignores them); when two parameters or two headers of one place have the same name; when
/// `parameters` is not a list of objects with `name` and `in`.
pub fn normalise(document: &Value) -> Result<Normalised, Problem> {
    let mut walk = Walk {
        root: document,
        at: String::new(),
        to: String::new(),
        via: Vec::new(),
        open: Vec::new(),
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

/// The walk through one document: where it is, and what it has seen.
struct Walk<'a> {
    root: &'a Value,
    /// Where the walk stands in the document as it was written.
    at: String,
    /// Where it writes, in normal form.
    to: String,
    /// The references that were followed to get here.
    via: Vec<String>,
    /// The targets of those references, to notice a circle.
    open: Vec<String>,
    /// What was inlined somewhere, by its pointer and kind, in normal form.
    inlined: HashMap<(String, Node), Value>,
    links: BTreeMap<String, Link>,
    /// The parameters of the path whose operations are being walked, and where they stand.
    path_parameters: Option<(String, &'a [Value])>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: Node, value: &'a Value) -> Result<Value, Problem> {
        let Value::Object(members) = value else {
            return match node {
                Node::Parameter => Err(self.problem("a parameter is an object".to_owned())),
                _ => Ok(data(value)),
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
            Node::Header => drop_idle_style(&mut out, "header", self.root),
            Node::Schema => drop_repeats(&mut out),
            _ => {}
        }
        Ok(Value::Object(out))
    }

    /// The members of an object that are neither in `moved` nor ignored, each in normal form.
    fn members(
        &mut self,
        node: Node,
        members: &'a Map<String, Value>,
        moved: &[&str],
    ) -> Result<Map<String, Value>, Problem> {
        let mut out = Map::new();
        // Components come last: only then is it known which of them were inlined.
        let are_components = |key: &str| node == Node::Document && key == "components";
        let (now, later) = (members.iter(), members.iter());
        let now = now.filter(|(key, _)| !are_components(key));
        let later = later.filter(|(key, _)| are_components(key));
        for (key, value) in now.chain(later) {
            if moved.contains(&key.as_str()) {
                continue;
            }
            let value = self.inside(key, key, |walk| walk.member(node, key, value))?;
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
    ) -> Result<Option<Value>, Problem> {
        let value = match (shape(node, key), value) {
            (Shape::Dropped, _) => return Ok(None),
            (Shape::Text, Value::String(text)) => {
                Value::String(text.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            (Shape::Version, Value::String(version)) => Value::String(minor_version(version)),
            (Shape::Set, Value::Array(items)) => Value::Array(sorted(items.iter().map(data))),
            (Shape::One(child), value) => self.node(child, value)?,
            (Shape::Map(child), Value::Object(names)) => self.names(child, names, |_| true)?,
            (Shape::Leftovers(child), Value::Object(names)) => {
                let section = &self.at;
                let left = names.keys().filter(|name| {
                    let key = (format!("{section}/{}", escape(name)), child);
                    !self.inlined.contains_key(&key)
                });
                let left: BTreeSet<&str> = left.map(String::as_str).collect();
                self.names(child, names, |name| left.contains(name))?
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
                    out.push(self.inside(&index, &index, |walk| walk.node(child, item))?);
                }
                Value::Array(out)
            }
            (Shape::Tags, Value::Array(tags)) => self.tags(tags)?,
            (_, value) => data(value),
        };
        Ok(Some(value))
    }

    /// An object whose keys are names, those that `keep` accepts.
    fn names(
        &mut self,
        child: Node,
        names: &'a Map<String, Value>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Value, Problem> {
        let mut out = Map::new();
        for (name, value) in names.iter().filter(|(name, _)| keep(name)) {
            let value = self.inside(name, name, |walk| walk.node(child, value))?;
            out.insert(name.clone(), value);
        }
        Ok(Value::Object(out))
    }

    fn headers(&mut self, headers: &'a Map<String, Value>) -> Result<Value, Problem> {
        let mut out = Map::new();
        for (name, header) in headers {
            let lower = name.to_ascii_lowercase();
            let value = self.inside(name, &lower, |walk| walk.node(Node::Header, header))?;
            if out.insert(lower, value).is_some() {
                return Err(self.problem(format!(
                    "the header {name} stands here twice in different letter case: keep one"
                )));
            }
        }
        Ok(Value::Object(out))
    }

    /// The declared tags, keyed by name. A list that is none of tags stays a list.
    fn tags(&mut self, tags: &'a [Value]) -> Result<Value, Problem> {
        let mut out = Map::new();
        for (index, tag) in tags.iter().enumerate() {
            let Some(name) = tag.get("name").and_then(Value::as_str) else {
                return Ok(Value::Array(tags.iter().map(data).collect()));
            };
            let value = self.inside(&index.to_string(), name, |walk| walk.node(Node::Tag, tag))?;
            if out.insert(name.to_owned(), value).is_some() {
                return Err(self.problem(format!("the tag {name} is declared twice: keep one")));
            }
        }
        if out.is_empty() {
            return Ok(Value::Array(Vec::new()));
        }
        Ok(Value::Object(out))
    }

    /// A path, whose parameters belong to each of its operations.
    fn path_item(&mut self, members: &'a Map<String, Value>) -> Result<Value, Problem> {
        let shared = members.get("parameters").and_then(Value::as_array);
        let has_operation = METHODS
            .iter()
            .any(|method| members.get(*method).is_some_and(Value::is_object));
        let moved: &[&str] = match shared {
            Some(parameters) if has_operation => {
                self.path_parameters = Some((format!("{}/parameters", self.at), parameters));
                &["parameters"]
            }
            _ => &[],
        };
        let out = self.members(Node::PathItem, members, moved)?;
        self.path_parameters = None;
        Ok(Value::Object(out))
    }

    /// Replaces an operation's parameters and security by all that apply to it.
    fn finish_operation(
        &mut self,
        out: &mut Map<String, Value>,
        members: &'a Map<String, Value>,
    ) -> Result<(), Problem> {
        let own = match members.get("parameters") {
            None => [].as_slice(),
            Some(Value::Array(own)) => own.as_slice(),
            Some(_) => return Err(self.problem("`parameters` is not a list".to_owned())),
        };
        let to = format!("{}/parameters", self.to);
        let mut parameters = match self.path_parameters.clone() {
            Some(shared) => self.parameters(&to, shared)?,
            None => Map::new(),
        };
        let own = (format!("{}/parameters", self.at), own);
        for (key, parameter) in self.parameters(&to, own)? {
            // Generators put one that overrides the path's where the operation has it.
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
                let to = format!("{}/security", self.to);
                let at = "/security".to_owned();
                self.links.insert(to, Link { at, target: None });
            }),
        };
        out.shift_remove("security");
        match security {
            Some(Value::Array(alternatives)) if alternatives.is_empty() => {}
            Some(Value::Array(alternatives)) => {
                let alternatives = sorted(alternatives.iter().map(requirement));
                out.insert("security".to_owned(), Value::Array(alternatives));
            }
            Some(other) => {
                out.insert("security".to_owned(), data(other));
            }
            None => {}
        }
        Ok(())
    }

    fn finish_parameter(&self, out: &mut Map<String, Value>) -> Result<(), Problem> {
        let (Some(Value::String(name)), Some(Value::String(location))) =
            (out.get("name"), out.get("in"))
        else {
            let message = "a parameter needs `name` and `in`, both text";
            return Err(self.problem(message.to_owned()));
        };
        let (name, location) = (name.to_ascii_lowercase(), location.clone());
        if location == "header" {
            out.insert("name".to_owned(), Value::String(name));
        }
        drop_idle_style(out, &location, self.root);
        Ok(())
    }

    /// The parameters of one list, keyed by where they travel and how they are called.
    fn parameters(
        &mut self,
        to: &str,
        (at, list): (String, &'a [Value]),
    ) -> Result<Map<String, Value>, Problem> {
        let mut out = Map::new();
        let outer_at = std::mem::replace(&mut self.at, at);
        let outer_to = std::mem::replace(&mut self.to, to.to_owned());
        for (index, parameter) in list.iter().enumerate() {
            let definition = self.definition(parameter);
            let text = |key| {
                definition
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            // A parameter without name has no key, and the walk says so.
            let key = match text("in") {
                "header" => format!("header {}", text("name").to_ascii_lowercase()),
                location => format!("{location} {}", text("name")),
            };
            let value = self.inside(&index.to_string(), &key, |walk| {
                walk.node(Node::Parameter, parameter)
            })?;
            if out.contains_key(&key) {
                return Err(self.problem(format!("two parameters are called {key}: keep one")));
            }
            out.insert(key, value);
        }
        self.at = outer_at;
        self.to = outer_to;
        Ok(out)
    }

    /// What a value is once its references are followed; the walk reports those that lead nowhere.
    fn definition(&self, value: &'a Value) -> &'a Value {
        let mut definition = value;
        // References to references are rare; one in a circle must not keep us here.
        for _ in 0..8 {
            let Some(target) = definition.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let target = local_pointer(target).and_then(|pointer| self.root.pointer(&pointer));
            definition = target.unwrap_or(&Value::Null);
        }
        definition
    }

    /// What a reference stands for: itself for component schemas, whose names count; all others are inlined.
    fn reference(
        &mut self,
        node: Node,
        target: &str,
        members: &Map<String, Value>,
    ) -> Result<Value, Problem> {
        let Some(pointer) = local_pointer(target) else {
            return Err(self.problem(format!(
                "`$ref: {target}` leads out of the document: only #/… is followed"
            )));
        };
        let found = self.root.pointer(&pointer);
        let is_schema = |pointer: &str| {
            let name = pointer.strip_prefix("/components/schemas/");
            name.is_some_and(|name| !name.contains('/'))
        };
        let mut via = self.via.clone();
        via.push(self.at.clone());
        let problem = |message| Problem {
            pointer: pointer.clone(),
            via: via.clone(),
            message,
        };
        let Some(found) = found else {
            return Err(problem(format!(
                "`$ref: {target}` leads nowhere: add what is missing, or correct the reference"
            )));
        };
        if node == Node::Schema && is_schema(&pointer) {
            return Ok(Value::Object(object(members)));
        }
        if members.len() > 1 {
            return Err(self.problem(
                "`$ref` has siblings, which OpenAPI 3.0 ignores: move them to what it refers to"
                    .to_owned(),
            ));
        }
        if self.open.contains(&pointer) {
            return Err(problem(format!("`$ref: {target}` leads round in a circle")));
        }

        self.record(Some(pointer.clone()));
        let key = (pointer, node);
        if let Some(value) = self.inlined.get(&key) {
            return Ok(value.clone());
        }
        // The target is walked once, as if it were written in its own place.
        let outer_at = std::mem::replace(&mut self.at, key.0.clone());
        let outer_to = std::mem::replace(&mut self.to, key.0.clone());
        let outer_via = std::mem::replace(&mut self.via, via);
        self.open.push(key.0.clone());
        let value = self.node(node, found)?;
        self.open.pop();
        self.at = outer_at;
        self.to = outer_to;
        self.via = outer_via;
        self.inlined.insert(key, value.clone());
        Ok(value)
    }

    /// Walks on under the key `from` of the document, and under `to` of the normal form.
    fn inside<T>(
        &mut self,
        from: &str,
        to: &str,
        walk: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let (at_length, to_length) = (self.at.len(), self.to.len());
        push(&mut self.at, from);
        push(&mut self.to, to);
        if from != to {
            self.record(None);
        }
        let result = walk(self)?;
        self.at.truncate(at_length);
        self.to.truncate(to_length);
        Ok(result)
    }

    /// Remembers where the part that is being written came from.
    fn record(&mut self, target: Option<String>) {
        let at = self.at.clone();
        self.links.insert(self.to.clone(), Link { at, target });
    }

    fn problem(&self, message: String) -> Problem {
        Problem {
            pointer: self.at.clone(),
            via: self.via.clone(),
            message,
        }
    }
}

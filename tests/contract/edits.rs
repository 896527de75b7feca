//! Generates every edit that a machine can make at one place of a document.

use serde_json::{Map, Value, json};

use super::escape;

/// An edit at one place.
#[derive(Debug)]
pub struct Edit {
    pub kind: &'static str,
    /// A JSON pointer to the edited value, or to the object or list to which the edit adds something.
    pub place: String,
    pub change: Change,
}

#[derive(Debug)]
pub enum Change {
    Drop,
    Rename(String),
    Replace(Value),
    Insert(String, Value),
    Push(Value),
    Reverse,
    ReverseMembers,
}

impl Edit {
    /// Makes the edit in a copy of the document for which it was generated.
    pub fn apply(&self, document: &mut Value) {
        let unescape = |key: &str| key.replace("~1", "/").replace("~0", "~");
        let target = match &self.change {
            Change::Drop | Change::Rename(_) => {
                let (parent, _) = self
                    .place
                    .rsplit_once('/')
                    .expect("the root is never dropped");
                parent
            }
            _ => &self.place,
        };
        let key = self
            .place
            .rsplit('/')
            .next()
            .map(unescape)
            .unwrap_or_default();
        let target = document
            .pointer_mut(target)
            .expect("the place is in the contract");
        match (&self.change, target) {
            (Change::Drop, Value::Object(members)) => drop(members.shift_remove(&key)),
            (Change::Drop, Value::Array(items)) => {
                items.remove(key.parse().expect("a key of a list is a number"));
            }
            (Change::Rename(name), Value::Object(members)) => {
                let value = members.shift_remove(&key).expect("the key is there");
                members.insert(name.clone(), value);
            }
            (Change::Replace(value), target) => *target = value.clone(),
            (Change::Insert(name, value), Value::Object(members)) => {
                members.insert(name.clone(), value.clone());
            }
            (Change::Push(value), Value::Array(items)) => items.push(value.clone()),
            (Change::Reverse, Value::Array(items)) => items.reverse(),
            (Change::ReverseMembers, Value::Object(members)) => {
                *members = std::mem::take(members).into_iter().rev().collect();
            }
            (change, target) => unreachable!("{change:?} does not go with {target}"),
        }
    }
}

/// All edits for a document.
pub fn edits(document: &Value) -> Vec<Edit> {
    let mut edits = Edits {
        document,
        edits: Vec::new(),
    };
    edits.visit(document, "");
    edits.add(
        "next patch version",
        "/openapi",
        Change::Replace(json!("3.0.4")),
    );
    edits.edits
}

/// Whether this is the `example` or `examples` of a media type, parameter or header.
pub fn is_example(place: &str) -> bool {
    let mut segments = place.rsplit('/');
    let (key, _name, section) = (segments.next(), segments.next(), segments.next());
    matches!(key, Some("example" | "examples"))
        && matches!(section, Some("content" | "parameters" | "headers"))
        && !place.starts_with("/components/schemas/")
}

struct Edits<'a> {
    document: &'a Value,
    edits: Vec<Edit>,
}

impl Edits<'_> {
    fn add(&mut self, kind: &'static str, place: &str, change: Change) {
        let place = place.to_owned();
        self.edits.push(Edit {
            kind,
            place,
            change,
        });
    }

    fn replace(&mut self, kind: &'static str, place: &str, value: Value) {
        self.add(kind, place, Change::Replace(value));
    }

    fn visit(&mut self, value: &Value, place: &str) {
        match value {
            Value::Object(members) => self.object(members, place),
            Value::Array(items) => self.list(items, place),
            Value::String(text) => self.text(text, place),
            Value::Number(number) => {
                let number = number
                    .as_i64()
                    .expect("the contract has whole numbers only");
                self.replace("re-bound a number", place, json!(number + 1));
                self.replace("re-bound a number", place, json!(number - 1));
                self.replace("retype a number", place, json!(number.to_string()));
                self.replace("retype a number", place, Value::Null);
            }
            Value::Bool(flag) => {
                self.replace("flip a boolean", place, json!(!flag));
                self.replace("retype a boolean", place, json!(flag.to_string()));
                self.replace("retype a boolean", place, Value::Null);
            }
            Value::Null => self.replace("retype null", place, json!("null")),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, place: &str) {
        self.replace("retype an object", place, json!("text"));
        let extension = Change::Insert("x-added".to_owned(), json!(true));
        self.add("add an extension", place, extension);
        // For an object with one member, this is the same as dropping the member.
        if members.len() > 1 {
            self.replace("empty an object", place, json!({}));
            self.add("reverse an object", place, Change::ReverseMembers);
        }
        for (key, value) in additions(members, place) {
            if !members.contains_key(key) {
                self.add(
                    "add a known key",
                    place,
                    Change::Insert(key.to_owned(), value),
                );
            }
        }
        if is_example(place) {
            // Examples are ignored as a whole: a thousand edits inside them would test nothing more.
            return;
        }
        for (key, member) in members {
            let place = format!("{place}/{}", escape(key));
            self.add("drop a key", &place, Change::Drop);
            self.add("rename a key", &place, Change::Rename(format!("{key}X")));
            self.visit(member, &place);
        }
    }

    fn list(&mut self, items: &[Value], place: &str) {
        self.replace("retype a list", place, json!("text"));
        self.add("add an element", place, Change::Push(json!("added")));
        if let Some(first) = items.first() {
            self.add("repeat an element", place, Change::Push(first.clone()));
        }
        if items.len() > 1 {
            self.replace("empty a list", place, json!([]));
            self.add("reverse a list", place, Change::Reverse);
        }
        if place.ends_with("/parameters") {
            self.add("add a parameter", place, Change::Push(parameter()));
        }
        for (index, item) in items.iter().enumerate() {
            let place = format!("{place}/{index}");
            self.add("drop an element", &place, Change::Drop);
            self.visit(item, &place);
        }
    }

    fn text(&mut self, text: &str, place: &str) {
        self.replace("change a text", place, json!(format!("{text}x")));
        self.replace("retype a text", place, json!(7));
        match place.rsplit('/').next() {
            Some("type") => {
                for other in [
                    "string", "integer", "number", "boolean", "array", "object", "null",
                ] {
                    if text != other {
                        self.replace("change a type", place, json!(other));
                    }
                }
            }
            Some("in") => {
                for other in ["query", "path", "header", "cookie"] {
                    if text != other {
                        self.replace("move a parameter", place, json!(other));
                    }
                }
            }
            Some("$ref") => self.reference(text, place),
            _ => {}
        }
    }

    fn reference(&mut self, target: &str, place: &str) {
        let (section, name) = target.rsplit_once('/').expect("a reference to a component");
        let components = self.document.pointer(section.trim_start_matches('#'));
        let components = components
            .and_then(Value::as_object)
            .expect("the section is there");
        let names: Vec<&String> = components.keys().collect();
        let own = names
            .iter()
            .position(|other| *other == name)
            .expect("the component is there");
        // The next three components that differ in more than examples. All of them would be a thousand
        // edits of one kind.
        let said = without_examples(&components[name]);
        let others = (1..names.len()).map(|step| names[(own + step) % names.len()]);
        let others = others.filter(|other| without_examples(&components[other.as_str()]) != said);
        for other in others.take(3) {
            let target = format!("{section}/{other}");
            self.replace("redirect a reference", place, json!(target));
        }
    }
}

/// A component without its examples, which the diff does not compare.
fn without_examples(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| !["example", "examples"].contains(&key.as_str()))
            .map(|(key, member)| (key.clone(), without_examples(member)))
            .collect(),
        Value::Array(items) => items.iter().map(without_examples).collect(),
        other => other.clone(),
    }
}

fn parameter() -> Value {
    json!({"name": "added", "in": "query", "schema": {"type": "string"}})
}

/// Keys that have a meaning in the object at this place, with values that change its meaning.
fn additions(members: &Map<String, Value>, place: &str) -> Vec<(&'static str, Value)> {
    let mut segments = place.rsplit('/');
    let key = segments.next().unwrap_or_default();
    let parent = segments.next().unwrap_or_default();
    let mut additions = Vec::new();
    // Beside a reference every keyword is the same error.
    let is_schema =
        ["properties", "schemas"].contains(&parent) || ["schema", "items"].contains(&key);
    if is_schema && !members.contains_key("$ref") {
        // A fourth of the keywords, which depends on the place: each is tried about thirty times.
        let keywords = schema_additions().into_iter();
        additions.extend(keywords.skip(place.len() % 4).step_by(4));
    }
    match key {
        "properties" => {
            let names = ["added", "description", "example", "title", "required"];
            additions.extend(names.map(|name| (name, json!({"type": "string"}))));
        }
        "get" | "put" | "post" | "delete" => additions.extend(operation_additions()),
        "responses" => additions.extend([
            ("418", json!({"description": "A teapot"})),
            ("default", json!({"description": "Anything else"})),
        ]),
        "headers" => additions.push(("X-Added", json!({"schema": {"type": "string"}}))),
        "content" => additions.extend(
            ["text/plain", "application/json; charset=utf-8"]
                .map(|media_type| (media_type, json!({"schema": {"type": "string"}}))),
        ),
        _ => {}
    }
    match parent {
        "responses" => additions.extend([
            (
                "headers",
                json!({"X-Added": {"schema": {"type": "string"}}}),
            ),
            ("links", json!({"added": {"operationId": "listUsers"}})),
        ]),
        "parameters" | "headers" => additions.extend([
            ("required", json!(true)),
            ("deprecated", json!(true)),
            ("allowEmptyValue", json!(true)),
            ("allowReserved", json!(true)),
            ("style", json!("deepObject")),
            (
                "content",
                json!({"text/plain": {"schema": {"type": "string"}}}),
            ),
        ]),
        _ => {}
    }
    additions
}

fn operation_additions() -> [(&'static str, Value); 7] {
    let body = json!({"content": {"application/json": {"schema": {"type": "string"}}}});
    [
        ("deprecated", json!(true)),
        ("security", json!([{"bearerAuth": []}])),
        ("servers", json!([{"url": "http://elsewhere"}])),
        ("externalDocs", json!({"url": "http://elsewhere"})),
        ("parameters", json!([parameter()])),
        ("requestBody", body),
        ("callbacks", json!({"added": {}})),
    ]
}

/// Every keyword of a schema, with a value that changes its meaning or its documentation.
fn schema_additions() -> Vec<(&'static str, Value)> {
    vec![
        ("title", json!("Other")),
        ("description", json!("Other")),
        ("type", json!("string")),
        ("format", json!("date")),
        ("default", json!("other")),
        ("example", json!("other")),
        ("enum", json!(["other"])),
        ("nullable", json!(true)),
        ("readOnly", json!(true)),
        ("writeOnly", json!(true)),
        ("deprecated", json!(true)),
        ("minimum", json!(0)),
        ("maximum", json!(0)),
        ("exclusiveMinimum", json!(true)),
        ("exclusiveMaximum", json!(true)),
        ("multipleOf", json!(2)),
        ("minLength", json!(1)),
        ("maxLength", json!(0)),
        ("pattern", json!("^x$")),
        ("minItems", json!(1)),
        ("maxItems", json!(0)),
        ("uniqueItems", json!(true)),
        ("minProperties", json!(1)),
        ("maxProperties", json!(0)),
        ("required", json!(["other"])),
        ("properties", json!({"other": {}})),
        ("additionalProperties", json!(false)),
        ("additionalProperties", json!({"type": "string"})),
        ("items", json!({"type": "string"})),
        ("allOf", json!([{"type": "string"}])),
        ("oneOf", json!([{"type": "string"}])),
        ("anyOf", json!([{"type": "string"}])),
        ("not", json!({"type": "string"})),
        ("discriminator", json!({"propertyName": "other"})),
        ("externalDocs", json!({"url": "http://elsewhere"})),
        ("xml", json!({"name": "other"})),
    ]
}

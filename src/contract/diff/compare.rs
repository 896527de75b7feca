//! The comparison of two documents in normal form, place by place.
//!
//! Imports the module's `canonical`, `normalised` and `structure`.

use serde_json::Value;

use super::canonical::push;
use super::normalised::Normalised;
use super::structure::METHODS;

/// One place where the contract and the generated document say different things.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The operation concerned, as `listUsers (GET /api/users)`; none for schemas and the document itself.
    pub operation: Option<String>,
    /// A JSON pointer to the place, in the contract as it is written. Where only the generated
    /// document has it, the place in the contract at which it would stand.
    pub pointer: String,
    /// The references of the contract that lead to the place, outermost first, as JSON pointers.
    pub via: Vec<String>,
    /// What the contract says there.
    pub contract: Option<Value>,
    /// What the generated document says there.
    pub generated: Option<Value>,
    /// Why one of the documents cannot be compared at all; the two values are empty then.
    pub problem: Option<String>,
}

/// Compares two documents in normal form.
#[must_use]
pub fn compare(contract: &Normalised, generated: &Normalised) -> Vec<Difference> {
    let mut comparison = Comparison {
        contract,
        generated,
        pointer: String::new(),
        found: Vec::new(),
    };
    comparison.values(&contract.document, &generated.document);
    comparison.found
}

struct Comparison<'a> {
    contract: &'a Normalised,
    generated: &'a Normalised,
    /// Where the comparison stands, in normal form.
    pointer: String,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn values(&mut self, contract: &Value, generated: &Value) {
        if contract == generated {
            return;
        }
        match (contract, generated) {
            (Value::Object(ours), Value::Object(theirs)) => {
                let only_generated = theirs.keys().filter(|key| !ours.contains_key(*key));
                for key in ours.keys().chain(only_generated) {
                    self.inside(key, ours.get(key), theirs.get(key));
                }
            }
            (Value::Array(ours), Value::Array(theirs))
                if ours.len() == theirs.len()
                    && ours.iter().chain(theirs).all(Value::is_object) =>
            {
                for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    self.inside(&index.to_string(), Some(ours), Some(theirs));
                }
            }
            _ => self.add(Some(contract), Some(generated)),
        }
    }

    fn inside(&mut self, key: &str, contract: Option<&Value>, generated: Option<&Value>) {
        let length = self.pointer.len();
        push(&mut self.pointer, key);
        match (contract, generated) {
            (Some(contract), Some(generated)) => self.values(contract, generated),
            // Header by header, so that one which is wrong in all responses is one entry of a report.
            (Some(Value::Object(headers)), None) if self.is_at_headers() => {
                for (name, header) in headers {
                    self.inside(name, Some(header), None);
                }
            }
            (None, Some(Value::Object(headers))) if self.is_at_headers() => {
                for (name, header) in headers {
                    self.inside(name, None, Some(header));
                }
            }
            _ => self.add(contract, generated),
        }
        self.pointer.truncate(length);
    }

    /// Whether the comparison stands at `/paths/…/get/responses/200/headers`.
    fn is_at_headers(&self) -> bool {
        let segments: Vec<&str> = self.pointer.split('/').skip(1).collect();
        matches!(
            segments.as_slice(),
            ["paths", _, _, "responses", _, "headers"]
        )
    }

    fn add(&mut self, contract: Option<&Value>, generated: Option<&Value>) {
        let origin = self.contract.origin(&self.pointer);
        self.found.push(Difference {
            operation: self.operation(),
            pointer: origin.pointer,
            via: origin.via,
            contract: contract.cloned(),
            generated: generated.cloned(),
            problem: None,
        });
    }

    /// The operation that the comparison stands in, as `listUsers (GET /api/users)`.
    fn operation(&self) -> Option<String> {
        let mut segments = self.pointer.strip_prefix("/paths/")?.split('/');
        let (path, method) = (segments.next()?, segments.next()?);
        if !METHODS.contains(&method) {
            return None;
        }
        let id = format!("/paths/{path}/{method}/operationId");
        let id = [self.contract, self.generated]
            .iter()
            .find_map(|side| side.document.pointer(&id)?.as_str())
            .unwrap_or("an operation without operationId");
        let path = path.replace("~1", "/").replace("~0", "~");
        Some(format!("{id} ({} {path})", method.to_uppercase()))
    }
}

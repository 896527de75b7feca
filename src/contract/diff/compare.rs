//! The comparison of two documents in normal form.
//!
//! Imports the module's `canonical`, `normalised` and `structure`.

use serde_json::Value;

use super::canonical::push;
use super::normalised::Normalised;
use super::structure::METHODS;

/// A place at which the contract and the generated document differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The operation that contains the place, like `listUsers (GET /api/users)`. None for places outside
    /// operations.
    pub operation: Option<String>,
    /// A JSON pointer to the place in the contract as it is written. For something that only the
    /// generated document has, the pointer that it would have in the contract.
    pub pointer: String,
    /// JSON pointers to the references of the contract that lead to the place, outermost first.
    pub via: Vec<String>,
    /// The value in the contract.
    pub contract: Option<Value>,
    /// The value in the generated document.
    pub generated: Option<Value>,
    /// Why one of the documents cannot be compared. Both values are `None` then.
    pub problem: Option<String>,
}

/// Compares two documents in normal form. The differences are in the order of the contract.
#[must_use]
pub fn compare(contract: &Normalised, generated: &Normalised) -> Vec<Difference> {
    let mut comparison = Comparison {
        contract,
        generated,
        pointer: String::new(),
        differences: Vec::new(),
    };
    comparison.values(&contract.document, &generated.document);
    comparison.differences
}

struct Comparison<'a> {
    contract: &'a Normalised,
    generated: &'a Normalised,
    /// The pointer to the present place, in normal form.
    pointer: String,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn values(&mut self, contract: &Value, generated: &Value) {
        if contract == generated {
            return;
        }
        match (contract, generated) {
            (Value::Object(contract), Value::Object(generated)) => {
                let only_generated = generated.keys().filter(|key| !contract.contains_key(*key));
                for key in contract.keys().chain(only_generated) {
                    self.member(key, contract.get(key), generated.get(key));
                }
            }
            (Value::Array(contract), Value::Array(generated))
                if contract.len() == generated.len()
                    && contract.iter().chain(generated).all(Value::is_object) =>
            {
                for (index, (contract, generated)) in contract.iter().zip(generated).enumerate() {
                    self.member(&index.to_string(), Some(contract), Some(generated));
                }
            }
            _ => self.add(Some(contract), Some(generated)),
        }
    }

    fn member(&mut self, key: &str, contract: Option<&Value>, generated: Option<&Value>) {
        let length = self.pointer.len();
        push(&mut self.pointer, key);
        match (contract, generated) {
            (Some(contract), Some(generated)) => self.values(contract, generated),
            // Each header is a difference of its own: then a header that is wrong in all responses
            // becomes one entry of a report.
            (Some(Value::Object(headers)), None) if self.is_at_headers() => {
                for (name, header) in headers {
                    self.member(name, Some(header), None);
                }
            }
            (None, Some(Value::Object(headers))) if self.is_at_headers() => {
                for (name, header) in headers {
                    self.member(name, None, Some(header));
                }
            }
            _ => self.add(contract, generated),
        }
        self.pointer.truncate(length);
    }

    /// Whether the present place is like `/paths/…/get/responses/200/headers`.
    fn is_at_headers(&self) -> bool {
        let segments: Vec<&str> = self.pointer.split('/').skip(1).collect();
        matches!(
            segments.as_slice(),
            ["paths", _, _, "responses", _, "headers"]
        )
    }

    fn add(&mut self, contract: Option<&Value>, generated: Option<&Value>) {
        let origin = self.contract.origin(&self.pointer);
        self.differences.push(Difference {
            operation: self.operation(),
            pointer: origin.pointer,
            via: origin.via,
            contract: contract.cloned(),
            generated: generated.cloned(),
            problem: None,
        });
    }

    /// The label of the operation that contains the present place, like `listUsers (GET /api/users)`.
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

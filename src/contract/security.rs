//! Security: the schemes by which callers authenticate, and the requirements of each operation.
//!
//! An operation has alternatives, of which a caller has to satisfy one. Each is a set of schemes, all of
//! them needed; the empty set is satisfied without any credentials. Imports the module's `located`.

use serde_json::{Value, json};

use super::diff::METHODS;
use super::located::{Located, ParseError};

/// The types of security schemes, each with the keys that it needs and those that it may have.
const TYPES: [(&str, &[&str], &[&str]); 4] = [
    ("apiKey", &["name", "in"], &[]),
    ("http", &["scheme"], &["bearerFormat"]),
    ("oauth2", &["flows"], &[]),
    ("openIdConnect", &["openIdConnectUrl"], &[]),
];

/// The security of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// The alternatives, each as the names of its schemes. Without alternatives everyone may call.
    alternatives: Vec<Vec<String>>,
}

impl Security {
    /// Whether the operation can be called without credentials.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.alternatives.is_empty() || self.alternatives.iter().any(Vec::is_empty)
    }

    /// The names of the schemes by which callers can authenticate, in the order of the alternatives.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.alternatives.iter().flatten().map(String::as_str)
    }
}

/// Parses the security of an operation: its own, or else that of the document.
///
/// # Errors
/// A requirement of a scheme that the document does not declare, or with scopes for a scheme without any.
pub(super) fn parse(document: &Value, operation: &Located<'_>) -> Result<Security, ParseError> {
    let root = Located::root(document);
    let Some(security) = operation.get("security").or_else(|| root.get("security")) else {
        return Ok(Security::default());
    };
    let mut alternatives = Vec::new();
    for alternative in security.items()? {
        let mut schemes = Vec::new();
        for (name, scopes) in alternative.members()? {
            check_scopes(document, name, &scopes)?;
            schemes.push(name.to_owned());
        }
        alternatives.push(schemes);
    }
    Ok(Security { alternatives })
}

fn check_scopes(document: &Value, scheme: &str, scopes: &Located<'_>) -> Result<(), ParseError> {
    let schemes = document.pointer("/components/securitySchemes");
    let Some(declared) = schemes.and_then(|schemes| schemes.get(scheme)) else {
        return Err(scopes.error("is not a declared security scheme"));
    };
    let has_scopes = ["oauth2", "openIdConnect"].map(Value::from);
    if !scopes.items()?.is_empty() && !has_scopes.contains(&declared["type"]) {
        return Err(scopes.error("has scopes, which only oauth2 and openIdConnect have"));
    }
    Ok(())
}

/// Checks a security scheme.
///
/// # Errors
/// A type that OpenAPI 3.0 does not have, or a key that the type needs, or does not have.
pub(super) fn check_scheme(scheme: &Located<'_>) -> Result<(), ParseError> {
    let kind = scheme.text("type")?;
    let Some((_, needed, others)) = TYPES.iter().find(|(known, ..)| *known == kind) else {
        let message = format!("`{kind}` is not a type of a security scheme");
        return Err(scheme.require("type")?.error(message));
    };
    for key in *needed {
        scheme.require(key)?;
    }
    scheme.only(&[&["type", "description"], *needed, *others].concat())
}

/// A copy of `document` in which every operation can also be called without credentials.
#[must_use]
pub fn made_optional(document: &Value) -> Value {
    let mut document = document.clone();
    add_alternative(&mut document);
    let items = document.get_mut("paths").and_then(Value::as_object_mut);
    for (_, item) in items.into_iter().flatten() {
        for method in METHODS {
            item.get_mut(method).into_iter().for_each(add_alternative);
        }
    }
    document
}

/// Adds the alternative without credentials to the security of an operation or document, unless it is there
/// or there is no other.
fn add_alternative(secured: &mut Value) {
    let without = json!({});
    if let Some(Value::Array(alternatives)) = secured.get_mut("security")
        && !alternatives.is_empty()
        && !alternatives.contains(&without)
    {
        alternatives.push(without);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::Contract;
    use super::*;

    /// A document with one operation, `GET /x`.
    fn document(scheme: &Value, of_document: &Value, of_operation: &Value) -> Value {
        let mut document = json!({
            "openapi": "3.0.3",
            "paths": {"/x": {"get": {
                "operationId": "x", "responses": {"204": {"description": ""}},
            }}},
            "components": {"securitySchemes": {"token": scheme}},
        });
        if !of_document.is_null() {
            document["security"] = of_document.clone();
        }
        if !of_operation.is_null() {
            document["paths"]["/x"]["get"]["security"] = of_operation.clone();
        }
        document
    }

    fn bearer() -> Value {
        json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    }

    fn parsed(document: &Value) -> Result<Security, String> {
        let contract = Contract::parse("x", &document.to_string());
        let contract = contract.map_err(|error| error.to_string())?;
        Ok(contract.operations()[0].security.clone())
    }

    #[test]
    fn the_security_of_an_operation_replaces_that_of_the_document() {
        let (none, token) = (Value::Null, json!([{"token": []}]));
        for (of_document, of_operation, is_optional, schemes) in [
            (&none, &none, true, &[][..]),
            (&token, &none, false, &["token"]),
            (&none, &token, false, &["token"]),
            (&token, &json!([]), true, &[]),
            (&token, &json!([{"token": []}, {}]), true, &["token"]),
            (&json!([{}]), &token, false, &["token"]),
        ] {
            let security = parsed(&document(&bearer(), of_document, of_operation)).unwrap();
            assert_eq!(security.is_optional(), is_optional, "{security:?}");
            assert_eq!(security.schemes().collect::<Vec<_>>(), schemes);
        }
    }

    #[test]
    fn security_that_is_not_of_openapi_is_an_error_at_its_place() {
        let none = Value::Null;
        let at = "#/paths/~1x/get/security";
        for (security, problem) in [
            (json!([{"other": []}]), "/0/other: is not a declared"),
            (json!([{"token": ["read"]}]), "/0/token: has scopes"),
            (json!([{"token": true}]), "/0/token: is not a list"),
            (json!([true]), "/0: is not an object"),
            (json!({"token": []}), ": is not a list"),
        ] {
            let error = parsed(&document(&bearer(), &none, &security)).unwrap_err();
            assert!(error.starts_with(&format!("{at}{problem}")), "{error}");
        }
        let at = "#/components/securitySchemes/token";
        for (scheme, problem) in [
            (json!({"scheme": "bearer"}), ": needs `type`"),
            (json!({"type": "basic"}), "/type: `basic` is not a type"),
            (json!({"type": "http"}), ": needs `scheme`"),
            (json!({"type": "apiKey", "name": "a"}), ": needs `in`"),
            (
                json!({"type": "http", "scheme": "bearer", "in": "header"}),
                "/in: is not supported",
            ),
        ] {
            let error = parsed(&document(&scheme, &none, &none)).unwrap_err();
            assert!(error.starts_with(&format!("{at}{problem}")), "{error}");
        }
        let scoped = json!({"type": "openIdConnect", "openIdConnectUrl": "https://a.example"});
        let security = json!([{"token": ["read"]}]);
        assert!(parsed(&document(&scoped, &none, &security)).is_ok());
    }

    #[test]
    fn optional_security_accepts_callers_without_credentials_and_keeps_all_else() {
        let token = json!([{"token": []}]);
        for (of_document, of_operation) in [(&token, &Value::Null), (&Value::Null, &token)] {
            let before = document(&bearer(), of_document, of_operation);
            let after = made_optional(&before);
            let security = parsed(&after).unwrap();
            assert!(security.is_optional());
            assert_eq!(security.schemes().collect::<Vec<_>>(), ["token"]);
            assert_eq!(made_optional(&after), after);
            let text = after
                .to_string()
                .replace(r#"[{"token":[]},{}]"#, r#"[{"token":[]}]"#);
            assert_eq!(text, before.to_string());
        }
        for security in [Value::Null, json!([]), json!([{}, {"token": []}])] {
            let before = document(&bearer(), &Value::Null, &security);
            assert_eq!(made_optional(&before), before);
        }
    }
}

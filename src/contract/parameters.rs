//! The parameters of an operation in path, query and headers, and the check of those in a request.
//!
//! Imports `error`, and the module's `located`, `matching`, `parser`, `query`, `text` and
//! `violations`.

use crate::error::{Place, Violation};

use super::located::{Located, ParseError};
use super::matching::Template;
use super::parser::Parser;
use super::query::{decode, query_pairs};
use super::text::Text;
use super::violations::printable;

/// One parameter of an operation.
pub struct Parameter {
    /// The name, as the contract writes it.
    pub name: String,
    /// The part of the request that has the parameter.
    pub place: Place,
    /// Whether a request without the parameter is invalid.
    pub is_required: bool,
    /// The name in lower case, by which a header is looked up.
    lower_case: String,
    text: Text,
}

impl Parameter {
    /// The violation of a value of this parameter, which is given as decoded text; `None` when the value is
    /// valid.
    #[must_use]
    pub fn violation(&self, text: &str) -> Option<Violation> {
        let problem = self.text.problem(text)?;
        Some(self.violation_with(problem))
    }

    /// A violation at this parameter.
    fn violation_with(&self, problem: impl Into<String>) -> Violation {
        Violation::new(self.place, self.name.as_str(), problem)
    }

    /// Whether this is the parameter with the name at this place. Header names ignore the letter case.
    fn is_called(&self, place: Place, name: &str) -> bool {
        self.place == place
            && match place {
                Place::Header => self.name.eq_ignore_ascii_case(name),
                _ => self.name == name,
            }
    }
}

const BROKEN_ENCODING: &str = "has a broken percent-encoding";

/// All violations in the parameters of a request, whose path the template must match. `header` returns the
/// value of a header by its name in lower case.
pub(super) fn violations<'h>(
    parameters: &[Parameter],
    template: &Template,
    path: &str,
    query: &str,
    header: impl Fn(&str) -> Option<&'h str>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_path(parameters, template, path, &mut violations);
    check_query(parameters, query, &mut violations);
    for parameter in at(parameters, Place::Header) {
        match header(&parameter.lower_case) {
            Some(value) => violations.extend(parameter.violation(value)),
            None if parameter.is_required => {
                violations.push(parameter.violation_with("is required"));
            }
            None => {}
        }
    }
    violations
}

fn at(parameters: &[Parameter], place: Place) -> impl Iterator<Item = &Parameter> {
    let parameters = parameters.iter();
    parameters.filter(move |parameter| parameter.place == place)
}

fn check_path(
    parameters: &[Parameter],
    template: &Template,
    path: &str,
    violations: &mut Vec<Violation>,
) {
    template.match_values(path, |index, value| {
        let name = &template.placeholders[index];
        let Some(parameter) = at(parameters, Place::Path).find(|it| it.name == *name) else {
            return;
        };
        match decode(value) {
            Some(value) => violations.extend(parameter.violation(&value)),
            None => violations.push(parameter.violation_with(BROKEN_ENCODING)),
        }
    });
}

fn check_query(parameters: &[Parameter], query: &str, violations: &mut Vec<Violation>) {
    let mut seen: Vec<&str> = Vec::new();
    for pair in query_pairs(query) {
        let violation =
            |name: &str, problem: &str| Violation::new(Place::Query, printable(name), problem);
        let Some(name) = pair.name else {
            violations.push(violation(pair.raw_name, BROKEN_ENCODING));
            continue;
        };
        match at(parameters, Place::Query).find(|it| it.name == name) {
            None => violations.push(violation(&name, "is not a known query parameter")),
            Some(parameter) if seen.contains(&parameter.name.as_str()) => {
                violations.push(parameter.violation_with("is there twice"));
            }
            Some(parameter) => {
                seen.push(&parameter.name);
                match pair.value {
                    Some(value) => violations.extend(parameter.violation(&value)),
                    None => violations.push(parameter.violation_with(BROKEN_ENCODING)),
                }
            }
        }
    }
    let required = at(parameters, Place::Query).filter(|it| it.is_required);
    let absent = required.filter(|it| !seen.contains(&it.name.as_str()));
    violations.extend(absent.map(|it| it.violation_with("is required")));
}

/// Parses the parameters of an operation: its own, and those of its path item that it does not override.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse<'d>(
    item: &Located<'d>,
    operation: &Located<'d>,
    parser: &Parser<'d>,
) -> Result<Vec<Parameter>, ParseError> {
    let mut parameters = parse_list(item, parser)?;
    let own = parse_list(operation, parser)?;
    parameters.retain(|shared| {
        !own.iter()
            .any(|it| it.is_called(shared.place, &shared.name))
    });
    parameters.extend(own);
    Ok(parameters)
}

/// Parses the parameters of an operation or of a path item.
fn parse_list<'d>(owner: &Located<'d>, parser: &Parser<'d>) -> Result<Vec<Parameter>, ParseError> {
    let mut parameters: Vec<Parameter> = Vec::new();
    let items = owner.get("parameters").map(|it| it.items()).transpose()?;
    for item in items.unwrap_or_default() {
        let parameter = parse_parameter(item.clone(), parser)?;
        if parameters
            .iter()
            .any(|it| it.is_called(parameter.place, &parameter.name))
        {
            return Err(item.error(format!("`{}` is there twice", parameter.name)));
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// Parses one parameter, or the component to which it refers.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse_parameter<'d>(
    parameter: Located<'d>,
    parser: &Parser<'d>,
) -> Result<Parameter, ParseError> {
    let parameter = parameter.resolve(parser.document, "parameters")?;
    let name = parameter.text("name")?;
    let place = match parameter.text("in")? {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        place => {
            return Err(parameter.require("in")?.error(format!(
                "`{place}` is not supported: a parameter is in path, query or header"
            )));
        }
    };
    let is_required = parameter.flag("required")?;
    if place == Place::Path && !is_required {
        return Err(parameter.error("is in the path and needs `required: true`"));
    }
    let ignored = ["accept", "content-type", "authorization"];
    if place == Place::Header && ignored.contains(&name.to_ascii_lowercase().as_str()) {
        let message = format!("OpenAPI ignores a header parameter called {name}");
        return Err(parameter.require("name")?.error(message));
    }
    let style = if place == Place::Query {
        "form"
    } else {
        "simple"
    };
    Ok(Parameter {
        text: parse_text(&parameter, style, parser)?,
        lower_case: name.to_ascii_lowercase(),
        name: name.to_owned(),
        place,
        is_required,
    })
}

/// Parses the schema of a parameter or of a response header.
///
/// # Errors
/// When the value is not sent as plain text.
pub(super) fn parse_text<'d>(
    owner: &Located<'d>,
    style: &str,
    parser: &Parser<'d>,
) -> Result<Text, ParseError> {
    if let Some(content) = owner.get("content") {
        return Err(content.error("is not supported here: use `schema`"));
    }
    if let Some(other) = owner.get("style").filter(|it| it.value != style) {
        let message = format!("is not supported: only the default, `{style}`, is");
        return Err(other.error(message));
    }
    for keyword in ["allowEmptyValue", "allowReserved"] {
        if owner.flag(keyword)? {
            return Err(owner.require(keyword)?.error("is not supported"));
        }
    }
    owner.only(&KEYS)?;
    let schema = owner.require("schema")?;
    parser.check(&schema)?;
    Text::parse(&schema, &parser.schemas)
}

/// The keys of a parameter or of a response header that are supported. `explode` has no effect on plain
/// text.
const KEYS: [&str; 13] = [
    "name",
    "in",
    "description",
    "required",
    "deprecated",
    "allowEmptyValue",
    "allowReserved",
    "style",
    "explode",
    "schema",
    "content",
    "example",
    "examples",
];

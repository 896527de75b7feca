//! The parameters of an operation, and the check of those of a request: in path, query and headers.
//!
//! Imports `error`, and the module's `located`, `matching`, `query`, `reader`, `schema`
//! and `text`.

use crate::error::{Place, Violation};

use super::located::{Located, Problem};
use super::matching::Template;
use super::query::{decode, query_pairs};
use super::reader::Reader;
use super::text::Text;
use super::violations::printable;

/// One parameter of an operation.
pub struct Parameter {
    /// The name, as the contract writes it.
    pub name: String,
    /// Where the parameter stands.
    pub place: Place,
    /// Whether a request without the parameter is refused.
    pub is_required: bool,
    /// The name by which a header is looked up: in lower case.
    header: String,
    text: Text,
}

impl Parameter {
    /// What is wrong with `text`, decoded, as the value of this parameter, if anything.
    #[must_use]
    pub fn violation(&self, text: &str) -> Option<Violation> {
        let problem = self.text.problem(text)?;
        Some(self.says(problem))
    }

    fn says(&self, problem: impl Into<String>) -> Violation {
        Violation::new(self.place, self.name.as_str(), problem)
    }

    fn is(&self, place: Place, name: &str) -> bool {
        self.place == place
            && match place {
                Place::Header => self.name.eq_ignore_ascii_case(name),
                _ => self.name == name,
            }
    }
}

const BROKEN_ENCODING: &str = "has a broken percent-encoding";

/// Everything that is wrong with the parameters of a request whose path the template matches.
/// `header` finds a header's value by its name in lower case.
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
        match header(&parameter.header) {
            Some(value) => violations.extend(parameter.violation(value)),
            None if parameter.is_required => violations.push(parameter.says("is required")),
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
    template.walk(path, |index, value| {
        let name = &template.placeholders[index];
        let Some(parameter) = at(parameters, Place::Path).find(|it| it.name == *name) else {
            return;
        };
        match decode(value) {
            Some(value) => violations.extend(parameter.violation(&value)),
            None => violations.push(parameter.says(BROKEN_ENCODING)),
        }
    });
}

fn check_query(parameters: &[Parameter], query: &str, violations: &mut Vec<Violation>) {
    let mut seen: Vec<&str> = Vec::new();
    for pair in query_pairs(query) {
        let unnamed =
            |name: &str, problem: &str| Violation::new(Place::Query, printable(name), problem);
        let Some(name) = pair.name else {
            violations.push(unnamed(pair.raw_name, BROKEN_ENCODING));
            continue;
        };
        match at(parameters, Place::Query).find(|it| it.name == name) {
            None => violations.push(unnamed(&name, "is not a known query parameter")),
            Some(parameter) if seen.contains(&parameter.name.as_str()) => {
                violations.push(parameter.says("is there twice"));
            }
            Some(parameter) => {
                seen.push(&parameter.name);
                match pair.value {
                    Some(value) => violations.extend(parameter.violation(&value)),
                    None => violations.push(parameter.says(BROKEN_ENCODING)),
                }
            }
        }
    }
    let required = at(parameters, Place::Query).filter(|it| it.is_required);
    let absent = required.filter(|it| !seen.contains(&it.name.as_str()));
    violations.extend(absent.map(|it| it.says("is required")));
}

/// The parameters of an operation: its own, and those of its path item that it does not replace.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse<'d>(
    item: &Located<'d>,
    operation: &Located<'d>,
    reader: &Reader<'d>,
) -> Result<Vec<Parameter>, Problem> {
    let mut parameters = list(item, reader)?;
    let own = list(operation, reader)?;
    parameters.retain(|shared| !own.iter().any(|it| it.is(shared.place, &shared.name)));
    parameters.extend(own);
    Ok(parameters)
}

fn list<'d>(owner: &Located<'d>, reader: &Reader<'d>) -> Result<Vec<Parameter>, Problem> {
    let mut parameters: Vec<Parameter> = Vec::new();
    let items = owner.get("parameters").map(|it| it.items()).transpose()?;
    for item in items.unwrap_or_default() {
        let parameter = parameter(item.clone(), reader)?;
        if parameters
            .iter()
            .any(|it| it.is(parameter.place, &parameter.name))
        {
            return Err(item.problem(format!("`{}` is there twice", parameter.name)));
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

fn parameter<'d>(parameter: Located<'d>, reader: &Reader<'d>) -> Result<Parameter, Problem> {
    let parameter = parameter.resolve(reader.document, "parameters")?;
    let name = parameter.text("name")?;
    let place = match parameter.text("in")? {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        place => {
            return Err(parameter.require("in")?.problem(format!(
                "`{place}` is not supported: a parameter is in path, query or header"
            )));
        }
    };
    let is_required = parameter.flag("required")?;
    if place == Place::Path && !is_required {
        return Err(parameter.problem("is in the path and needs `required: true`"));
    }
    let ignored = ["accept", "content-type", "authorization"];
    if place == Place::Header && ignored.contains(&name.to_ascii_lowercase().as_str()) {
        let message = format!("OpenAPI ignores a header parameter called {name}");
        return Err(parameter.require("name")?.problem(message));
    }
    let style = if place == Place::Query {
        "form"
    } else {
        "simple"
    };
    Ok(Parameter {
        text: text(&parameter, style, reader)?,
        header: name.to_ascii_lowercase(),
        name: name.to_owned(),
        place,
        is_required,
    })
}

/// What the value of a parameter or of a response header may be.
///
/// # Errors
/// When it is serialised in another way than as one plain text.
pub(super) fn text<'d>(
    owner: &Located<'d>,
    style: &str,
    reader: &Reader<'d>,
) -> Result<Text, Problem> {
    if let Some(content) = owner.get("content") {
        return Err(content.problem("is not supported here: use `schema`"));
    }
    if let Some(other) = owner.get("style").filter(|it| it.value != style) {
        let message = format!("is not supported: only the default, `{style}`, is");
        return Err(other.problem(message));
    }
    for keyword in ["allowEmptyValue", "allowReserved"] {
        if owner.flag(keyword)? {
            return Err(owner.require(keyword)?.problem("is not supported"));
        }
    }
    owner.only(&KEYWORDS)?;
    let schema = owner.require("schema")?;
    reader.check(&schema)?;
    Text::parse(&schema, &reader.schemas)
}

/// What a parameter or a response header may say; `explode` has no effect on a plain text.
const KEYWORDS: [&str; 13] = [
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

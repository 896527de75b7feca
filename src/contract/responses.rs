//! The responses of an operation, and the check of a response against them.
//!
//! Imports `error`, and the module's `json`, `located`, `parameters`, `parser`, `schema`,
//! `text` and `validators`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::error::{Place, Violation};

use super::located::{Located, ParseError};
use super::parameters;
use super::parser::Parser;
use super::schema::Direction;
use super::text::Text;
use super::validators::{Schema, Schemas};

/// The responses of an operation.
pub(super) struct Responses {
    documented: Vec<Response>,
    schemas: Arc<Schemas>,
}

/// The documented response for some statuses.
pub(super) struct Response {
    statuses: RangeInclusive<u16>,
    body: Option<ResponseBody>,
    headers: Vec<Header>,
}

struct ResponseBody {
    /// The media type, in lower case and without spaces.
    media_type: String,
    schema: Arc<Schema>,
    /// The JSON pointer to the schema.
    pointer: String,
}

pub(super) struct Header {
    name: String,
    lower_case: String,
    is_required: bool,
    text: Text,
}

/// The statuses that never have a body (RFC 9110).
const WITHOUT_BODY: [u16; 3] = [204, 205, 304];

impl Responses {
    pub(super) fn statuses(&self) -> impl Iterator<Item = u16> + '_ {
        let ranges = self.documented.iter().map(|response| &response.statuses);
        let single = ranges.filter(|range| range.start() == range.end());
        single.map(|range| *range.start())
    }

    pub(super) fn violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Vec<Violation> {
        let mut violations = self.head_violations(status, header);
        let Some(response) = self.response(status) else {
            return violations;
        };
        let Some(documented) = response.body_of(status) else {
            if !body.is_empty() {
                violations.push(Violation::in_body("", "is there, where none is documented"));
            }
            return violations;
        };
        match super::json::parse(body) {
            Ok((value, duplicates)) => {
                violations.extend(duplicates);
                violations.extend(documented.schema.violations(&value));
            }
            Err(violation) => violations.push(violation),
        }
        violations
    }

    pub(super) fn head_violations<'h>(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Vec<Violation> {
        let Some(response) = self.response(status) else {
            return vec![Violation::in_body(
                "status",
                format!("{status} is not documented"),
            )];
        };
        let wrong = |name: &str, problem: String| Violation::new(Place::Header, name, problem);
        let mut violations = Vec::new();
        for documented in &response.headers {
            let problem = match header(&documented.lower_case) {
                None if documented.is_required => "is missing",
                Some(text) if documented.text.problem(text).is_some() => {
                    "does not keep to its schema"
                }
                _ => continue,
            };
            violations.push(wrong(&documented.name, problem.to_owned()));
        }
        let sent = header("content-type").map(without_spaces);
        let documented = response
            .body_of(status)
            .map(|body| body.media_type.as_str());
        match (documented, sent) {
            (Some(documented), sent) if sent.as_deref() != Some(documented) => {
                violations.push(wrong("content-type", format!("is not {documented}")));
            }
            (None, Some(_)) => {
                violations.push(wrong("content-type", "is there, without a body".to_owned()));
            }
            _ => {}
        }
        violations
    }

    pub(super) fn row_violations(
        &self,
        status: u16,
        list: &str,
        first: usize,
        rows: &[u8],
    ) -> Vec<Violation> {
        let body = self.response(status).and_then(|it| it.body_of(status));
        let items = body.and_then(|body| self.schemas.items(&body.pointer, list));
        let Some(items) = items else {
            return vec![Violation::in_body(list, "is not a list by the contract")];
        };
        let schema = self.schemas.get(&items, Direction::Response);
        let place = |index: usize, pointer: &str| format!("{list}/{}{pointer}", first + index);
        let (value, mut violations) = match super::json::parse(&[b"[", rows, b"]"].concat()) {
            Ok(parsed) => parsed,
            Err(violation) => return vec![Violation::in_body(list, violation.message)],
        };
        // The violations so far are duplicate keys. Their pointers are `/<index of the row>/…`.
        for violation in &mut violations {
            let pointer = violation.field.trim_start_matches('/');
            let (row, pointer) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
            if let Ok(row) = row.parse() {
                violation.field = place(row, pointer);
            }
        }
        for (index, row) in value.as_array().into_iter().flatten().enumerate() {
            for mut violation in schema.violations(row) {
                violation.field = place(index, &violation.field);
                violations.push(violation);
            }
        }
        violations
    }

    /// The documented response for a status: that for this very status, for its range, or `default`.
    fn response(&self, status: u16) -> Option<&Response> {
        let documented = self.documented.iter();
        let documented = documented.filter(|response| response.statuses.contains(&status));
        documented.min_by_key(|response| response.statuses.end() - response.statuses.start())
    }
}

impl Response {
    /// The documented body, unless a response with this status has none.
    fn body_of(&self, status: u16) -> Option<&ResponseBody> {
        self.body
            .as_ref()
            .filter(|_| !WITHOUT_BODY.contains(&status))
    }
}

fn without_spaces(text: &str) -> String {
    let text = text.chars().filter(|it| !it.is_ascii_whitespace());
    text.map(|it| it.to_ascii_lowercase()).collect()
}

/// Parses the responses of an operation.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse<'d>(
    responses: &Located<'d>,
    parser: &Parser<'d>,
) -> Result<Responses, ParseError> {
    let members = responses.members()?.into_iter();
    let documented = members.filter(|(status, _)| !status.starts_with("x-"));
    let documented: Vec<_> = documented
        .map(|(status, response)| parse_response(status, response, parser))
        .collect::<Result<_, _>>()?;
    if documented.is_empty() {
        return Err(responses.error("has no response"));
    }
    Ok(Responses {
        documented,
        schemas: Arc::clone(&parser.schemas),
    })
}

/// Parses the response for a status like `404`, `4XX` or `default`.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse_response<'d>(
    status: &str,
    at: Located<'d>,
    parser: &Parser<'d>,
) -> Result<Response, ParseError> {
    let Some(statuses) = statuses(status) else {
        return Err(at.error("is not a status: `404`, `4XX` or `default` are"));
    };
    let response = at.resolve(parser.document, "responses")?;
    response.only(&["description", "headers", "content", "links"])?;
    let mut headers = Vec::new();
    for (name, header) in match response.get("headers") {
        Some(headers) => headers.members()?,
        None => Vec::new(),
    } {
        headers.push(parse_header(name, header, parser)?);
    }
    let body = match response.get("content") {
        Some(content) => parser.media_type(&content)?,
        None => None,
    };
    if body.is_some() && statuses.clone().all(|it| WITHOUT_BODY.contains(&it)) {
        let message = format!("a {status} has no body");
        return Err(response.require("content")?.error(message));
    }
    let body = body.map(|(name, schema)| ResponseBody {
        media_type: without_spaces(name),
        schema: parser.schemas.get(&schema.pointer, Direction::Response),
        pointer: schema.pointer,
    });
    Ok(Response {
        statuses,
        body,
        headers,
    })
}

/// The statuses that a key like `404`, `4XX` or `default` stands for.
fn statuses(text: &str) -> Option<RangeInclusive<u16>> {
    if text == "default" {
        return Some(0..=u16::MAX);
    }
    let is_class = |class: &str| matches!(class.as_bytes(), [b'1'..=b'5']);
    if let Some(class) = text.strip_suffix("XX").filter(|class| is_class(class)) {
        let class: u16 = class.parse().ok()?;
        return Some(100 * class..=100 * class + 99);
    }
    let is_status = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let status = text
        .parse()
        .ok()
        .filter(|it| is_status && (100..600).contains(it))?;
    Some(status..=status)
}

/// Parses a response header.
///
/// # Errors
/// The first construct that is not supported.
pub(super) fn parse_header<'d>(
    name: &str,
    header: Located<'d>,
    parser: &Parser<'d>,
) -> Result<Header, ParseError> {
    if name.eq_ignore_ascii_case("content-type") {
        let message = "OpenAPI ignores this header of a response: `content` has the media type";
        return Err(header.error(message));
    }
    let header = header.resolve(parser.document, "headers")?;
    Ok(Header {
        name: name.to_owned(),
        lower_case: name.to_ascii_lowercase(),
        is_required: header.flag("required")?,
        text: parameters::parse_text(&header, "simple", parser)?,
    })
}

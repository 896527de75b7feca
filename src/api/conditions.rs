//! Conditional requests (RFC 9110, 13): the tag of what an answer shows, and the headers in which a
//! client sends tags back.
//!
//! A tag is a hash of the JSON in `data`, as the present release writes it: what is shown is in it
//! and nothing else, so no password, no message, and no version column in the tables. It is the same
//! in every process, and the same whether the answer is compressed or not; no answer may be cached
//! (`Cache-Control: no-store`) or asked for in ranges, where that would matter.
//!
//! `If-None-Match` compares weakly, after the row was read as ever. `If-Match` compares strongly, and
//! not here: it becomes a [`Condition`] that `db` asks about the row once it is locked, in the
//! transaction that changes it. Which text is well-formed the contract says, by a pattern, and the
//! gate has checked it; that `Tags::parse` agrees with the pattern is tested below.
//!
//! Imports `db` for the type of a condition, and knows no SQL.

use std::borrow::Cow;

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U16;
use poem::http::HeaderValue;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use serde::Serialize;

use crate::db::Condition;

/// What a list of tags looks like: the contract's pattern.
const PATTERN: &str =
    r#"^([ \t]*\*[ \t]*|[ \t,]*(W/)?"[!#-~]*"([ \t]*,[ \t,]*(W/)?"[!#-~]*")*[ \t,]*)$"#;

/// The white space of HTTP.
const BLANK: [char; 2] = [' ', '\t'];

/// The tag of what an answer shows: 128 bits of BLAKE2b, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of `data`.
    pub(super) fn of(data: &impl Serialize) -> Self {
        // Our types have string keys and no failing `Serialize`.
        let json = serde_json::to_vec(data).unwrap_or_default();
        let hash: [u8; 16] = Blake2b::<U16>::digest(json).into();
        Self(format!("{:032x}", u128::from_be_bytes(hash)))
    }

    /// The value of the header `ETag`; there is always one.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("\"{}\"", self.0)).ok()
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`: that of whatever exists.
    Any,
    /// These.
    Listed(Vec<Tag>),
}

/// One tag that a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    is_weak: bool,
    opaque: String,
}

impl Tags {
    /// Reads a header's value; `None` when it is neither `*` nor a list of tags. A list may have
    /// empty elements (RFC 9110, 5.6.1).
    fn parse(text: &str) -> Option<Self> {
        if text.trim_matches(BLANK) == "*" {
            return Some(Self::Any);
        }
        let between = |c| c == ',' || BLANK.contains(&c);
        let mut tags = Vec::new();
        let mut rest = text.trim_start_matches(between);
        while !rest.is_empty() {
            let (is_weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
            if !opaque.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            let after = after.trim_start_matches(BLANK);
            if !after.is_empty() && !after.starts_with(',') {
                return None;
            }
            rest = after.trim_start_matches(between);
            tags.push(Tag {
                is_weak,
                opaque: opaque.to_owned(),
            });
        }
        (!tags.is_empty()).then_some(Self::Listed(tags))
    }

    /// Whether one of them is `tag`, weak or not: enough to keep a copy.
    pub(super) fn match_weakly(&self, tag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|sent| sent.opaque == tag.0),
        }
    }

    /// Whether one of them is `tag`, and none of the weak ones: enough to change what it names.
    pub(super) fn match_strongly(&self, tag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags
                .iter()
                .any(|sent| !sent.is_weak && sent.opaque == tag.0),
        }
    }
}

/// What `If-Match` demands of a row that is shown as `S`.
pub(super) fn condition<R, S>(if_match: Option<Tags>) -> Option<Condition<R>>
where
    R: Clone,
    S: From<R> + Serialize,
{
    let tags = if_match?;
    Some(Box::new(move |row: &R| {
        tags.match_strongly(&ETag::of(&S::from(row.clone())))
    }))
}

impl Type for Tags {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "tags".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            max_length: Some(1024),
            pattern: Some(PATTERN.to_owned()),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for Tags {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::parse(value).ok_or_else(|| ParseError::custom("is no list of entity tags"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract;

    #[test]
    fn the_tag_of_a_value_never_changes() {
        // `printf '{"id":2,"email":"test@example.com","role":"USER"}' | b2sum -l 128`
        let data = json!({"id": 2, "email": "test@example.com", "role": "USER"});
        let tag = ETag::of(&data).header().unwrap();
        assert_eq!(tag, "\"a9e43e00e5c27fc12bd2ef4ca42846eb\"");
        assert_ne!(ETag::of(&json!({"id": 3})), ETag::of(&json!({"id": 2})));
    }

    #[test]
    fn strong_and_weak_tags_match_as_the_rfc_says() {
        let tag = ETag("a".to_owned());
        for (text, strongly, weakly) in [
            ("*", true, true),
            (r#""a""#, true, true),
            (r#"W/"a""#, false, true),
            (r#""b", "a""#, true, true),
            (r#""b",W/"a" , "c""#, false, true),
            (r#", ,"a","#, true, true),
            (r#""b""#, false, false),
            (r#""A""#, false, false),
            (r#""""#, false, false),
            (r#""*""#, false, false),
        ] {
            let tags = Tags::parse(text).unwrap();
            let matches = (tags.match_strongly(&tag), tags.match_weakly(&tag));
            assert_eq!(matches, (strongly, weakly), "{text}");
        }
    }

    /// Every text of up to six of these characters: no other has a meaning.
    #[test]
    fn what_is_read_is_what_the_contract_allows() {
        let operation = contract::find("PUT", "/api/users/1").unwrap();
        let mut parameters = operation.parameters.iter();
        let parameter = parameters
            .find(|parameter| parameter.name == "If-Match")
            .unwrap();
        let mut texts = vec![String::new()];
        let mut well_formed = 0;
        for _ in 0..6 {
            let longer = |text: &String| {
                ["*", "\"", ",", "W/", " ", "a", "\u{7f}"].map(|c| text.clone() + c)
            };
            texts = texts.iter().flat_map(longer).collect();
            for text in &texts {
                let allowed = parameter.violation(text).is_none();
                assert_eq!(Tags::parse(text).is_some(), allowed, "{text:?}");
                well_formed += usize::from(allowed);
            }
        }
        assert!(well_formed > 100, "{well_formed}");
        assert!(parameter.violation("").is_some() && Tags::parse("").is_none());
    }
}

//! Conditional requests (RFC 9110, 13): the tag of what an answer shows, and the headers in which a
//! client sends tags back.
//!
//! A tag is a hash of the JSON in `data`, as the present release writes it: what is shown is in it
//! and nothing else, so no password, no message, and no version column in the tables. It is the same
//! in every process, and the same whether the answer is compressed or not; no response of an operation may be cached
//! (`Cache-Control: no-store`) or asked for in ranges, where that would matter.
//!
//! `If-None-Match` compares weakly, after the row was read as ever. `If-Match` compares strongly, and
//! not here: it becomes a [`Condition`] that `db` asks about the row once it is locked, in the
//! transaction that changes it. Text that is no tag matches nothing: a request that sends it as
//! `If-Match` changes nothing, and one that sends it as `If-None-Match` gets the whole response.
//!
//! Imports `db` for the type of a condition, and knows no SQL.

use std::borrow::Cow;

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U16;
use poem::http::HeaderValue;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseFromParameter, ParseResult, Type};
use serde::Serialize;

use crate::db::Condition;

/// The white space of HTTP.
const BLANK: [char; 2] = [' ', '\t'];

/// The tag of what an answer shows: 128 bits of BLAKE2b, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of `data`.
    pub(super) fn of(data: &impl Serialize) -> Self {
        // Our types have string keys and no failing `Serialize`.
        Self::of_bytes(&serde_json::to_vec(data).unwrap_or_default())
    }

    /// The tag of a whole body.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let hash: [u8; 16] = Blake2b::<U16>::digest(bytes).into();
        Self(format!("{:032x}", u128::from_be_bytes(hash)))
    }

    /// The value of the header `ETag` of a response that may be stored and compressed.
    pub(super) fn weak_header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("W/\"{}\"", self.0)).ok()
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
    Listed(Vec<SentTag>),
}

/// One tag that a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTag {
    is_weak: bool,
    opaque: String,
}

impl Tags {
    /// Reads a header's value: `*`, or a list of tags (RFC 9110, 8.8.3), of which some elements may be
    /// empty. Elements that are no tags are left out.
    pub(super) fn parse(text: &str) -> Self {
        if text.trim_matches(BLANK) == "*" {
            return Self::Any;
        }
        let mut tags = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (tag, after) = read_tag(rest.trim_start_matches(BLANK));
            let (garbage, next) = after.split_once(',').unwrap_or((after, ""));
            if garbage.trim_matches(BLANK).is_empty() {
                tags.extend(tag);
            }
            rest = next;
        }
        Self::Listed(tags)
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

/// The tag that `text` begins with, and what follows; no tag, and all of the text, when there is none.
fn read_tag(text: &str) -> (Option<SentTag>, &str) {
    let (is_weak, quoted) = match text.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let opaque = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.split_once('"'));
    match opaque {
        Some((opaque, after)) if opaque.bytes().all(|byte| byte.is_ascii_graphic()) => {
            let opaque = opaque.to_owned();
            (Some(SentTag { is_weak, opaque }), after)
        }
        _ => (None, text),
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
        Ok(Self::parse(value))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

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
            ("", false, false),
            ("a", false, false),
            (r#""a"#, false, false),
            (r#"w/"a""#, false, false),
            (r#"W/ "a""#, false, false),
            (r#""a"b"#, false, false),
            (r#""a" "a""#, false, false),
            (r#"b "a""#, false, false),
            (r#"b, "a""#, true, true),
            (r#""a", b"#, true, true),
            (r#""b"c, "a""#, true, true),
            (r#"*, "b""#, false, false),
            (r#"*, "a""#, true, true),
            (r#""b,"a""#, false, false),
            (r#""b, "a""#, true, true),
            (r#""b,", "a""#, true, true),
        ] {
            let tags = Tags::parse(text);
            let matches = (tags.match_strongly(&tag), tags.match_weakly(&tag));
            assert_eq!(matches, (strongly, weakly), "{text}");
        }
    }
}

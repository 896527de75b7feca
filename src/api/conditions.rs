//! Conditional requests (RFC 9110, 13): the entity tag of a resource, and the request headers with tags
//! (`If-Match`, `If-None-Match`).
//!
//! An entity tag is a hash of the JSON in `data`, so that the tables need no version column. Passwords
//! and messages are not part of the hash. Every process computes the same tag, but a new release may
//! compute another one. The compressed and the plain response have the same tag. That is harmless: it
//! would matter for caches and range requests, but responses of operations have `Cache-Control:
//! no-store` and support no ranges.
//!
//! `If-None-Match` is compared weakly, after the row has been read. `If-Match` is compared strongly: it
//! becomes a [`Condition`] that `db` checks on the locked row, in the transaction that changes the
//! row. A malformed tag matches nothing: if the header has no other tag, `If-Match` prevents the change
//! and the response to `If-None-Match` is the full one.
//!
//! This module parses the lists of tags itself, because the parser of the crate `headers` panics in
//! debug builds when a tag contains a space.
//!
//! Imports `db` for the type of a condition.

use std::borrow::Cow;

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U16;
use poem::http::HeaderValue;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseFromParameter, ParseResult, Type};
use serde::Serialize;

use crate::db::Condition;

/// White space around the elements of a list (RFC 9110, 5.6.3).
const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// The entity tag of a response: 128 bits of BLAKE2b, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of `data`.
    pub(super) fn of(data: &impl Serialize) -> Self {
        // Serialisation cannot fail: the types of this crate have string keys.
        Self::of_bytes(&serde_json::to_vec(data).unwrap_or_default())
    }

    /// The tag of these bytes.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let hash: [u8; 16] = Blake2b::<U16>::digest(bytes).into();
        Self(format!("{:032x}", u128::from_be_bytes(hash)))
    }

    /// The value of the header `ETag` as a weak tag, for a response that may be cached.
    pub(super) fn weak_header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("W/\"{}\"", self.0)).ok()
    }

    /// The value of the header `ETag` as a strong tag. It is always `Some`.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.quoted()).ok()
    }

    /// The strong tag, as it is in the header.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`, which matches every tag.
    Any,
    /// A list of tags.
    Listed(Vec<EntityTag>),
}

/// One entity tag in a header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag {
    is_weak: bool,
    opaque: String,
}

impl EntityTags {
    /// Parses the value of a header: `*`, or a list of tags (RFC 9110, 8.8.3). Empty and malformed
    /// elements are ignored.
    pub(super) fn parse(text: &str) -> Self {
        if text.trim_matches(WHITE_SPACE) == "*" {
            return Self::Any;
        }
        let mut tags = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (tag, after) = read_tag(rest.trim_start_matches(WHITE_SPACE));
            let (garbage, next) = after.split_once(',').unwrap_or((after, ""));
            if garbage.trim_matches(WHITE_SPACE).is_empty() {
                tags.extend(tag);
            }
            rest = next;
        }
        Self::Listed(tags)
    }

    /// Whether `tag` is one of these tags, weak or strong: the client's copy is current.
    pub(super) fn match_weakly(&self, tag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|sent| sent.opaque == tag.0),
        }
    }

    /// Whether `tag` is one of the strong tags among these: the client may change the resource.
    pub(super) fn match_strongly(&self, tag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags
                .iter()
                .any(|sent| !sent.is_weak && sent.opaque == tag.0),
        }
    }
}

/// Splits `text` into the tag at its beginning and the text after it. Without a valid tag at its
/// beginning, the result is `None` and the whole text.
fn read_tag(text: &str) -> (Option<EntityTag>, &str) {
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
            (Some(EntityTag { is_weak, opaque }), after)
        }
        _ => (None, text),
    }
}

/// The condition of the header `If-Match` on a row `R`, whose representation in `data` is `S`.
pub(super) fn condition<R, S>(if_match: Option<EntityTags>) -> Option<Condition<R>>
where
    R: Clone,
    S: From<R> + Serialize,
{
    let tags = if_match?;
    Some(Box::new(move |row: &R| {
        tags.match_strongly(&ETag::of(&S::from(row.clone())))
    }))
}

impl Type for EntityTags {
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

impl ParseFromParameter for EntityTags {
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
            let tags = EntityTags::parse(text);
            let matches = (tags.match_strongly(&tag), tags.match_weakly(&tag));
            assert_eq!(matches, (strongly, weakly), "{text}");
        }
    }
}

//! Path templates: which concrete paths they match, and which of several matching templates takes
//! precedence.
//!
//! A placeholder matches one or more characters except `/`. Its segment may have other text around it,
//! as in `/files/{name}.json`. The more specific template takes precedence: `/things/mine` over
//! `/things/{id}`. Imports the module's `query`.

use std::cmp::Reverse;

use super::query::normalise_path;

/// A path with placeholders.
#[derive(Debug)]
pub(super) struct Template {
    path: String,
    /// The text before, between and after the placeholders.
    literals: Vec<String>,
    /// The names of the placeholders: one less than literals.
    pub placeholders: Vec<String>,
}

impl Template {
    /// Parses a path of a contract.
    ///
    /// # Errors
    /// Why the path is not a valid template, in one line.
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err("a path begins with `/`".to_owned());
        }
        let mut literals = Vec::new();
        let mut placeholders: Vec<String> = Vec::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err("a `{` has no `}`".to_owned());
            };
            if name.is_empty() || name.contains(['{', '/']) {
                return Err(format!("`{{{name}}}` is not a placeholder"));
            }
            if placeholders.iter().any(|known| known == name) {
                return Err(format!("has the placeholder `{{{name}}}` twice"));
            }
            if !placeholders.is_empty() && !before.contains('/') {
                return Err("two placeholders in one segment are not supported".to_owned());
            }
            literals.push(before.to_owned());
            placeholders.push(name.to_owned());
            rest = after;
        }
        literals.push(rest.to_owned());
        if literals.iter().any(|literal| literal.contains('}')) {
            return Err("a `}` has no `{`".to_owned());
        }
        literals.iter().try_for_each(|it| check_literal(it))?;
        if path
            .split('/')
            .any(|segment| [".", ".."].contains(&segment))
        {
            return Err("clients remove the segments `.` and `..` from a path".to_owned());
        }
        Ok(Self {
            path: path.to_owned(),
            literals,
            placeholders,
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        self.match_values(path, |_, _| {})
    }

    /// Whether the template matches a path. Calls `found` with the index and the value of each
    /// placeholder. The calls are valid only if the result is true.
    pub(super) fn match_values<'p>(
        &self,
        path: &'p str,
        mut found: impl FnMut(usize, &'p str),
    ) -> bool {
        let Some((first, others)) = self.literals.split_first() else {
            return false;
        };
        let Some(mut rest) = path.strip_prefix(first.as_str()) else {
            return false;
        };
        for (index, literal) in others.iter().enumerate() {
            // A placeholder does not extend beyond its segment: the rest of the segment is the value,
            // and the part of the next literal before its first `/`.
            let end = rest.find('/').unwrap_or(rest.len());
            let (segment, other_segments) = rest.split_at(end);
            let (suffix, other_literals) =
                literal.split_at(literal.find('/').unwrap_or(literal.len()));
            let value = segment.strip_suffix(suffix);
            let left = other_segments.strip_prefix(other_literals);
            let (Some(value), Some(left)) = (value, left) else {
                return false;
            };
            if value.is_empty() {
                return false;
            }
            found(index, value);
            rest = left;
        }
        rest.is_empty()
    }

    /// The sort key for templates: more specific ones come first.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let literal_length: usize = self.literals.iter().map(String::len).sum();
        (self.placeholders.len(), Reverse(literal_length))
    }

    /// Whether a path exists that both templates match.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.segments(), other.segments());
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| a.overlaps(b))
    }

    /// Whether a path exists that both templates match, and neither template is more specific in every
    /// segment.
    pub(super) fn is_ambiguous_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.segments(), other.segments());
        let pairs = || ours.iter().zip(&theirs);
        self.overlaps(other)
            && (pairs().all(|(a, b)| a.is_within(b)) == pairs().all(|(a, b)| b.is_within(a)))
    }

    fn segments(&self) -> Vec<Segment<'_>> {
        let segments = self.path.split('/');
        segments.map(Segment::parse).collect()
    }
}

/// Checks that a request can have the text in its path, in the form to which request paths are
/// normalised.
///
/// # Errors
/// Why it cannot.
fn check_literal(literal: &str) -> Result<(), String> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    if let Some(other) = literal
        .chars()
        .find(|it| !u8::try_from(*it).is_ok_and(is_plain))
    {
        return Err(match other {
            '?' | '#' => "a path has neither query nor fragment".to_owned(),
            _ => format!(
                "{other:?} cannot be in the path of a request: it has to be percent-encoded"
            ),
        });
    }
    let escapes = literal.split('%').skip(1);
    let is_escape =
        |text: &str| text.len() >= 2 && text.bytes().take(2).all(|it| it.is_ascii_hexdigit());
    if !escapes.into_iter().all(is_escape) {
        return Err(
            "a `%` is not followed by two hexadecimal digits: write it as `%25`".to_owned(),
        );
    }
    let normal = normalise_path(literal);
    if normal == literal {
        Ok(())
    } else {
        Err(format!("`{literal}` is not in its normal form, `{normal}`"))
    }
}

/// A segment of a template: the text between two slashes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Segment<'t> {
    Literal(&'t str),
    Placeholder { before: &'t str, after: &'t str },
}

impl<'t> Segment<'t> {
    fn parse(text: &'t str) -> Self {
        match text.split_once('{') {
            None => Self::Literal(text),
            Some((before, rest)) => Self::Placeholder {
                before,
                after: rest.split_once('}').map_or("", |(_, after)| after),
            },
        }
    }

    /// Whether both segments match the same text.
    fn overlaps(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Literal(ours), Self::Literal(theirs)) => ours == theirs,
            (Self::Literal(text), Self::Placeholder { before, after })
            | (Self::Placeholder { before, after }, Self::Literal(text)) => {
                let rest = text.strip_prefix(before);
                let value = rest.and_then(|rest| rest.strip_suffix(after));
                value.is_some_and(|value| !value.is_empty())
            }
            (
                Self::Placeholder { before, after },
                Self::Placeholder {
                    before: other_before,
                    after: other_after,
                },
            ) => {
                (before.starts_with(other_before) || other_before.starts_with(before))
                    && (after.ends_with(other_after) || other_after.ends_with(after))
            }
        }
    }

    /// Whether the other segment matches every text that this one matches.
    fn is_within(&self, other: &Self) -> bool {
        match (*self, *other) {
            (
                Self::Placeholder { before, after },
                Self::Placeholder {
                    before: other_before,
                    after: other_after,
                },
            ) => before.starts_with(other_before) && after.ends_with(other_after),
            (Self::Placeholder { .. }, Self::Literal(_)) => false,
            (Self::Literal(_), _) => self.overlaps(other),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn values<'p>(template: &str, path: &'p str) -> Option<Vec<&'p str>> {
        let mut values = Vec::new();
        let template = Template::parse(template).unwrap();
        let is_match = template.match_values(path, |_, value| values.push(value));
        is_match.then_some(values)
    }

    #[test]
    fn a_template_matches_whole_paths() {
        for (template, path, expected) in [
            ("/", "/", Some(vec![])),
            ("/a", "/a", Some(vec![])),
            ("/a", "/a/", None),
            ("/a", "/ab", None),
            ("/a/{x}", "/a/1", Some(vec!["1"])),
            ("/a/{x}", "/a/", None),
            ("/a/{x}", "/a/1/", None),
            ("/a/{x}", "/a/1/2", None),
            ("/a/{x}/b", "/a/1/b", Some(vec!["1"])),
            ("/a/{x}/b", "/a/1/bb", None),
            ("/a/{x}/b", "/a/b", None),
            ("/a/{x}/b", "/a//b", None),
            ("/a/{x}/b/{y}", "/a/1/b/2", Some(vec!["1", "2"])),
            ("/a/{x}/b/{y}", "/a/1/c/2", None),
            ("/a/{x}/b/{y}", "/a/1/b/2/3", None),
            ("/{x}/{y}", "/1/2", Some(vec!["1", "2"])),
            ("/{x}/{y}", "/1", None),
            ("/f/{x}.json", "/f/a.b.json", Some(vec!["a.b"])),
            ("/f/{x}.json", "/f/.json", None),
            ("/f/{x}.json", "/f/a.json/b", None),
            ("/f/v{x}-/y{z}", "/f/v1-/y2", Some(vec!["1", "2"])),
            ("/f/v{x}-/y{z}", "/f/v1/y2", None),
        ] {
            assert_eq!(values(template, path), expected, "{template} {path}");
        }
    }

    #[test]
    fn the_error_for_an_invalid_template_says_why() {
        for (template, problem) in [
            ("a", "a path begins with `/`"),
            ("/{a", "a `{` has no `}`"),
            ("/a}", "a `}` has no `{`"),
            ("/{}", "`{}` is not a placeholder"),
            ("/{a/b}", "`{a/b}` is not a placeholder"),
            ("/{a}/{a}", "has the placeholder `{a}` twice"),
            (
                "/{a}-{b}",
                "two placeholders in one segment are not supported",
            ),
            ("/a?b={c}", "a path has neither query nor fragment"),
            ("/a/{b}#c", "a path has neither query nor fragment"),
            (
                "/a b",
                "' ' cannot be in the path of a request: it has to be percent-encoded",
            ),
            (
                "/{a}/caf\u{e9}",
                "'\u{e9}' cannot be in the path of a request: it has to be percent-encoded",
            ),
            (
                "/a|b",
                "'|' cannot be in the path of a request: it has to be percent-encoded",
            ),
            (
                "/100%",
                "a `%` is not followed by two hexadecimal digits: write it as `%25`",
            ),
            (
                "/a%2{b}",
                "a `%` is not followed by two hexadecimal digits: write it as `%25`",
            ),
            ("/%6dine", "`/%6dine` is not in its normal form, `/mine`"),
            ("/a%2fb", "`/a%2fb` is not in its normal form, `/a%2Fb`"),
            (
                "/a/../b",
                "clients remove the segments `.` and `..` from a path",
            ),
        ] {
            assert_eq!(Template::parse(template).unwrap_err(), problem);
        }
    }

    #[test]
    fn templates_overlap_if_a_path_matches_both() {
        for (first, second, is_overlap) in [
            ("/x/{id}", "/x/mine", true),
            ("/x/{id}", "/x/{other}", true),
            ("/x/{id}", "/{a}/b", true),
            ("/x/{id}", "/x", false),
            ("/x/{id}", "/y/{id}", false),
            ("/x/{id}", "/x/{id}/y", false),
            ("/x/v{id}", "/x/mine", false),
            ("/x/{id}.json", "/x/m{id}", true),
            ("/x/{id}.json", "/x/.json", false),
        ] {
            let (a, b) = (
                Template::parse(first).unwrap(),
                Template::parse(second).unwrap(),
            );
            assert_eq!(a.overlaps(&b), is_overlap, "{first} {second}");
            assert_eq!(b.overlaps(&a), is_overlap, "{second} {first}");
        }
    }

    #[test]
    fn two_templates_are_ambiguous_unless_one_is_more_specific() {
        for (first, second, is_ambiguous) in [
            ("/a/{x}", "/a/b", false),
            ("/a/{x}", "/a/{y}", true),
            ("/a/{x}", "/{y}/b", true),
            ("/a/{x}", "/b/{y}", false),
            ("/a/{x}/b", "/a/{y}", false),
            ("/a/{x}/b", "/a/c/{y}", true),
            ("/a/{x}/{y}", "/a/c/{y}", false),
            ("/a/{x}.json", "/a/{x}", false),
            ("/a/{x}.json", "/a/b{x}", true),
            ("/a/{x}.json", "/a/{x}.yaml", false),
            ("/a/v{x}", "/a/v1", false),
            ("/a/v{x}", "/a/v", false),
        ] {
            let (a, b) = (
                Template::parse(first).unwrap(),
                Template::parse(second).unwrap(),
            );
            assert_eq!(a.is_ambiguous_with(&b), is_ambiguous, "{first} {second}");
            assert_eq!(b.is_ambiguous_with(&a), is_ambiguous, "{second} {first}");
        }
    }
}

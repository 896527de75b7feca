//! Pairs of parameter lists of one operation.

use ecommerce_api::contract::evolution::Severity;

use super::{B, C, N};

/// Why the label is right; the old and the new list; and what the change does to callers. `=page`
/// stands for a parameter called `page`, `!page` for one that is required.
pub type Row = (&'static str, &'static str, &'static str, Option<Severity>);

/// The order, in which generated methods take them.
pub const ORDER: &[Row] = &[
    (
        "two parameters of one type swap their values",
        r#"["=page", "=limit"]"#,
        r#"["=limit", "=page"]"#,
        B,
    ),
    (
        "references are followed",
        r##"[{"$ref": "#/components/parameters/Page"}, {"$ref": "#/components/parameters/Limit"}]"##,
        r##"[{"$ref": "#/components/parameters/Limit"}, {"$ref": "#/components/parameters/Page"}]"##,
        B,
    ),
    (
        "a header between others",
        r#"["=page", {"in": "header", "name": "X-Note"}, "=limit"]"#,
        r#"[{"in": "header", "name": "x-note"}, "=page", "=limit"]"#,
        B,
    ),
    (
        "behind all others",
        r#"["=page"]"#,
        r#"["=page", "=limit"]"#,
        C,
    ),
    (
        "in front of the others",
        r#"["=page"]"#,
        r#"["=limit", "=page"]"#,
        B,
    ),
    (
        "between the others",
        r#"["=page", "=limit"]"#,
        r#"["=page", "=sort", "=limit"]"#,
        B,
    ),
    (
        "the first, for some generators",
        r#"["!shop", "=page"]"#,
        r#"["=page", "!shop"]"#,
        B,
    ),
    (
        "what is required comes first, so that the other comes first now",
        r#"["!shop", "!page"]"#,
        r#"["=shop", "!page"]"#,
        B,
    ),
    (
        "the last of those that are required may be absent",
        r#"["!shop", "!page", "=limit"]"#,
        r#"["!shop", "=page", "=limit"]"#,
        C,
    ),
    (
        "the same order otherwise",
        r#"["=page", "=limit"]"#,
        r#"[{"name": "page", "in": "query"}, {"in": "query", "name": "limit"}]"#,
        N,
    ),
];

/// The extensions of parameters.
pub const EXTENSIONS: &[Row] = &[
    (
        "what an absent value means was not said",
        r#"[{"in": "query", "name": "limit"}]"#,
        r#"[{"in": "query", "name": "limit", "x-default-with": {"page": 10}}]"#,
        B,
    ),
    (
        "what an absent value means has changed",
        r#"[{"in": "query", "name": "limit", "x-default-with": {"page": 10}}]"#,
        r#"[{"in": "query", "name": "limit", "x-default-with": {"page": 20}}]"#,
        B,
    ),
    (
        "every value needs a page now",
        r#"["=q"]"#,
        r#"[{"in": "query", "name": "q", "x-needs-paging": true}]"#,
        B,
    ),
    (
        "no value needs a page any more",
        r#"[{"in": "query", "name": "q", "x-needs-paging": true}]"#,
        r#"["=q"]"#,
        C,
    ),
    (
        "one value more needs a page",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title"]}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title", "-title"]}]"#,
        B,
    ),
    (
        "one value less needs a page",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title", "-title"]}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["-title"]}]"#,
        C,
    ),
    (
        "all values need a page rather than some",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title"]}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": true}]"#,
        B,
    ),
    (
        "some values need a page rather than all",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": true}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title"]}]"#,
        C,
    ),
    (
        "the values are a set",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title", "-title"]}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["-title", "title"]}]"#,
        N,
    ),
    (
        "neither true nor a list",
        r#"["=q"]"#,
        r#"[{"in": "query", "name": "q", "x-needs-paging": "yes"}]"#,
        B,
    ),
    (
        "an extension that only a schema can have",
        r#"["=q"]"#,
        r#"[{"in": "query", "name": "q", "x-error-codes": {}}]"#,
        B,
    ),
    (
        "an extension that nobody relies on",
        r#"["=q"]"#,
        r#"[{"in": "query", "name": "q", "x-note": "new"}]"#,
        C,
    ),
];

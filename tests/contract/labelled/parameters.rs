//! Pairs of parameter lists of one operation.

use ecommerce_api::contract::evolution::Severity;

use super::{B, C, N};

/// The reason for the label, the old and the new list, and the label. `=page` is short for an optional
/// parameter called `page`, `!page` for a required one.
pub type Row = (&'static str, &'static str, &'static str, Option<Severity>);

/// Changes of the order, in which generated methods take their arguments.
pub const ORDER: &[Row] = &[
    (
        "an existing call swaps the values of two parameters",
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
        "a header moves in front of another parameter",
        r#"["=page", {"in": "header", "name": "X-Note"}, "=limit"]"#,
        r#"[{"in": "header", "name": "x-note"}, "=page", "=limit"]"#,
        B,
    ),
    (
        "a parameter is added behind all others",
        r#"["=page"]"#,
        r#"["=page", "=limit"]"#,
        C,
    ),
    (
        "a parameter is added in front of the others",
        r#"["=page"]"#,
        r#"["=limit", "=page"]"#,
        B,
    ),
    (
        "a parameter is added between the others",
        r#"["=page", "=limit"]"#,
        r#"["=page", "=sort", "=limit"]"#,
        B,
    ),
    (
        "a required parameter moves behind an optional one",
        r#"["!shop", "=page"]"#,
        r#"["=page", "!shop"]"#,
        B,
    ),
    (
        "generators put required parameters first, so that the other one is first now",
        r#"["!shop", "!page"]"#,
        r#"["=shop", "!page"]"#,
        B,
    ),
    (
        "the last required parameter becomes optional",
        r#"["!shop", "!page", "=limit"]"#,
        r#"["!shop", "=page", "=limit"]"#,
        C,
    ),
    (
        "the same order in another notation",
        r#"["=page", "=limit"]"#,
        r#"[{"name": "page", "in": "query"}, {"in": "query", "name": "limit"}]"#,
        N,
    ),
];

/// Changes of extensions of parameters.
pub const EXTENSIONS: &[Row] = &[
    (
        "the meaning of an absent value is new",
        r#"[{"in": "query", "name": "limit"}]"#,
        r#"[{"in": "query", "name": "limit", "x-default-with": {"page": 10}}]"#,
        B,
    ),
    (
        "the meaning of an absent value changes",
        r#"[{"in": "query", "name": "limit", "x-default-with": {"page": 10}}]"#,
        r#"[{"in": "query", "name": "limit", "x-default-with": {"page": 20}}]"#,
        B,
    ),
    (
        "every value requires paging now",
        r#"["=q"]"#,
        r#"[{"in": "query", "name": "q", "x-needs-paging": true}]"#,
        B,
    ),
    (
        "no value requires paging any more",
        r#"[{"in": "query", "name": "q", "x-needs-paging": true}]"#,
        r#"["=q"]"#,
        C,
    ),
    (
        "one more value requires paging",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title"]}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title", "-title"]}]"#,
        B,
    ),
    (
        "one value no longer requires paging",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title", "-title"]}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["-title"]}]"#,
        C,
    ),
    (
        "all values require paging instead of some",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title"]}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": true}]"#,
        B,
    ),
    (
        "some values require paging instead of all",
        r#"[{"in": "query", "name": "sort", "x-needs-paging": true}]"#,
        r#"[{"in": "query", "name": "sort", "x-needs-paging": ["title"]}]"#,
        C,
    ),
    (
        "the order of the values does not matter",
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
        "an extension that has a meaning only in a schema",
        r#"["=q"]"#,
        r#"[{"in": "query", "name": "q", "x-error-codes": {}}]"#,
        B,
    ),
    (
        "an extension on which no client relies",
        r#"["=q"]"#,
        r#"[{"in": "query", "name": "q", "x-note": "new"}]"#,
        C,
    ),
];

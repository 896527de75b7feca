//! Edits to what is written once: servers, the names in paths, extensions of everything.

use ecommerce_api::contract::evolution::Severity;
use serde_json::json;

use super::{B, BACK, C, Case, FORTH, SCHEMAS, USER, USERS, rename, set, take};

/// Why the label is right; the old and the new servers; and what the change does to clients.
pub type Row = (&'static str, &'static str, &'static str, Option<Severity>);

/// The servers, of which generated clients call the first.
pub const SERVERS: &[Row] = &[
    (
        "the default is another",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://b.example"}]"#,
        B,
    ),
    (
        "the default has another port",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://a.example:8443"}]"#,
        B,
    ),
    (
        "the default has another path",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://a.example/v2"}]"#,
        B,
    ),
    (
        "the default moves to the second place",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://b.example"}, {"url": "https://a.example"}]"#,
        B,
    ),
    (
        "there is no default",
        r#"[{"url": "https://a.example"}]"#,
        "[]",
        B,
    ),
    (
        "a second server",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://a.example"}, {"url": "https://b.example"}]"#,
        C,
    ),
    (
        "the second server is gone",
        r#"[{"url": "https://a.example"}, {"url": "https://b.example"}]"#,
        r#"[{"url": "https://a.example"}]"#,
        B,
    ),
    (
        "the second server is another",
        r#"[{"url": "https://a.example"}, {"url": "https://b.example"}]"#,
        r#"[{"url": "https://a.example"}, {"url": "https://c.example"}]"#,
        B,
    ),
    (
        "a description is for people",
        r#"[{"url": "https://a.example", "description": "A"}]"#,
        r#"[{"url": "https://a.example", "description": "B", "x-note": "new"}]"#,
        C,
    ),
    (
        "a slash at the end changes no URL",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://a.example/"}]"#,
        C,
    ),
    (
        "a part of the URL has another default",
        r#"[{"url": "https://{a}.example", "variables": {"a": {"default": "b"}}}]"#,
        r#"[{"url": "https://{a}.example", "variables": {"a": {"default": "c"}}}]"#,
        B,
    ),
];

/// Renames that generated clients show.
pub const BREAKING: &[Case] = &[
    (FORTH, "a path parameter is a named argument", |c| {
        rename_id(c);
    }),
    (FORTH, "so it is when the path has other changes", |c| {
        rename_id(c);
        set(c, "/paths/~1api~1users~1{user}/get/summary", json!("One"));
    }),
    (FORTH, "a change under a path that was renamed", |c| {
        rename_id(c);
        take(c, "/paths/~1api~1users~1{user}/delete");
    }),
    (BACK, "calls for which clients wait are gone", |c| {
        let callbacks = json!({"created": {}});
        set(c, &format!("{USERS}/post/callbacks"), callbacks);
    }),
    (FORTH, "an extension that only a schema can have", |c| {
        set(c, "/x-error-codes", json!({"A": 400}));
    }),
];

/// What only looks like more than documentation.
pub const COMPATIBLE: &[Case] = &[
    (FORTH, "letter case of a media type that is sent", |c| {
        let content = format!("{USERS}/post/requestBody/content/application~1json");
        rename(c, &content, "Application~1JSON");
    }),
    (FORTH, "letter case of a media type that is received", |c| {
        let content = format!("{USERS}/get/responses/200/content/application~1json");
        rename(c, &content, "application~1JSON");
    }),
    (FORTH, "an extension of the document", |c| {
        set(c, "/x-note", json!("new"));
    }),
    (BACK, "an extension of the document that is gone", |c| {
        set(c, "/x-note", json!("old"));
    }),
    (FORTH, "an extension of the information", |c| {
        set(c, "/info/x-logo", json!({"url": "logo.png"}));
    }),
    (FORTH, "an extension of the paths", |c| {
        set(c, "/paths/x-note", json!("new"));
    }),
    (FORTH, "an extension of a path", |c| {
        set(c, &format!("{USER}/x-note"), json!("new"));
    }),
    (FORTH, "an extension of the responses", |c| {
        set(c, &format!("{USERS}/get/responses/x-note"), json!("new"));
    }),
    (FORTH, "an extension of a response", |c| {
        set(c, &format!("{USERS}/get/responses/200/x-note"), json!(1));
    }),
    (FORTH, "an extension of a media type", |c| {
        let content = format!("{USERS}/get/responses/200/content/application~1json");
        set(c, &format!("{content}/x-note"), json!("new"));
    }),
    (FORTH, "an extension of a header", |c| {
        set(c, "/components/headers/Location/x-note", json!("new"));
    }),
    (FORTH, "an extension of a request body", |c| {
        set(c, &format!("{USERS}/post/requestBody/x-note"), json!("new"));
    }),
    (FORTH, "an extension of a tag", |c| {
        set(c, "/tags/0/x-display", json!("People"));
    }),
    (FORTH, "an extension of the components", |c| {
        set(c, "/components/x-note", json!("new"));
    }),
    (FORTH, "an extension of a schema", |c| {
        set(c, &format!("{SCHEMAS}/User/x-note"), json!("new"));
    }),
];

/// Renames the parameter of one path, and the path with it.
fn rename_id(document: &mut serde_json::Value) {
    rename(document, USER, "~1api~1users~1{user}");
    let user = "/paths/~1api~1users~1{user}";
    let parameter = json!({
        "name": "user",
        "in": "path",
        "required": true,
        "description": "The user's id",
        "schema": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 2_147_483_647},
    });
    set(document, &format!("{user}/parameters/0"), parameter);
}

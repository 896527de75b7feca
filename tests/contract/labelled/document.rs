//! Edits of servers, path parameters, media types and extensions.

use ecommerce_api::contract::evolution::Severity;
use serde_json::json;

use super::{B, BACK, C, Case, FORTH, SCHEMAS, USER, USERS, rename, set, take};

/// The reason for the label, the old and the new servers, and the label.
pub type Row = (&'static str, &'static str, &'static str, Option<Severity>);

/// Changes of the servers. Generated clients call the first one by default.
pub const SERVERS: &[Row] = &[
    (
        "the first server is another one",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://b.example"}]"#,
        B,
    ),
    (
        "the first server has another port",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://a.example:8443"}]"#,
        B,
    ),
    (
        "the first server has another path",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://a.example/v2"}]"#,
        B,
    ),
    (
        "the first server moves to the second place",
        r#"[{"url": "https://a.example"}]"#,
        r#"[{"url": "https://b.example"}, {"url": "https://a.example"}]"#,
        B,
    ),
    (
        "there is no server",
        r#"[{"url": "https://a.example"}]"#,
        "[]",
        B,
    ),
    (
        "a second server is added",
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
        "the second server is another one",
        r#"[{"url": "https://a.example"}, {"url": "https://b.example"}]"#,
        r#"[{"url": "https://a.example"}, {"url": "https://c.example"}]"#,
        B,
    ),
    (
        "descriptions and extensions are documentation",
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
        "a variable of the URL has another default",
        r#"[{"url": "https://{a}.example", "variables": {"a": {"default": "b"}}}]"#,
        r#"[{"url": "https://{a}.example", "variables": {"a": {"default": "c"}}}]"#,
        B,
    ),
];

/// Breaking edits.
pub const BREAKING: &[Case] = &[
    (
        FORTH,
        "a renamed path parameter: generated clients name an argument after it",
        |c| {
            rename_id(c);
        },
    ),
    (
        FORTH,
        "a renamed path parameter, and another change of the path",
        |c| {
            rename_id(c);
            set(c, "/paths/~1api~1users~1{user}/get/summary", json!("One"));
        },
    ),
    (
        FORTH,
        "a removed operation of a path whose parameter is renamed",
        |c| {
            rename_id(c);
            take(c, "/paths/~1api~1users~1{user}/delete");
        },
    ),
    (BACK, "a removed callback: clients may wait for it", |c| {
        let callbacks = json!({"created": {}});
        set(c, &format!("{USERS}/post/callbacks"), callbacks);
    }),
    (
        FORTH,
        "an extension that has a meaning only in a schema",
        |c| {
            set(c, "/x-error-codes", json!({"A": 400}));
        },
    ),
];

/// Compatible edits.
pub const COMPATIBLE: &[Case] = &[
    (
        FORTH,
        "the letter case of a media type that clients send",
        |c| {
            let content = format!("{USERS}/post/requestBody/content/application~1json");
            rename(c, &content, "Application~1JSON");
        },
    ),
    (
        FORTH,
        "the letter case of a media type that clients receive",
        |c| {
            let content = format!("{USERS}/get/responses/200/content/application~1json");
            rename(c, &content, "application~1JSON");
        },
    ),
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

/// Renames the parameter of a path, in the path and in the list of parameters.
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

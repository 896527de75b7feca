//! Edits that are compatible for clients.

use serde_json::json;

use super::{
    BACK, Case, FORTH, HEADERS, IF_NONE_MATCH, PARAMETERS, SCHEMAS, USER, USERS, revalidate, set,
    take,
};

pub const COMPATIBLE: &[Case] = &[
    (FORTH, "a new path: nobody calls it yet", |c| {
        let path = c.pointer(USERS).cloned().expect("a path");
        set(c, "/paths/~1api~1people", path);
    }),
    (BACK, "a new operation: nobody calls it yet", |c| {
        drop(take(c, &format!("{USER}/delete")));
    }),
    (FORTH, "an optional parameter may be left out", |c| {
        let added = json!({"name": "q", "in": "query", "schema": {"type": "string"}});
        set(c, &format!("{USERS}/get/parameters/-"), added);
    }),
    (
        FORTH,
        "a 304 with the new header: no client sends it yet",
        |c| revalidate(c, IF_NONE_MATCH, "header", "304"),
    ),
    (FORTH, "a 304 with the new header in lower case", |c| {
        revalidate(c, "if-none-match", "header", "304");
    }),
    (BACK, "a required parameter may be left out now", |c| {
        set(c, &format!("{PARAMETERS}/Page/required"), json!(true));
    }),
    (FORTH, "larger pages are accepted", |c| {
        set(
            c,
            &format!("{PARAMETERS}/Limit/schema/maximum"),
            json!(10_000),
        );
    }),
    (FORTH, "larger numbers are accepted in a parameter", |c| {
        let page = format!("{PARAMETERS}/Page/schema");
        set(
            c,
            &page,
            json!({"type": "integer", "format": "int64", "minimum": 1}),
        );
    }),
    (FORTH, "a body may be left out now", |c| {
        drop(take(c, &format!("{USERS}/post/requestBody/required")));
    }),
    (FORTH, "another media type may be sent", |c| {
        let content = format!("{USERS}/post/requestBody/content");
        let json = c.pointer(&format!("{content}/application~1json")).cloned();
        set(
            c,
            &format!("{content}/application~1xml"),
            json.expect("JSON"),
        );
    }),
    (FORTH, "an optional property may be left out", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/name"),
            json!({"type": "string"}),
        );
    }),
    (FORTH, "a required property may be left out now", |c| {
        drop(take(c, &format!("{SCHEMAS}/UserDraft/required/2")));
    }),
    (FORTH, "longer titles are accepted", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/title/maxLength"),
            json!(500),
        );
    }),
    (FORTH, "shorter passwords are accepted", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/password/minLength"),
        ));
    }),
    (FORTH, "any string is accepted as an email address", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/email/format"),
        ));
    }),
    (FORTH, "null is accepted", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/title/nullable"),
            json!(true),
        );
    }),
    (FORTH, "unknown properties are accepted", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/UserDraft/additionalProperties"),
        ));
    }),
    (BACK, "an empty object is accepted", |c| {
        set(c, &format!("{SCHEMAS}/UserChanges/minProperties"), json!(1));
    }),
    (
        FORTH,
        "a new property in a response: clients ignore it",
        |c| {
            set(
                c,
                &format!("{SCHEMAS}/Product/properties/price"),
                json!({"type": "integer"}),
            );
        },
    ),
    (FORTH, "a new required property in a response", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Product/properties/price"),
            json!({"type": "integer"}),
        );
        set(c, &format!("{SCHEMAS}/Product/required/-"), json!("price"));
    }),
    (FORTH, "a property is no longer null", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/Product/properties/image_url/nullable"),
        ));
    }),
    (FORTH, "a string is shorter than promised", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/email/maxLength"),
            json!(100),
        );
    }),
    (BACK, "a number of 32 bits where 64 were promised", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/id/format"),
            json!("int64"),
        );
    }),
    (BACK, "an integer where any number was promised", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Pagination/properties/total/type"),
            json!("number"),
        );
    }),
    (FORTH, "a list is shorter than promised", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserListResponse/properties/data/maxItems"),
            json!(10),
        );
    }),
    (
        FORTH,
        "a new error with the body of the other errors",
        |c| {
            set(
                c,
                &format!("{USERS}/get/responses/409"),
                json!({"$ref": "#/components/responses/Conflict"}),
            );
        },
    ),
    (FORTH, "a new header: clients ignore it", |c| {
        set(
            c,
            &format!("{USERS}/get/responses/200/headers/ETag"),
            json!({"schema": {"type": "string"}}),
        );
    }),
    (BACK, "a header becomes required", |c| {
        drop(take(c, &format!("{HEADERS}/Location/required")));
    }),
    (FORTH, "a new link: no client follows it yet", |c| {
        let links = json!({"user": {"operationId": "getUser"}});
        set(c, &format!("{USERS}/post/responses/201/links"), links);
    }),
    (BACK, "a token is no longer required", |c| {
        set(
            c,
            "/components/securitySchemes",
            json!({"bearer": {"type": "http", "scheme": "bearer"}}),
        );
        set(c, &format!("{USERS}/get/security"), json!([{"bearer": []}]));
        take(c, "/components/securitySchemes");
    }),
    (FORTH, "a token is optional", |c| {
        set(
            c,
            "/components/securitySchemes",
            json!({"bearer": {"type": "http", "scheme": "bearer"}}),
        );
        set(
            c,
            &format!("{USERS}/get/security"),
            json!([{}, {"bearer": []}]),
        );
    }),
    (
        FORTH,
        "another tag: the class of the first tag still has the method",
        |c| {
            set(c, &format!("{USERS}/get/tags/-"), json!("Admin"));
        },
    ),
    (FORTH, "a schema that nothing uses", |c| {
        set(c, &format!("{SCHEMAS}/Category"), json!({"type": "object"}));
    }),
    (FORTH, "deprecation is documentation", |c| {
        set(c, &format!("{USERS}/get/deprecated"), json!(true));
    }),
    (FORTH, "a summary is documentation", |c| {
        set(c, &format!("{USERS}/get/summary"), json!("All users"));
    }),
    (FORTH, "the description of a schema is documentation", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/description"),
            json!("Who shops"),
        );
    }),
    (
        FORTH,
        "the description of a response is documentation",
        |c| {
            set(
                c,
                "/components/responses/NotFound/description",
                json!("It is not there"),
            );
        },
    ),
    (FORTH, "the title is documentation", |c| {
        set(c, "/info/title", json!("Shop"));
    }),
    (FORTH, "the licence is documentation", |c| {
        set(c, "/info/license/name", json!("Apache-2.0"));
    }),
    (FORTH, "an extension is documentation", |c| {
        set(c, &format!("{USERS}/get/x-internal"), json!(true));
    }),
    (FORTH, "a new callback: no client asks for it yet", |c| {
        set(
            c,
            &format!("{USERS}/post/callbacks"),
            json!({"created": {}}),
        );
    }),
];

//! What clients can take.

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
        "304 to those who send the new header: nobody does yet",
        |c| revalidate(c, IF_NONE_MATCH, "header", "304"),
    ),
    (FORTH, "the same of a header in small letters", |c| {
        revalidate(c, "if-none-match", "header", "304");
    }),
    (BACK, "a required parameter may be left out now", |c| {
        set(c, &format!("{PARAMETERS}/Page/required"), json!(true));
    }),
    (FORTH, "larger pages are allowed", |c| {
        set(
            c,
            &format!("{PARAMETERS}/Limit/schema/maximum"),
            json!(10_000),
        );
    }),
    (FORTH, "a parameter takes larger numbers", |c| {
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
    (FORTH, "any text is accepted as email", |c| {
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
    (BACK, "fewer bounds on what is sent", |c| {
        set(c, &format!("{SCHEMAS}/UserChanges/minProperties"), json!(1));
    }),
    (
        FORTH,
        "another property in an answer: clients ignore it",
        |c| {
            set(
                c,
                &format!("{SCHEMAS}/Product/properties/price"),
                json!({"type": "integer"}),
            );
        },
    ),
    (FORTH, "and one that is always there", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Product/properties/price"),
            json!({"type": "integer"}),
        );
        set(c, &format!("{SCHEMAS}/Product/required/-"), json!("price"));
    }),
    (FORTH, "a property that was null at times is not", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/Product/properties/image_url/nullable"),
        ));
    }),
    (FORTH, "a shorter text than was promised", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/email/maxLength"),
            json!(100),
        );
    }),
    (
        BACK,
        "a number that fits 32 bits where 64 were promised",
        |c| {
            set(
                c,
                &format!("{SCHEMAS}/User/properties/id/format"),
                json!("int64"),
            );
        },
    ),
    (BACK, "a whole number where any was promised", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Pagination/properties/total/type"),
            json!("number"),
        );
    }),
    (FORTH, "shorter lists than were promised", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserListResponse/properties/data/maxItems"),
            json!(10),
        );
    }),
    (FORTH, "a new error in the envelope", |c| {
        set(
            c,
            &format!("{USERS}/get/responses/409"),
            json!({"$ref": "#/components/responses/Conflict"}),
        );
    }),
    (FORTH, "a new header: clients ignore it", |c| {
        set(
            c,
            &format!("{USERS}/get/responses/200/headers/ETag"),
            json!({"schema": {"type": "string"}}),
        );
    }),
    (BACK, "a header is always there now", |c| {
        drop(take(c, &format!("{HEADERS}/Location/required")));
    }),
    (FORTH, "a link that nobody follows yet", |c| {
        let links = json!({"user": {"operationId": "getUser"}});
        set(c, &format!("{USERS}/post/responses/201/links"), links);
    }),
    (BACK, "no token is needed any more", |c| {
        set(
            c,
            "/components/securitySchemes",
            json!({"bearer": {"type": "http", "scheme": "bearer"}}),
        );
        set(c, &format!("{USERS}/get/security"), json!([{"bearer": []}]));
        take(c, "/components/securitySchemes");
    }),
    (FORTH, "a token may be sent, and need not", |c| {
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
        "another tag: the old class has the method still",
        |c| {
            set(c, &format!("{USERS}/get/tags/-"), json!("Admin"));
        },
    ),
    (FORTH, "a schema that nothing uses", |c| {
        set(c, &format!("{SCHEMAS}/Category"), json!({"type": "object"}));
    }),
    (FORTH, "deprecation is a word of warning", |c| {
        set(c, &format!("{USERS}/get/deprecated"), json!(true));
    }),
    (FORTH, "a summary is for people", |c| {
        set(c, &format!("{USERS}/get/summary"), json!("All users"));
    }),
    (FORTH, "a description of a schema is for people", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/description"),
            json!("Who shops"),
        );
    }),
    (FORTH, "a description of a response is for people", |c| {
        set(
            c,
            "/components/responses/NotFound/description",
            json!("It is not there"),
        );
    }),
    (FORTH, "the title is for people", |c| {
        set(c, "/info/title", json!("Shop"));
    }),
    (FORTH, "the licence is for people", |c| {
        set(c, "/info/license/name", json!("Apache-2.0"));
    }),
    (FORTH, "an extension is documentation", |c| {
        set(c, &format!("{USERS}/get/x-internal"), json!(true));
    }),
    (
        FORTH,
        "callbacks to those who ask for them: nobody does yet",
        |c| {
            set(
                c,
                &format!("{USERS}/post/callbacks"),
                json!({"created": {}}),
            );
        },
    ),
];

//! Edits after which clients may receive responses that were not promised before.

use serde_json::json;

use super::{
    BACK, Case, FORTH, HEADERS, IF_NONE_MATCH, SCHEMAS, USER, USERS, rename, revalidate, set, take,
};

pub const WIDENS_RESPONSES: &[Case] = &[
    (FORTH, "a property is gone: clients read it", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/Product/properties/description"),
        ));
    }),
    (FORTH, "a property may be absent", |c| {
        drop(take(c, &format!("{SCHEMAS}/Product/required/2")));
    }),
    (FORTH, "a property may be null", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Product/properties/title/nullable"),
            json!(true),
        );
    }),
    (FORTH, "a string may be longer", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/email/maxLength"),
            json!(500),
        );
    }),
    (FORTH, "a string may have any length", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/User/properties/email/maxLength"),
        ));
    }),
    (FORTH, "a number may exceed 32 bits", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/id/format"),
            json!("int64"),
        );
    }),
    (FORTH, "a minimum is lower", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/id/minimum"),
            json!(0),
        );
    }),
    (FORTH, "a number becomes a string", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Removal/properties/cart_items_removed"),
            json!({"type": "string"}),
        );
    }),
    (FORTH, "an integer becomes any number", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Pagination/properties/total/type"),
            json!("number"),
        );
    }),
    (FORTH, "a new role: clients do not know it", |c| {
        set(c, &format!("{SCHEMAS}/Role/enum/-"), json!("GUEST"));
    }),
    (FORTH, "an error code may have any form", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/ErrorInfo/properties/code/pattern"),
        ));
    }),
    (FORTH, "a list has other items", |c| {
        let items = format!("{SCHEMAS}/UserListResponse/properties/data/items/$ref");
        set(c, &items, json!("#/components/schemas/Product"));
    }),
    (BACK, "a list may have any length", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserListResponse/properties/data/maxItems"),
            json!(10),
        );
    }),
    (FORTH, "a success under another status", |c| {
        rename(c, &format!("{USERS}/post/responses/201"), "200");
    }),
    (FORTH, "a second success: clients know one", |c| {
        set(
            c,
            &format!("{USER}/delete/responses/202"),
            json!({"description": "Later"}),
        );
    }),
    (
        FORTH,
        "a 304 without the header that requests it: it has no body",
        |c| {
            set(
                c,
                &format!("{USERS}/get/responses/304"),
                json!({"description": "The same"}),
            );
        },
    ),
    (
        BACK,
        "a 304 for a header that clients may have sent before",
        |c| drop(take(c, &format!("{USER}/get/responses/304"))),
    ),
    (FORTH, "a 304 with another new header", |c| {
        revalidate(c, "If-Modified", "header", "304");
    }),
    (FORTH, "a 304 with a new query parameter", |c| {
        revalidate(c, IF_NONE_MATCH, "query", "304");
    }),
    (FORTH, "another redirection with the new header", |c| {
        revalidate(c, IF_NONE_MATCH, "header", "303");
    }),
    (FORTH, "a 304 with a body", |c| {
        revalidate(c, IF_NONE_MATCH, "header", "304");
        set(
            c,
            &format!("{USERS}/get/responses/304/content"),
            json!({"text/plain": {"schema": {"type": "string"}}}),
        );
    }),
    (FORTH, "a 304 with a new header that is required", |c| {
        revalidate(c, IF_NONE_MATCH, "header", "304");
        let added = c.pointer_mut(&format!("{USERS}/get/parameters"));
        let added = added.and_then(|all| all.as_array_mut()?.last_mut());
        added.expect("the parameter")["required"] = json!(true);
    }),
    (FORTH, "an error status is gone: clients wait for it", |c| {
        drop(take(c, &format!("{USER}/get/responses/404")));
    }),
    (FORTH, "an error without the envelope", |c| {
        set(
            c,
            &format!("{USERS}/get/responses/429"),
            json!({"description": "Too fast"}),
        );
    }),
    (
        FORTH,
        "an error with another body than the other errors",
        |c| {
            let content = json!({"text/plain": {"schema": {"type": "string"}}});
            set(
                c,
                &format!("{USERS}/get/responses/429"),
                json!({"description": "Too fast", "content": content}),
            );
        },
    ),
    (FORTH, "any status may occur", |c| {
        set(
            c,
            &format!("{USERS}/get/responses/default"),
            json!({"$ref": "#/components/responses/InternalError"}),
        );
    }),
    (FORTH, "the response has another media type", |c| {
        rename(
            c,
            &format!("{USERS}/get/responses/200/content/application~1json"),
            "application~1xml",
        );
    }),
    (FORTH, "a second media type: clients read one", |c| {
        let content = format!("{USERS}/get/responses/200/content/text~1csv");
        set(c, &content, json!({"schema": {"type": "string"}}));
    }),
    (FORTH, "a header is gone", |c| {
        drop(take(
            c,
            &format!("{USERS}/post/responses/201/headers/Location"),
        ));
    }),
    (FORTH, "a header may be absent", |c| {
        drop(take(c, &format!("{HEADERS}/Location/required")));
    }),
    (FORTH, "a header's values are less certain", |c| {
        set(
            c,
            &format!("{HEADERS}/RetryAfter/schema/maximum"),
            json!(86400),
        );
    }),
    (
        FORTH,
        "the body's schema has another name, and generated code with it",
        |c| {
            let text = c.to_string().replace("/UserResponse\"", "/OneUser\"");
            *c = serde_json::from_str(&text).expect("still JSON");
            rename(c, &format!("{SCHEMAS}/UserResponse"), "OneUser");
        },
    ),
    (BACK, "a link that clients may follow is gone", |c| {
        let links = json!({"user": {"operationId": "getUser"}});
        set(c, &format!("{USERS}/post/responses/201/links"), links);
    }),
    (FORTH, "a new discriminator: no rule covers it", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/discriminator"),
            json!({"propertyName": "role"}),
        );
    }),
];

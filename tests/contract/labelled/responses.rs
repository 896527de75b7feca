//! What sends responses that were not promised.

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
    (FORTH, "a longer text than clients have room for", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/email/maxLength"),
            json!(500),
        );
    }),
    (FORTH, "a text without limit", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/User/properties/email/maxLength"),
        ));
    }),
    (FORTH, "a number that 32 bits cannot hold", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/id/format"),
            json!("int64"),
        );
    }),
    (FORTH, "a least value sinks", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/properties/id/minimum"),
            json!(0),
        );
    }),
    (FORTH, "a number becomes a text", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Removal/properties/cart_items_removed"),
            json!({"type": "string"}),
        );
    }),
    (FORTH, "a whole number becomes any", |c| {
        set(
            c,
            &format!("{SCHEMAS}/Pagination/properties/total/type"),
            json!("number"),
        );
    }),
    (FORTH, "a role that clients do not know", |c| {
        set(c, &format!("{SCHEMAS}/Role/enum/-"), json!("GUEST"));
    }),
    (FORTH, "an error code of another form", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/ErrorInfo/properties/code/pattern"),
        ));
    }),
    (FORTH, "a list of other things", |c| {
        let items = format!("{SCHEMAS}/UserListResponse/properties/data/items/$ref");
        set(c, &items, json!("#/components/schemas/Product"));
    }),
    (BACK, "a list that was bounded is not", |c| {
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
        "a 304 that nobody asked for: there is no body",
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
        "a 304 to those who have sent the header all along",
        |c| drop(take(c, &format!("{USER}/get/responses/304"))),
    ),
    (FORTH, "a 304 to another header", |c| {
        revalidate(c, "If-Modified", "header", "304");
    }),
    (FORTH, "a 304 to a query parameter", |c| {
        revalidate(c, IF_NONE_MATCH, "query", "304");
    }),
    (FORTH, "another redirection beside the new header", |c| {
        revalidate(c, IF_NONE_MATCH, "header", "303");
    }),
    (FORTH, "a 304 with a body is none", |c| {
        revalidate(c, IF_NONE_MATCH, "header", "304");
        set(
            c,
            &format!("{USERS}/get/responses/304/content"),
            json!({"text/plain": {"schema": {"type": "string"}}}),
        );
    }),
    (FORTH, "a 304 to a header that everybody has to send", |c| {
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
    (FORTH, "an error with a body of another kind", |c| {
        let content = json!({"text/plain": {"schema": {"type": "string"}}});
        set(
            c,
            &format!("{USERS}/get/responses/429"),
            json!({"description": "Too fast", "content": content}),
        );
    }),
    (FORTH, "any status at all", |c| {
        set(
            c,
            &format!("{USERS}/get/responses/default"),
            json!({"$ref": "#/components/responses/InternalError"}),
        );
    }),
    (FORTH, "the answer's media type is another", |c| {
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
    (FORTH, "a discriminator: no rule knows it", |c| {
        set(
            c,
            &format!("{SCHEMAS}/User/discriminator"),
            json!({"propertyName": "role"}),
        );
    }),
];

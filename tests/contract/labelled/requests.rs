//! Edits after which the service rejects requests that it accepted before.

use serde_json::json;

use super::{BACK, Case, FORTH, SCHEMAS, USERS, rename, set, take};

pub const NARROWS_REQUESTS: &[Case] = &[
    (FORTH, "a new required property: nobody sends it", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/name"),
            json!({"type": "string"}),
        );
        set(c, &format!("{SCHEMAS}/UserDraft/required/-"), json!("name"));
    }),
    (FORTH, "an optional property becomes required", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/required/-"),
            json!("description"),
        );
    }),
    (FORTH, "a property is gone: unknown ones are refused", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/image_url"),
        ));
    }),
    (
        FORTH,
        "a property is renamed: the old name is refused",
        |c| {
            rename(
                c,
                &format!("{SCHEMAS}/ProductChanges/properties/image_url"),
                "picture",
            );
        },
    ),
    (FORTH, "the longest allowed title is shorter", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/title/maxLength"),
            json!(100),
        );
    }),
    (FORTH, "the shortest allowed password is longer", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/password/minLength"),
            json!(12),
        );
    }),
    (FORTH, "a limit where there was none", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/email/minLength"),
            json!(3),
        );
    }),
    (FORTH, "a pattern where there was none", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/password/pattern"),
            json!("[0-9]"),
        );
    }),
    (FORTH, "a format where there was none", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/image_url/format"),
            json!("uri"),
        );
    }),
    (FORTH, "an enum where any string was allowed", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/title/enum"),
            json!(["Tea"]),
        );
    }),
    (FORTH, "null is no longer allowed", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/ProductChanges/properties/image_url/nullable"),
        ));
    }),
    (FORTH, "a number becomes a string", |c| {
        set(
            c,
            &format!("{SCHEMAS}/CartItemDraft/properties/user_id"),
            json!({"type": "string"}),
        );
    }),
    (
        FORTH,
        "a role is gone: clients that send it are refused",
        |c| {
            drop(take(c, &format!("{SCHEMAS}/Role/enum/1")));
        },
    ),
    (
        BACK,
        "an open object is closed: unknown properties are refused",
        |c| {
            drop(take(
                c,
                &format!("{SCHEMAS}/UserDraft/additionalProperties"),
            ));
        },
    ),
    (FORTH, "an empty object is no longer allowed", |c| {
        set(c, &format!("{SCHEMAS}/UserChanges/minProperties"), json!(1));
    }),
    (
        FORTH,
        "the schema of the body has another name, and so has its type in generated clients",
        |c| {
            let draft = take(c, &format!("{SCHEMAS}/UserDraft"));
            set(c, &format!("{SCHEMAS}/NewUser"), draft);
            let body = format!("{USERS}/post/requestBody/content/application~1json/schema/$ref");
            set(c, &body, json!("#/components/schemas/NewUser"));
        },
    ),
    (FORTH, "a new oneOf: no rule covers it", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/oneOf"),
            json!([{"type": "object"}]),
        );
    }),
];

//! Edits that only change the notation.

use serde_json::json;

use super::{Case, FORTH, PARAMETERS, SCHEMAS, USERS, set};

pub const SAME: &[Case] = &[
    (FORTH, "the order of names", |c| {
        set(
            c,
            &format!("{SCHEMAS}/CartItemDraft/required"),
            json!(["product_id", "user_id"]),
        );
    }),
    (FORTH, "an example", |c| {
        set(c, &format!("{PARAMETERS}/Page/example"), json!(3));
    }),
    (FORTH, "a flag's default", |c| {
        set(c, &format!("{PARAMETERS}/Page/required"), json!(false));
    }),
    (FORTH, "a reference replaced by its target", |c| {
        let conflict = c.pointer("/components/responses/Conflict").cloned();
        set(
            c,
            &format!("{USERS}/post/responses/409"),
            conflict.expect("a response"),
        );
    }),
    (
        FORTH,
        "the version alone: it is compared with the other changes",
        |c| {
            set(c, "/info/version", json!("9.9.9"));
        },
    ),
];

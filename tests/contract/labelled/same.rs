//! What says the same in other words.

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
    (FORTH, "a reference in place of what it refers to", |c| {
        let conflict = c.pointer("/components/responses/Conflict").cloned();
        set(
            c,
            &format!("{USERS}/post/responses/409"),
            conflict.expect("a response"),
        );
    }),
    (FORTH, "the version alone: it is the measure", |c| {
        set(c, "/info/version", json!("9.9.9"));
    }),
];

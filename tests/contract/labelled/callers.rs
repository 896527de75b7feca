//! Edits that break callers of an operation.

use serde_json::json;

use super::{BACK, Case, FORTH, PARAMETERS, USER, USERS, rename, set, take};

pub const BREAKS_CALLERS: &[Case] = &[
    (FORTH, "an operation is gone: callers get 405", |c| {
        drop(take(c, &format!("{USER}/delete")));
    }),
    (FORTH, "a path is gone: callers get 404", |c| {
        drop(take(c, USER));
    }),
    (
        FORTH,
        "a path is renamed: callers of the old get 404",
        |c| {
            rename(c, USERS, "~1api~1people");
        },
    ),
    (FORTH, "an operation moves to another method", |c| {
        rename(c, &format!("{USER}/put"), "patch");
    }),
    (
        FORTH,
        "operationId is the name of the generated method",
        |c| {
            set(c, &format!("{USERS}/get/operationId"), json!("allUsers"));
        },
    ),
    (FORTH, "the tag is the name of the generated class", |c| {
        set(c, &format!("{USERS}/get/tags"), json!(["People"]));
    }),
    (
        FORTH,
        "the first tag is the name of the generated module",
        |c| {
            set(c, &format!("{USERS}/get/tags"), json!(["Cart", "Users"]));
        },
    ),
    (FORTH, "a required query parameter: nobody sends it", |c| {
        let added =
            json!({"name": "shop", "in": "query", "required": true, "schema": {"type": "string"}});
        set(c, &format!("{USERS}/get/parameters/-"), added);
    }),
    (
        FORTH,
        "a parameter is gone: unknown ones are refused",
        |c| {
            drop(take(c, &format!("{USERS}/get/parameters/0")));
        },
    ),
    (FORTH, "an optional parameter becomes required", |c| {
        set(c, &format!("{PARAMETERS}/Limit/required"), json!(true));
    }),
    (FORTH, "a parameter is renamed", |c| {
        set(c, &format!("{PARAMETERS}/Limit/name"), json!("size"));
    }),
    (FORTH, "a parameter moves from the query to a header", |c| {
        set(c, &format!("{PARAMETERS}/Limit/in"), json!("header"));
    }),
    (FORTH, "the maximum of a parameter is lower", |c| {
        set(c, &format!("{PARAMETERS}/Limit/schema/maximum"), json!(100));
    }),
    (FORTH, "the minimum of a parameter is higher", |c| {
        set(c, &format!("{PARAMETERS}/Page/schema/minimum"), json!(2));
    }),
    (FORTH, "the maximum of a parameter is excluded", |c| {
        set(
            c,
            &format!("{PARAMETERS}/Page/schema/exclusiveMaximum"),
            json!(true),
        );
    }),
    (
        FORTH,
        "the values of a parameter have to be multiples",
        |c| {
            set(
                c,
                &format!("{PARAMETERS}/Limit/schema/multipleOf"),
                json!(10),
            );
        },
    ),
    (FORTH, "a parameter has another type", |c| {
        set(
            c,
            &format!("{PARAMETERS}/UserId/schema"),
            json!({"type": "string"}),
        );
    }),
    (FORTH, "a parameter is written in another style", |c| {
        set(c, &format!("{PARAMETERS}/Limit/style"), json!("deepObject"));
    }),
    (
        FORTH,
        "a default changes the meaning of an absent value",
        |c| {
            set(c, &format!("{PARAMETERS}/Limit/schema/default"), json!(10));
        },
    ),
    (
        FORTH,
        "the body is gone: clients that send one are refused",
        |c| {
            drop(take(c, &format!("{USERS}/post/requestBody")));
        },
    ),
    (BACK, "an optional body becomes required", |c| {
        drop(take(c, &format!("{USERS}/post/requestBody/required")));
    }),
    (FORTH, "a required body where there was none", |c| {
        let body = c.pointer(&format!("{USERS}/post/requestBody")).cloned();
        set(
            c,
            &format!("{USER}/delete/requestBody"),
            body.expect("a body"),
        );
    }),
    (FORTH, "the body's media type is another", |c| {
        rename(
            c,
            &format!("{USERS}/post/requestBody/content/application~1json"),
            "application~1xml",
        );
    }),
    (
        FORTH,
        "one operation requires a token: no client has one",
        |c| {
            set(
                c,
                "/components/securitySchemes",
                json!({"bearer": {"type": "http", "scheme": "bearer"}}),
            );
            set(c, &format!("{USERS}/get/security"), json!([{"bearer": []}]));
        },
    ),
    (FORTH, "every operation requires a token", |c| {
        set(
            c,
            "/components/securitySchemes",
            json!({"bearer": {"type": "http", "scheme": "bearer"}}),
        );
        set(c, "/security", json!([{"bearer": []}]));
    }),
    (FORTH, "the server's URL gains a path", |c| {
        set(c, "/servers/0/url", json!("http://localhost:8088/v2"));
    }),
    (FORTH, "an operation moves to another server", |c| {
        set(
            c,
            &format!("{USERS}/get/servers"),
            json!([{"url": "http://elsewhere"}]),
        );
    }),
    (
        FORTH,
        "another host: generated clients call it by default",
        |c| {
            set(c, "/servers/0/url", json!("https://shop.example.com"));
        },
    ),
    (
        FORTH,
        "a header of the path comes in front of the parameters of the operation",
        |c| {
            let header = json!({"name": "X-Note", "in": "header", "schema": {"type": "string"}});
            set(c, &format!("{USERS}/parameters"), json!([header]));
        },
    ),
    (
        BACK,
        "a required parameter becomes optional, so that generators put it behind the other one",
        |c| {
            set(c, &format!("{PARAMETERS}/Limit/required"), json!(true));
        },
    ),
];

//! Edits to the contract, each labelled by hand with what it does to clients, and why.

use serde_json::{Value, json};

pub const USERS: &str = "/paths/~1api~1users";
pub const USER: &str = "/paths/~1api~1users~1{id}";
pub const PRODUCTS: &str = "/paths/~1api~1products";
pub const PARAMETERS: &str = "/components/parameters";
pub const SCHEMAS: &str = "/components/schemas";
pub const HEADERS: &str = "/components/headers";
/// The header that asks for a 304.
const IF_NONE_MATCH: &str = "If-None-Match";
pub const FORTH: &str = "edited";
pub const BACK: &str = "edited, and taken back";

/// Puts a value at a pointer, in place of what is there or as a new member.
pub fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = split(pointer);
    let parent = document.pointer_mut(&parent).expect(pointer);
    match parent {
        Value::Object(members) => drop(members.insert(key, value)),
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().expect(pointer)] = value,
        _ => panic!("{pointer} is in no container"),
    }
}

/// Takes away what is there, and gives it back.
pub fn take(document: &mut Value, pointer: &str) -> Value {
    let (parent, key) = split(pointer);
    match document.pointer_mut(&parent).expect(pointer) {
        Value::Object(members) => members.shift_remove(&key).expect(pointer),
        Value::Array(items) => items.remove(key.parse().expect(pointer)),
        _ => panic!("{pointer} is in no container"),
    }
}

fn rename(document: &mut Value, pointer: &str, to: &str) {
    let value = take(document, pointer);
    set(document, &format!("{}/{to}", split(pointer).0), value);
}

fn split(pointer: &str) -> (String, String) {
    let (parent, key) = pointer.rsplit_once('/').expect("not the whole document");
    (parent.to_owned(), key.replace("~1", "/").replace("~0", "~"))
}

/// Gives the list of users an optional parameter, and a status without a body.
fn revalidate(document: &mut Value, name: &str, place: &str, status: &str) {
    let added = json!({"name": name, "in": place, "schema": {"type": "string"}});
    set(document, &format!("{USERS}/get/parameters/-"), added);
    let response = json!({"description": "The same"});
    set(
        document,
        &format!("{USERS}/get/responses/{status}"),
        response,
    );
}

/// One edit: the direction, what it does and why the label is right, and the edit itself.
pub type Case = (&'static str, &'static str, fn(&mut Value));

/// What breaks who calls an operation.
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
    (FORTH, "a parameter's greatest value sinks", |c| {
        set(c, &format!("{PARAMETERS}/Limit/schema/maximum"), json!(100));
    }),
    (FORTH, "a parameter's least value rises", |c| {
        set(c, &format!("{PARAMETERS}/Page/schema/minimum"), json!(2));
    }),
    (FORTH, "a parameter's range loses its end", |c| {
        set(
            c,
            &format!("{PARAMETERS}/Page/schema/exclusiveMaximum"),
            json!(true),
        );
    }),
    (FORTH, "a parameter's values become multiples", |c| {
        set(
            c,
            &format!("{PARAMETERS}/Limit/schema/multipleOf"),
            json!(10),
        );
    }),
    (FORTH, "a parameter is another type", |c| {
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
        "a default: what an absent value means has changed",
        |c| {
            set(c, &format!("{PARAMETERS}/Limit/schema/default"), json!(10));
        },
    ),
    (FORTH, "the body is gone: its senders are refused", |c| {
        drop(take(c, &format!("{USERS}/post/requestBody")));
    }),
    (BACK, "a body that could be left out is required", |c| {
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
        "one operation asks for a token: nobody has one",
        |c| {
            set(
                c,
                "/components/securitySchemes",
                json!({"bearer": {"type": "http", "scheme": "bearer"}}),
            );
            set(c, &format!("{USERS}/get/security"), json!([{"bearer": []}]));
        },
    ),
    (FORTH, "every operation asks for a token", |c| {
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
    (FORTH, "nobody knows what an extension means", |c| {
        set(c, &format!("{USERS}/get/x-internal"), json!(true));
    }),
    (FORTH, "callbacks: no rule knows them", |c| {
        set(
            c,
            &format!("{USERS}/post/callbacks"),
            json!({"created": {}}),
        );
    }),
    (
        FORTH,
        "an operation with servers of its own is elsewhere",
        |c| {
            set(
                c,
                &format!("{USERS}/get/servers"),
                json!([{"url": "http://elsewhere"}]),
            );
        },
    ),
];

/// What refuses requests that were fine.
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
    (FORTH, "the longest title is shorter", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/title/maxLength"),
            json!(100),
        );
    }),
    (FORTH, "the shortest password is longer", |c| {
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
    (FORTH, "an enum where any text would do", |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/title/enum"),
            json!(["Tea"]),
        );
    }),
    (FORTH, "null clears the picture no more", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/ProductChanges/properties/image_url/nullable"),
        ));
    }),
    (FORTH, "a number becomes a text", |c| {
        set(
            c,
            &format!("{SCHEMAS}/CartItemDraft/properties/user_id"),
            json!({"type": "string"}),
        );
    }),
    (
        FORTH,
        "a role is gone: those who send it are refused",
        |c| {
            drop(take(c, &format!("{SCHEMAS}/Role/enum/1")));
        },
    ),
    (BACK, "an open body is closed: more is refused", |c| {
        drop(take(
            c,
            &format!("{SCHEMAS}/UserDraft/additionalProperties"),
        ));
    }),
    (FORTH, "at least one change is needed", |c| {
        set(c, &format!("{SCHEMAS}/UserChanges/minProperties"), json!(1));
    }),
    (
        FORTH,
        "the body's schema has another name, and generated code with it",
        |c| {
            let draft = take(c, &format!("{SCHEMAS}/UserDraft"));
            set(c, &format!("{SCHEMAS}/NewUser"), draft);
            let body = format!("{USERS}/post/requestBody/content/application~1json/schema/$ref");
            set(c, &body, json!("#/components/schemas/NewUser"));
        },
    ),
    (FORTH, "oneOf: no rule knows it", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/oneOf"),
            json!([{"type": "object"}]),
        );
    }),
    (FORTH, "readOnly: no rule knows it", |c| {
        set(
            c,
            &format!("{SCHEMAS}/UserDraft/properties/role"),
            json!({"type": "string", "readOnly": true}),
        );
    }),
];

/// What sends answers that were not promised.
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

/// What clients can take.
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
    (
        FORTH,
        "the same of a header that the whole path has, in small letters",
        |c| {
            let header =
                json!({"name": "if-none-match", "in": "header", "schema": {"type": "string"}});
            set(c, &format!("{USERS}/parameters"), json!([header]));
            set(
                c,
                &format!("{USERS}/get/responses/304"),
                json!({"description": "The same"}),
            );
        },
    ),
    (BACK, "a required parameter may be left out now", |c| {
        set(c, &format!("{PARAMETERS}/Limit/required"), json!(true));
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
    (FORTH, "another host: for the operator to say", |c| {
        set(c, "/servers/0/url", json!("https://shop.example.com"));
    }),
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
];

/// What says the same in other words.
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

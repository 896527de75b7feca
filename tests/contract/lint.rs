//! The contracts are complete: they have the operations of the inventory, and each of them has prose, examples,
//! limits and all responses of its kind.

mod broken;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{documents, resolve};

/// The method, path, `operationId` and tag of an operation.
type Entry = (&'static str, &'static str, &'static str, &'static str);

/// The inventory of the contract `auth`.
const AUTH_OPERATIONS: [Entry; 6] = [
    ("POST", "/api/auth/login", "login", "Authentication"),
    ("POST", "/api/auth/refresh", "refresh", "Authentication"),
    ("POST", "/api/auth/logout", "logout", "Authentication"),
    (
        "POST",
        "/api/auth/logout-all",
        "logoutAll",
        "Authentication",
    ),
    ("GET", "/api/auth/me", "getMe", "Authentication"),
    (
        "PUT",
        "/api/auth/password",
        "changePassword",
        "Authentication",
    ),
];

/// The inventory of the contract `openapi`.
const OPERATIONS: [Entry; 17] = [
    ("GET", "/api/users", "listUsers", "Users"),
    ("POST", "/api/users", "createUser", "Users"),
    ("GET", "/api/users/{id}", "getUser", "Users"),
    ("PUT", "/api/users/{id}", "updateUser", "Users"),
    ("DELETE", "/api/users/{id}", "deleteUser", "Users"),
    ("GET", "/api/users/{id}/cart", "getUserCart", "Users"),
    ("GET", "/api/products", "listProducts", "Products"),
    ("POST", "/api/products", "createProduct", "Products"),
    ("GET", "/api/products/{id}", "getProduct", "Products"),
    ("PUT", "/api/products/{id}", "updateProduct", "Products"),
    ("DELETE", "/api/products/{id}", "deleteProduct", "Products"),
    (
        "GET",
        "/api/products/{id}/carts",
        "getProductCarts",
        "Products",
    ),
    ("GET", "/api/cart", "listCartItems", "Cart"),
    ("POST", "/api/cart", "addCartItem", "Cart"),
    ("GET", "/api/cart/{id}", "getCartItem", "Cart"),
    ("DELETE", "/api/cart/{id}", "removeCartItem", "Cart"),
    (
        "DELETE",
        "/api/cart/user/{user_id}",
        "clearUserCart",
        "Cart",
    ),
];

/// The operations that can conflict with stored data: the email of another user, a missing user or
/// product, or rows of other tables that refer to the deleted row.
const CONFLICTS: [&str; 9] = [
    "createUser",
    "updateUser",
    "deleteUser",
    "createProduct",
    "updateProduct",
    "deleteProduct",
    "addCartItem",
    "removeCartItem",
    "clearUserCart",
];

/// The operations on one resource, and how they use its entity tag. `s`: the response has an `ETag`. `n`:
/// the request may have `If-None-Match`. `m`: the request may have `If-Match`.
const TAGGED: [(&str, &str); 11] = [
    ("createUser", "s"),
    ("getUser", "sn"),
    ("updateUser", "sm"),
    ("deleteUser", "m"),
    ("createProduct", "s"),
    ("getProduct", "sn"),
    ("updateProduct", "sm"),
    ("deleteProduct", "m"),
    ("addCartItem", "s"),
    ("getCartItem", "sn"),
    ("removeCartItem", "m"),
];

/// The operations that can be called without a token.
const PUBLIC: [&str; 3] = ["createUser", "listProducts", "getProduct"];

/// The operations that need no token and do not look at one: their callers prove who they are in the body.
const WITHOUT_TOKEN: [&str; 3] = ["login", "refresh", "logout"];

/// The operations that some callers must not call at all, or not with every body.
const GUARDED: [&str; 10] = [
    "listUsers",
    "createUser",
    "updateUser",
    "createProduct",
    "updateProduct",
    "deleteProduct",
    "getProductCarts",
    "addCartItem",
    "clearUserCart",
    "changePassword",
];

/// Whether an operation uses tags in this way.
fn uses_tag(operation: &str, way: char) -> bool {
    let known = TAGGED.iter().find(|(id, _)| *id == operation);
    known.is_some_and(|(_, ways)| ways.contains(way))
}

/// One operation of a document, with its path item.
struct Operation<'a> {
    method: String,
    path: &'a str,
    item: &'a Value,
    body: &'a Value,
}

impl Operation<'_> {
    /// Whether the operation adds a resource.
    fn creates(&self) -> bool {
        self.method == "POST" && !AUTH_OPERATIONS.iter().any(|(.., id, _)| *id == self.id())
    }

    fn id(&self) -> &str {
        self.body["operationId"]
            .as_str()
            .unwrap_or("(no operationId)")
    }
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        for (method, body) in entries(item).filter(|(key, _)| *key != "parameters") {
            let method = method.to_uppercase();
            operations.push(Operation {
                method,
                path,
                item,
                body,
            });
        }
    }
    operations
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The rules that a document with these operations breaks, one complaint each.
fn complaints(document: &Value, wanted: &[Entry]) -> Vec<String> {
    let mut complaints = Vec::new();
    inventory(document, wanted, &mut complaints);
    references(document, &mut complaints);
    for operation in operations(document) {
        let mut own = Vec::new();
        prose(document, &operation, &mut own);
        security(&operation, &mut own);
        parameters(document, &operation, &mut own);
        request(document, &operation, &mut own);
        responses(document, &operation, &mut own);
        complaints.extend(
            own.into_iter()
                .map(|complaint| format!("{}: {complaint}", operation.id())),
        );
    }
    complaints
}

fn inventory(document: &Value, wanted: &[Entry], complaints: &mut Vec<String>) {
    let found: BTreeSet<(String, String, String, String)> = operations(document)
        .iter()
        .map(|operation| {
            let tag = operation.body["tags"][0].as_str().unwrap_or_default();
            (
                operation.method.clone(),
                operation.path.to_owned(),
                operation.id().to_owned(),
                tag.to_owned(),
            )
        })
        .collect();
    let wanted: BTreeSet<_> = wanted
        .iter()
        .map(|(method, path, id, tag)| {
            (
                (*method).to_owned(),
                (*path).to_owned(),
                (*id).to_owned(),
                (*tag).to_owned(),
            )
        })
        .collect();
    complaints.extend(
        found
            .difference(&wanted)
            .map(|extra| format!("not in the inventory: {extra:?}")),
    );
    complaints.extend(
        wanted
            .difference(&found)
            .map(|missing| format!("missing: {missing:?}")),
    );

    let mut ids = BTreeMap::new();
    for operation in operations(document) {
        *ids.entry(operation.id().to_owned()).or_insert(0) += 1;
    }
    let twice = ids.into_iter().filter(|(_, uses)| *uses > 1);
    complaints.extend(twice.map(|(id, uses)| format!("operationId {id} is used {uses} times")));
}

/// Every reference has a target, and an operation uses every component.
fn references(document: &Value, complaints: &mut Vec<String>) {
    let mut everywhere = Vec::new();
    collect_references(document, &mut everywhere);
    for target in everywhere {
        let pointer = target
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer));
        if pointer.is_none() {
            complaints.push(format!("$ref {target} leads nowhere"));
        }
    }
    let mut reached = reached_from(document, &document["paths"]);
    let schemes: Vec<String> = operations(document)
        .iter()
        .flat_map(|operation| items(&operation.body["security"]).flat_map(entries))
        .map(|(scheme, _)| format!("#/components/securitySchemes/{scheme}"))
        .collect();
    reached.extend(schemes.iter().map(String::as_str));
    for (section, components) in entries(&document["components"]) {
        for (name, _) in entries(components) {
            let pointer = format!("#/components/{section}/{name}");
            if !reached.contains(pointer.as_str()) {
                complaints.push(format!("nothing uses {pointer}"));
            }
        }
    }
}

fn reached_from<'a>(document: &'a Value, start: &'a Value) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = Vec::new();
    collect_references(start, &mut open);
    while let Some(target) = open.pop() {
        if reached.insert(target)
            && let Some(value) = document.pointer(target.trim_start_matches('#'))
        {
            collect_references(value, &mut open);
        }
    }
    reached
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            for member in members.values() {
                collect_references(member, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_references(item, found);
            }
        }
        _ => {}
    }
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn prose(document: &Value, operation: &Operation<'_>, complaints: &mut Vec<String>) {
    for key in ["summary", "description"] {
        if !is_text(&operation.body[key]) {
            complaints.push(format!("has no {key}"));
        }
    }
    let tags: Vec<&Value> = items(&operation.body["tags"]).collect();
    let is_declared =
        |tag: &Value| items(&document["tags"]).any(|declared| declared["name"] == *tag);
    if tags.len() != 1 || !tags.iter().all(|tag| is_declared(tag)) {
        complaints.push("needs exactly one tag, a declared one".to_owned());
    }
}

/// An access token is needed, or may be absent where everyone may call.
fn security(operation: &Operation<'_>, complaints: &mut Vec<String>) {
    let token = json!({"bearerAuth": []});
    let wanted = if WITHOUT_TOKEN.contains(&operation.id()) {
        json!([])
    } else if PUBLIC.contains(&operation.id()) {
        json!([token, {}])
    } else {
        json!([token])
    };
    if operation.body["security"] != wanted {
        complaints.push(format!("its security is not {wanted}"));
    }
}

/// The path has exactly the declared path parameters; every parameter has a description, limits and an
/// example.
fn parameters(document: &Value, operation: &Operation<'_>, complaints: &mut Vec<String>) {
    let all: Vec<&Value> = items(&operation.item["parameters"])
        .chain(items(&operation.body["parameters"]))
        .map(|parameter| resolve(document, parameter))
        .collect();
    let in_template: BTreeSet<&str> = operation
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .collect();
    let declared: BTreeSet<&str> = all
        .iter()
        .filter(|parameter| parameter["in"] == "path" && parameter["required"] == true)
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    if in_template != declared {
        complaints.push(format!(
            "its path has {in_template:?}, it declares {declared:?}"
        ));
    }
    for (name, way) in [("If-None-Match", 'n'), ("If-Match", 'm')] {
        let takes = all
            .iter()
            .any(|it| it["name"] == name && it["in"] == "header");
        if takes != uses_tag(operation.id(), way) {
            complaints.push(format!("should take {name} if and only if TAGGED says so"));
        }
    }
    let takes_key = all
        .iter()
        .any(|it| it["name"] == "Idempotency-Key" && it["in"] == "header");
    if takes_key != operation.creates() {
        complaints.push("should take Idempotency-Key if and only if it adds something".to_owned());
    }
    order(&all, complaints);
    for parameter in all {
        let name = &parameter["name"];
        if !is_text(&parameter["description"]) {
            complaints.push(format!("parameter {name} has no description"));
        }
        if parameter.get("example").is_none() && parameter.get("examples").is_none() {
            complaints.push(format!("parameter {name} has no example"));
        }
        // The server replaces an invalid request id, so that every value is accepted.
        if name != "X-Request-Id" {
            let place = format!("parameter {name}");
            bounds(document, &parameter["schema"], &place, complaints);
        }
    }
}

/// Parameters are in the order path, query, headers, with the optional request id last. Generated clients
/// take them in this order.
fn order(all: &[&Value], complaints: &mut Vec<String>) {
    let rank = |parameter: &&Value| {
        let place = parameter["in"].as_str();
        ["path", "query", "header"]
            .iter()
            .position(|it| place == Some(it))
    };
    if !all.is_sorted_by_key(rank) {
        complaints.push("its parameters are not in the order path, query, header".to_owned());
    }
    let last = all.last().copied().unwrap_or(&Value::Null);
    let is_free = ["required", "pattern"]
        .iter()
        .all(|key| last.get(key).is_none());
    if last["name"] != "X-Request-Id" || last["in"] != "header" || !is_free {
        complaints.push("its last parameter is not an optional X-Request-Id".to_owned());
    }
}

fn request(document: &Value, operation: &Operation<'_>, complaints: &mut Vec<String>) {
    let Some(body) = operation.body.get("requestBody") else {
        return;
    };
    let body = resolve(document, body);
    if body["required"] != true {
        complaints.push("its body is not required".to_owned());
    }
    if !is_text(&body["description"]) {
        complaints.push("its body has no description".to_owned());
    }
    if entries(&body["content"])
        .map(|(media_type, _)| media_type)
        .ne(["application/json"])
    {
        complaints.push("its body is not application/json alone".to_owned());
    }
    for (media_type, content) in entries(&body["content"]) {
        has_example(content, &format!("its body as {media_type}"), complaints);
        bounds(document, &content["schema"], "its body", complaints);
    }
}

fn has_example(media_type: &Value, what: &str, complaints: &mut Vec<String>) {
    let several = media_type["examples"]
        .as_object()
        .is_some_and(|examples| !examples.is_empty());
    if media_type.get("example").is_none() && !several {
        complaints.push(format!("{what} has no example"));
    }
}

/// The strings, numbers and lists that clients send have limits, and the objects are closed.
fn bounds(document: &Value, schema: &Value, place: &str, complaints: &mut Vec<String>) {
    let schema = resolve(document, schema);
    let has = |key: &str| schema.get(key).is_some();
    match schema["type"].as_str() {
        Some("string") if !has("maxLength") && !has("enum") => {
            complaints.push(format!("{place} is a string without maxLength"));
        }
        Some("integer" | "number") if !has("minimum") || !has("maximum") => {
            complaints.push(format!("{place} is a number without minimum and maximum"));
        }
        Some("array") if !has("maxItems") => {
            complaints.push(format!("{place} is a list without maxItems"));
        }
        Some("object") if schema["additionalProperties"] != false => {
            complaints.push(format!("{place} is an object that is not closed"));
        }
        Some("string" | "integer" | "number" | "array" | "object" | "boolean") => {}
        _ => complaints.push(format!("{place} has no type")),
    }
    if has("items") {
        bounds(
            document,
            &schema["items"],
            &format!("{place}/*"),
            complaints,
        );
    }
    for (name, property) in entries(&schema["properties"]) {
        bounds(document, property, &format!("{place}/{name}"), complaints);
    }
}

fn responses(document: &Value, operation: &Operation<'_>, complaints: &mut Vec<String>) {
    let statuses: BTreeSet<&str> = entries(&operation.body["responses"])
        .map(|(status, _)| status)
        .collect();
    let success = if operation.creates() { "201" } else { "200" };
    let mut wanted = BTreeSet::from([success, "400", "401", "429", "500", "503"]);
    if GUARDED.contains(&operation.id()) {
        wanted.insert("403");
    }
    if operation.path.contains('{') {
        wanted.insert("404");
    }
    if operation.body.get("requestBody").is_some() {
        wanted.extend(["413", "415"]);
    }
    if CONFLICTS.contains(&operation.id()) {
        wanted.insert("409");
    }
    if operation.creates() {
        wanted.insert("422");
    }
    for (status, way) in [("304", 'n'), ("412", 'm')] {
        if uses_tag(operation.id(), way) {
            wanted.insert(status);
        }
    }
    if statuses != wanted {
        complaints.push(format!("documents {statuses:?} instead of {wanted:?}"));
    }
    for (status, response) in entries(&operation.body["responses"]) {
        let response = resolve(document, response);
        response_rules(document, status, response, complaints);
        let shows = status.starts_with('2') && uses_tag(operation.id(), 's') || status == "304";
        let header = resolve(document, &response["headers"]["ETag"]);
        if (header["required"] == true) != shows {
            complaints.push(format!(
                "{status} has an ETag if and only if it shows one resource"
            ));
        }
    }
}

fn response_rules(document: &Value, status: &str, response: &Value, complaints: &mut Vec<String>) {
    if !is_text(&response["description"]) {
        complaints.push(format!("{status} has no description"));
    }
    let media_types: Vec<&str> = entries(&response["content"])
        .map(|(name, _)| name)
        .collect();
    if status == "304" && !media_types.is_empty() {
        complaints.push("304 has a body".to_owned());
    }
    if status != "304" && media_types != ["application/json"] {
        complaints.push(format!("{status} is not application/json alone"));
    }
    for (media_type, content) in entries(&response["content"]) {
        has_example(content, &format!("{status} as {media_type}"), complaints);
        let is_error = status.starts_with(['4', '5']);
        if is_error && content["schema"] != json!({"$ref": "#/components/schemas/ErrorResponse"}) {
            complaints.push(format!("{status} is not the error envelope"));
        }
    }
    let replayed = resolve(document, &response["headers"]["Idempotent-Replayed"]);
    if is_text(&replayed["description"]) != (status == "201") {
        complaints.push(format!(
            "{status} describes Idempotent-Replayed if and only if it may be replayed"
        ));
    }
    let mut headers = vec!["X-Request-Id"];
    match status {
        "201" => headers.push("Location"),
        "401" => headers.push("WWW-Authenticate"),
        "429" | "503" => headers.push("Retry-After"),
        _ => {}
    }
    for name in headers {
        let header = resolve(document, &response["headers"][name]);
        if header["required"] != true || !is_text(&header["description"]) {
            complaints.push(format!(
                "{status} does not promise and describe the header {name}"
            ));
        }
    }
}

#[test]
fn the_contract_is_complete() {
    for (name, document) in documents() {
        let wanted: &[Entry] = match name {
            "auth" => &AUTH_OPERATIONS,
            _ => &OPERATIONS,
        };
        let complaints = complaints(document, wanted);
        assert!(complaints.is_empty(), "{name}: {}", complaints.join("\n"));
    }
}

//! The classification of changes: every edit of `labelled` gets its label. Also tests the text of a
//! change, the versions that changes require, and documents that are refused.

use ecommerce_api::contract::diff::normalise;
use ecommerce_api::contract::evolution::{Change, Edition, Severity, changes, verdict};
use semver::Version;
use serde_json::{Value, json};

use super::contract;
use super::labelled::{
    B, BACK, C, Case, FORTH, N, PRODUCTS, SCHEMAS, USERS, base, callers, compatible, document,
    parameters, requests, responses, same, schemas, set, take,
};

/// The changes from one document to another.
fn between(old: &Value, new: &Value) -> Vec<Change> {
    let [old, new] = [old, new].map(|document| normalise(document).expect("a normal form"));
    changes(&old, &new)
}

/// The changes of an edit of a released contract, or with `BACK` those of undoing it.
fn classify(direction: &str, edit: impl Fn(&mut Value)) -> Vec<Change> {
    let mut edited = base().clone();
    edit(&mut edited);
    assert_ne!(
        edited.to_string(),
        base().to_string(),
        "an edit changes something"
    );
    match direction {
        BACK => between(&edited, base()),
        _ => between(base(), &edited),
    }
}

fn worst(changes: &[Change]) -> Option<Severity> {
    changes.iter().map(|change| change.severity).max()
}

/// Fails with the list of edits that have another label than expected.
fn assert_none(wrong: &[String], edits: usize) {
    assert!(
        wrong.is_empty(),
        "{} of {edits} edits have another label:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Checks that each edit of a table gets this label.
fn assert_all(label: Option<Severity>, cases: &[Case]) {
    let wrong = cases.iter().filter_map(|(direction, why, edit)| {
        let found = classify(direction, edit);
        (worst(&found) != label).then(|| format!("{why} ({direction}): {found:#?}"))
    });
    assert_none(&wrong.collect::<Vec<_>>(), cases.len());
}

/// Checks the label of each pair of a table. `put` writes one side of a pair into the contract.
fn assert_pairs<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str, &'a str, Option<Severity>)>,
    put: impl Fn(&mut Value, Value),
) {
    let mut edits = 0;
    let mut wrong = Vec::new();
    for (why, old, new, label) in pairs {
        edits += 1;
        assert_ne!(old, new, "{why}");
        let [old, new] = [old, new].map(|text| {
            let mut document = base().clone();
            put(&mut document, serde_json::from_str(text).expect(why));
            document
        });
        let found = between(&old, &new);
        if worst(&found) != label {
            wrong.push(format!("{why}: not {label:?}: {found:#?}"));
        }
    }
    assert_none(&wrong, edits);
}

const SCHEMA_TABLES: &[&[schemas::Row]] = &[
    schemas::BOUNDS,
    schemas::TYPES,
    schemas::COMPOSED,
    schemas::PROPERTIES,
    schemas::EXTENSIONS,
];
const PARAMETER_TABLES: &[&[parameters::Row]] = &[parameters::ORDER, parameters::EXTENSIONS];
const EDIT_TABLES: &[(Option<Severity>, &[Case])] = &[
    (B, callers::BREAKS_CALLERS),
    (B, requests::NARROWS_REQUESTS),
    (B, responses::WIDENS_RESPONSES),
    (C, compatible::COMPATIBLE),
    (N, same::SAME),
    (B, document::BREAKING),
    (C, document::COMPATIBLE),
];

#[test]
fn every_edit_gets_its_label() {
    for (label, cases) in EDIT_TABLES {
        assert_all(*label, cases);
    }
}

#[test]
fn every_change_of_a_schema_gets_its_label_where_it_is_sent() {
    for table in SCHEMA_TABLES {
        let pairs = table
            .iter()
            .map(|&(why, old, new, sent, _)| (why, old, new, sent));
        assert_pairs(pairs, |document, schema| {
            set(
                document,
                &format!("{SCHEMAS}/UserDraft/properties/extra"),
                schema,
            );
        });
    }
}

#[test]
fn every_change_of_a_schema_gets_its_label_where_it_is_received() {
    for table in SCHEMA_TABLES {
        let pairs = table
            .iter()
            .map(|&(why, old, new, _, received)| (why, old, new, received));
        assert_pairs(pairs, |document, schema| {
            set(
                document,
                &format!("{SCHEMAS}/User/properties/extra"),
                schema,
            );
        });
    }
}

#[test]
fn every_change_of_a_component_gets_its_label_wherever_it_is_used() {
    let mut wrong = Vec::new();
    for (why, user, old, new, sent, received) in schemas::PARTS {
        for (place, label) in [("UserDraft", sent), ("User", received)] {
            let [old, new] = [old, new].map(|part| {
                let mut document = base().clone();
                let part = serde_json::from_str(part).expect(why);
                set(&mut document, &format!("{SCHEMAS}/Part"), part);
                let whole = json!({"properties": {"part": {"$ref": "#/components/schemas/Part"}}});
                set(&mut document, &format!("{SCHEMAS}/Whole"), whole);
                let user = serde_json::from_str(user).expect(why);
                let extra = format!("{SCHEMAS}/{place}/properties/extra");
                set(&mut document, &extra, user);
                document
            });
            let found = between(&old, &new);
            if worst(&found) != *label {
                wrong.push(format!("{why}, in {place}: not {label:?}: {found:#?}"));
            }
        }
    }
    assert_none(&wrong, 2 * schemas::PARTS.len());
}

#[test]
fn every_change_of_parameters_gets_its_label() {
    for table in PARAMETER_TABLES {
        assert_pairs(table.iter().copied(), |document, list| {
            let parameters = list.as_array().expect("a list").iter().map(parameter);
            let list = Value::Array(parameters.collect());
            set(document, &format!("{USERS}/get/parameters"), list);
        });
    }
}

/// The parameter for its short form in a table.
fn parameter(written: &Value) -> Value {
    let Some(text) = written.as_str() else {
        return written.clone();
    };
    let (need, name) = text.split_at(1);
    let mut parameter = json!({"in": "query", "name": name});
    if need == "!" {
        parameter["required"] = json!(true);
    }
    parameter
}

#[test]
fn every_change_of_servers_gets_its_label() {
    assert_pairs(document::SERVERS.iter().copied(), |document, servers| {
        set(document, "/servers", servers);
    });
}

#[test]
fn there_are_enough_edits() {
    let edits: usize = EDIT_TABLES.iter().map(|(_, cases)| cases.len()).sum();
    let schemas: usize = SCHEMA_TABLES.iter().map(|table| 2 * table.len()).sum();
    let parameters: usize = PARAMETER_TABLES.iter().map(|table| table.len()).sum();
    let all = edits + schemas + 2 * schemas::PARTS.len() + parameters + document::SERVERS.len();
    println!("labelled edits: {all}");
    assert!(all >= 150, "only {all} edits are labelled");
}

#[test]
fn a_line_names_the_operations_the_place_the_change_and_the_reason() {
    let found = classify(FORTH, |c| {
        set(
            c,
            &format!("{SCHEMAS}/ProductDraft/properties/title/maxLength"),
            json!(100),
        );
        set(c, &format!("{PRODUCTS}/get/summary"), json!("All products"));
    });
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "breaking    createProduct (POST /api/products): \
             /components/schemas/ProductDraft/properties/title/maxLength: \
             255 is now 100: clients may send what is refused now",
            "compatible  listProducts (GET /api/products): \
             /paths/~1api~1products/get/summary: \
             \"List products\" is now \"All products\": documentation",
        ]
    );
}

#[test]
fn a_change_of_a_shared_schema_names_the_operations_that_use_it() {
    let found = classify(FORTH, |c| drop(take(c, &format!("{SCHEMAS}/Role/enum/1"))));
    assert_eq!(found.len(), 1, "{found:#?}");
    let names = [
        "createUser (POST /api/users)",
        "updateUser (PUT /api/users/{id})",
    ];
    assert_eq!(found[0].operations, names, "only operations that send it");
}

#[test]
fn the_same_change_at_many_places_is_one_line() {
    let found = classify(FORTH, |c| {
        let operations = c["paths"].as_object_mut().expect("paths").values_mut();
        let operations =
            operations.flat_map(|item| item.as_object_mut().expect("a path").values_mut());
        for response in operations.filter_map(|operation| operation.pointer_mut("/responses/200")) {
            response["headers"]["X-Shop"] = json!({"schema": {"type": "string"}});
        }
    });
    let [change] = found.as_slice() else {
        panic!("not one change: {found:#?}");
    };
    assert!(change.pointers.len() > 10, "{change:#?}");
    assert_eq!(change.operations.len(), change.pointers.len());
    let rest = change.pointers.len() - 1;
    let line = change.to_string();
    assert!(
        line.starts_with("compatible  listUsers (GET /api/users), getUser (GET /api/users/{id}), "),
        "{line}"
    );
    let named = format!(
        " and {} more: /paths/~1api~1users/get/responses/200/headers/X-Shop and {rest} more places: ",
        change.operations.len() - 3
    );
    assert!(line.contains(&named), "{line}");
}

#[test]
fn a_property_that_changes_in_many_schemas_is_one_line() {
    let found = classify(FORTH, |c| {
        for schema in ["UserResponse", "ProductResponse"] {
            let message = format!("{SCHEMAS}/{schema}/properties/message/maxLength");
            set(c, &message, json!(200));
        }
        set(
            c,
            &format!("{SCHEMAS}/ErrorInfo/properties/message/maxLength"),
            json!(100),
        );
    });
    let places: Vec<usize> = found.iter().map(|change| change.pointers.len()).collect();
    assert_eq!(places, [2, 1], "{found:#?}");
}

#[test]
fn long_texts_are_cut_around_their_first_difference() {
    let long = "é word ".repeat(100);
    let [old, new] = ["here", "there"].map(|end| {
        let mut document = base().clone();
        set(
            &mut document,
            "/info/description",
            json!(format!("{long}{end} {long}")),
        );
        document
    });
    let found = between(&old, &new);
    assert_eq!(found.len(), 1, "{found:#?}");
    let what = &found[0].what;
    let (was, is) = what.split_once(" is now ").expect("two sides");
    assert!(was.contains("word here é"), "{what}");
    assert!(is.contains("word there é"), "{what}");
    assert!(what.chars().count() < 270, "{what}");
}

#[test]
fn a_renamed_path_parameter_is_one_change_that_says_why() {
    let (_, _, rename) = document::BREAKING[0];
    let found = classify(FORTH, rename);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].pointers, ["/paths/~1api~1users~1{id}"]);
    assert_eq!(found[0].what, "/api/users/{id} is now /api/users/{user}");
    assert!(found[0].why.contains("named arguments"), "{found:#?}");
    let (_, _, more) = document::BREAKING[1];
    let summary = classify(FORTH, more).pop().expect("a change");
    assert_eq!(summary.pointers, ["/paths/~1api~1users~1{id}/get/summary"]);
}

#[test]
fn changes_inside_a_renamed_path_have_pointers_into_it() {
    let (_, _, rename) = document::BREAKING[0];
    let user = "/paths/~1api~1users~1{user}";
    let found = classify(FORTH, |c| {
        rename(c);
        set(c, &format!("{user}/get/deprecated"), json!(true));
    });
    let added = found.last().expect("changes");
    assert_eq!(
        added.pointers,
        [format!("{user}/get/deprecated")],
        "only there"
    );
    let swap = |c: &mut Value, path: &str| {
        let list = c.pointer_mut(&format!("/paths/{path}/put/parameters"));
        list.and_then(Value::as_array_mut)
            .expect("a list")
            .reverse();
    };
    let mut before = base().clone();
    let note = json!({"in": "header", "name": "X-Note"});
    set(
        &mut before,
        "/paths/~1api~1users~1{id}/put/parameters/-",
        note,
    );
    let mut after = before.clone();
    rename(&mut after);
    swap(&mut after, "~1api~1users~1{user}");
    let found = between(&before, &after);
    let whats: Vec<&str> = found.iter().map(|change| change.what.as_str()).collect();
    let order = "id, if-match, x-note is now id, x-note, if-match";
    assert_eq!(whats, ["/api/users/{id} is now /api/users/{user}", order]);
}

#[test]
fn a_component_that_is_an_all_of_is_a_type_of_its_own() {
    let alias = |schema: Value| {
        let mut document = base().clone();
        set(&mut document, &format!("{SCHEMAS}/Alias"), schema);
        document
    };
    let role = json!({"$ref": "#/components/schemas/Role"});
    let found = between(&alias(role.clone()), &alias(json!({"allOf": [role]})));
    assert_eq!(worst(&found), B, "{found:#?}");
}

#[test]
fn a_new_variant_of_a_schema_with_a_discriminator_is_breaking() {
    let user = json!({"$ref": "#/components/schemas/User"});
    let employee = json!({"$ref": "#/components/schemas/Employee"});
    let mut plain = base().clone();
    set(
        &mut plain,
        &format!("{SCHEMAS}/Employee"),
        json!({"allOf": [user]}),
    );
    let mut polymorphic = plain.clone();
    let discriminator = json!({"propertyName": "role"});
    set(
        &mut polymorphic,
        &format!("{SCHEMAS}/User/discriminator"),
        discriminator,
    );
    for (old, label) in [(plain, C), (polymorphic, B)] {
        for parent in [&user, &employee] {
            let mut new = old.clone();
            let variant = json!({"allOf": [parent, {"properties": {"level": {}}}]});
            set(&mut new, &format!("{SCHEMAS}/Manager"), variant);
            let found = between(&old, &new);
            assert_eq!(worst(&found), label, "of {parent}: {found:#?}");
        }
    }
}

#[test]
fn changes_whose_cut_texts_are_equal_stay_separate() {
    let found = classify(FORTH, |c| {
        for (schema, end) in [("UserResponse", "a"), ("ProductResponse", "b")] {
            let text = format!("{}{end}", "word ".repeat(100));
            let message = format!("{SCHEMAS}/{schema}/properties/message/description");
            set(c, &message, json!(text));
        }
    });
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0].what, found[1].what);
}

#[test]
fn reasons_name_the_effect_on_generated_clients() {
    let reason = |edit: fn(&mut Value)| classify(FORTH, edit)[0].why;
    let host = reason(|c| set(c, "/servers/0/url", json!("https://shop.example.com")));
    assert!(host.contains("call the first server by default"), "{host}");
    let format = reason(|c| {
        let title = format!("{SCHEMAS}/Product/properties/title/format");
        set(c, &title, json!("date-time"));
    });
    assert!(format.contains("datetime in Python"), "{format}");
    let default = reason(|c| {
        let limit = "/components/parameters/Limit/x-default-with";
        set(c, limit, json!({"page": 10}));
    });
    let expected = "it is what an absent value means beside the other parameter";
    assert_eq!(default, expected);
}

#[test]
fn a_parameter_that_overrides_one_of_the_path_keeps_its_position_in_the_operation() {
    let mut before = base().clone();
    take(&mut before, "/paths/~1api~1cart/post");
    let mut after = before.clone();
    let limit = json!([{"$ref": "#/components/parameters/Limit"}]);
    set(&mut after, "/paths/~1api~1cart/parameters", limit);
    assert_eq!(between(&before, &after), []);
}

#[test]
fn another_order_of_parameters_names_its_effect_on_generated_clients() {
    let found = classify(FORTH, |c| {
        let parameters = format!("{USERS}/get/parameters");
        let first = take(c, &format!("{parameters}/0"));
        set(c, &format!("{parameters}/-"), first);
    });
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        found[0].to_string(),
        "breaking    listUsers (GET /api/users): /paths/~1api~1users/get/parameters: \
         page, limit is now limit, page: generated clients take these in this order: \
         the same call compiles and swaps the values"
    );
}

#[test]
fn the_version_has_to_move_as_far_as_the_changes_require() {
    use Severity::{Breaking, Compatible};
    let change = |severity| Change {
        severity,
        operations: Vec::new(),
        pointers: Vec::new(),
        what: String::new(),
        why: "",
    };
    // The old and the new version, the changes, and the version that they require if the new one is too low.
    let cases: &[(&str, &str, &[Severity], Option<&str>)] = &[
        ("0.1.0", "0.1.0", &[], None),
        ("0.1.0", "0.1.1", &[], None),
        ("0.1.0", "0.1.0", &[Compatible], Some("0.1.1")),
        ("0.1.0", "0.1.1", &[Compatible], None),
        ("0.1.0", "0.2.0", &[Compatible], None),
        ("0.1.0", "0.1.1", &[Breaking], Some("0.2.0")),
        ("0.1.9", "0.1.10", &[Compatible, Breaking], Some("0.2.0")),
        ("0.1.9", "0.2.0", &[Compatible, Breaking], None),
        ("0.9.0", "1.0.0", &[Breaking], None),
        ("1.2.3", "1.2.4", &[Compatible], Some("1.3.0")),
        ("1.2.3", "1.3.0", &[Compatible], None),
        ("1.2.3", "1.3.0", &[Breaking, Compatible], Some("2.0.0")),
        ("1.2.3", "2.0.0", &[Breaking], None),
        ("1.9.0", "1.10.0", &[Compatible], None),
        ("0.0.3", "0.0.4", &[Breaking], Some("0.1.0")),
        ("0.9.0", "0.10.0", &[Breaking], None),
        ("9.0.0", "10.0.0", &[Breaking], None),
    ];
    for (old, new, severities, needed) in cases {
        let changes: Vec<Change> = severities.iter().copied().map(change).collect();
        let [from, to] = [old, new].map(|text| text.parse::<Version>().expect("a version"));
        let said = verdict(&changes, &from, &to);
        match needed {
            None => assert_eq!(said, Ok(()), "{old} to {new}"),
            Some(needed) => {
                let message = said.expect_err("the version has to move further");
                assert!(
                    message.contains(&format!("set it to {needed}")),
                    "{message}"
                );
            }
        }
    }
    let [old, new] = ["0.2.0", "0.1.9"].map(|text| text.parse::<Version>().expect("a version"));
    let message = verdict(&[], &old, &new).expect_err("versions only grow");
    assert!(
        message.contains("goes back from 0.2.0 to 0.1.9"),
        "{message}"
    );
}

#[test]
fn documents_that_are_no_contract_are_refused() {
    let without = |pointer: &str| {
        let mut document = contract().clone();
        take(&mut document, pointer);
        document.to_string()
    };
    let with = |pointer: &str, value: Value| {
        let mut document = contract().clone();
        set(&mut document, pointer, value);
        document.to_string()
    };
    let dead = json!({"$ref": "#/components/responses/Gone"});
    let cases = [
        (String::new(), "/openapi is not 3.0.x"),
        ("[]".to_owned(), "/openapi is not 3.0.x"),
        ("{".to_owned(), "not YAML"),
        ("a: &a [*a".to_owned(), "not YAML"),
        ("%PDF-1.4".to_owned(), "not YAML"),
        (with("/openapi", json!("3.1.0")), "/openapi is not 3.0.x"),
        (without("/info/version"), "/info/version is missing"),
        (
            with("/info/version", json!(1)),
            "/info/version is missing or no text",
        ),
        (
            with("/info/version", json!("v1")),
            "\"v1\" is not a version",
        ),
        (
            with("/info/version", json!("1.0.0-rc1")),
            "is not a version of the form 1.2.3",
        ),
        (
            with("/info/version", json!("1.0.0+5")),
            "is not a version of the form 1.2.3",
        ),
        (
            with("/info/version", json!("1.0")),
            "is not a version of the form 1.2.3",
        ),
        (
            with("/info/version", json!("1.02.3")),
            "is not a version of the form 1.2.3",
        ),
        (
            with("/info/version", json!("1.2.3.4")),
            "is not a version of the form 1.2.3",
        ),
        (without("/paths"), "/paths has no operation"),
        (with("/paths", json!({})), "/paths has no operation"),
        (with("/paths", json!(7)), "/paths"),
        (
            with(&format!("{USERS}/get/responses/500"), dead),
            "#/components/responses/Gone",
        ),
    ];
    for (source, expected) in cases {
        let start: String = source.chars().take(60).collect();
        let message = Edition::read(&source).expect_err(&start);
        assert!(message.contains(expected), "{start}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

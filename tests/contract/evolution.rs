//! What breaks clients is called breaking, and nothing else is: the edits of `labelled`. Then the
//! versions that changes ask for, and documents that cannot be read.

use ecommerce_api::contract::diff::normalise;
use ecommerce_api::contract::evolution::{Change, Edition, Severity, Version, changes, verdict};
use serde_json::{Value, json};

use super::contract;
use super::labelled::{
    BACK, BREAKS_CALLERS, COMPATIBLE, Case, FORTH, NARROWS_REQUESTS, PRODUCTS, SAME, SCHEMAS,
    USERS, WIDENS_RESPONSES, set, take,
};

/// What the classifier says of an edit to the contract; with `BACK`, of taking it back.
fn classify(direction: &str, edit: impl Fn(&mut Value)) -> Vec<Change> {
    let mut edited = contract().clone();
    edit(&mut edited);
    assert_ne!(&edited, contract(), "an edit changes something");
    let [edited, original] =
        [&edited, contract()].map(|document| normalise(document).expect("a normal form"));
    match direction {
        BACK => changes(&edited, &original),
        _ => changes(&original, &edited),
    }
}

/// Each edit of a table gets the label, and none goes unseen.
fn assert_all(label: Severity, cases: &[Case]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(direction, why, edit)| {
            let found = classify(direction, edit);
            let worst = found.iter().map(|change| change.severity).max();
            (worst != Some(label)).then(|| format!("{why} ({direction}): {found:#?}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} edits are not {label}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_breaks_callers_of_an_operation_is_breaking() {
    assert_all(Severity::Breaking, BREAKS_CALLERS);
}

#[test]
fn what_narrows_requests_is_breaking() {
    assert_all(Severity::Breaking, NARROWS_REQUESTS);
}

#[test]
fn what_widens_responses_is_breaking() {
    assert_all(Severity::Breaking, WIDENS_RESPONSES);
}

#[test]
fn what_clients_can_take_is_compatible() {
    assert_all(Severity::Compatible, COMPATIBLE);
}

#[test]
fn what_says_the_same_in_other_words_is_no_change() {
    for (direction, what, edit) in SAME {
        assert_eq!(classify(direction, edit), [], "{what}");
    }
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
fn a_change_of_a_shared_schema_concerns_all_who_use_it() {
    let found = classify(FORTH, |c| drop(take(c, &format!("{SCHEMAS}/Role/enum/1"))));
    assert_eq!(found.len(), 1, "{found:#?}");
    let names = [
        "createUser (POST /api/users)",
        "updateUser (PUT /api/users/{id})",
    ];
    assert_eq!(found[0].operations, names, "those who send it");
}

#[test]
fn versions_move_as_far_as_the_changes_go() {
    use Severity::{Breaking, Compatible};
    let change = |severity| Change {
        severity,
        operations: Vec::new(),
        pointer: String::new(),
        what: String::new(),
        why: "",
    };
    // From, to, the changes between, and the version that they need; none when it moved enough.
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
    ];
    for (old, new, severities, needed) in cases {
        let changes: Vec<Change> = severities.iter().copied().map(change).collect();
        let [from, to] = [old, new].map(|text| text.parse::<Version>().expect("a version"));
        let said = verdict(&changes, from, to);
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
    let message = verdict(&[], old, new).expect_err("versions only grow");
    assert!(
        message.contains("goes back from 0.2.0 to 0.1.9"),
        "{message}"
    );
}

#[test]
fn what_is_no_contract_is_refused() {
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
            "is not a version",
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

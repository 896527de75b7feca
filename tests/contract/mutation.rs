//! A mutation test of the diff: every edit that a machine can make at one place of the contract is
//! reported at that place, or has an entry in `IGNORED`. The evolution rules find a change exactly when
//! the diff reports one, or when the order of properties or parameters differs.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;

use ecommerce_api::contract::diff::{IGNORED, Normalised, compare, diff, normalise};
use ecommerce_api::contract::evolution::changes;
use serde_json::{Value, json};

use super::edits::{Change, Edit, edits, is_example};
use super::{documents, escape};

/// The entry of `IGNORED` that describes this edit, if there is one.
fn excuse(edit: &Edit) -> Option<&'static str> {
    // Under another key it is not an example.
    let is_renamed = matches!(edit.change, Change::Rename(_));
    if is_example(&edit.place) && !is_renamed {
        return Some("examples of media types, parameters and headers");
    }
    let segments: Vec<&str> = edit.place.split('/').skip(1).collect();
    match (&edit.change, segments.as_slice()) {
        (Change::Replace(version), ["openapi"]) if version == "3.0.4" => {
            Some("patch version of OpenAPI")
        }
        (
            Change::Reverse,
            ["tags"]
            | ["paths", _, _, "security"]
            | [.., "required" | "enum" | "parameters" | "x-needs-paging"],
        )
        | (Change::ReverseMembers, _) => Some("order of names"),
        // Where it is not reported, it is empty.
        (Change::Drop, ["paths", _, _, "security"]) => Some("keywords that state their default"),
        _ => None,
    }
}

/// Whether the edit changes the order in which generated clients take arguments. Only the evolution
/// rules report it.
fn swaps_arguments(edit: &Edit) -> bool {
    let key = edit.place.rsplit('/').next();
    matches!(
        (&edit.change, key),
        (Change::Reverse, Some("parameters")) | (Change::ReverseMembers, Some("properties"))
    )
}

/// The result of an edit.
enum Outcome {
    Caught,
    Excused(&'static str),
    Survived,
    /// Reported at another place.
    Misplaced(String),
    /// The diff and the evolution rules disagree whether it is a change.
    Disputed,
}

/// Makes each edit in a copy of the contract, evaluates the diff, and undoes the edit.
///
/// The edits are all within one path or all outside of paths. Paths are independent of each other, so
/// an edit within one is made in a contract without the others, which takes a third of the time.
fn try_edits<'a>(contract: &Value, edits: &'a [Edit]) -> Vec<(&'a Edit, Outcome)> {
    let mut original = contract.clone();
    if let Some(own) = edits.first().and_then(|edit| path_of(&edit.place)) {
        let paths = original["paths"]
            .as_object_mut()
            .expect("the contract has paths");
        paths.retain(|path, _| escape(path) == own);
    }
    let normal = normalise(&original).expect("the contract has a normal form");
    let mut edited = original.clone();
    let attempt = |edit: &'a Edit| {
        edit.apply(&mut edited);
        let outcome = judge(&original, &normal, &edited, edit);
        undo(&mut edited, &original, &edit.place);
        (edit, outcome)
    };
    edits.iter().map(attempt).collect()
}

/// Restores the part of the document that contains the place: for deeper places only a path or a kind of
/// component, which is faster than the whole document.
fn undo(edited: &mut Value, original: &Value, place: &str) {
    let third = place.match_indices('/').nth(2);
    let part = third.map_or("", |(end, _)| &place[..end]);
    let target = edited
        .pointer_mut(part)
        .expect("the edit left its surroundings");
    target.clone_from(
        original
            .pointer(part)
            .expect("the place is in the original"),
    );
}

/// The path that contains this place, as a segment of a JSON pointer.
fn path_of(place: &str) -> Option<&str> {
    let (path, _) = place.strip_prefix("/paths/")?.split_once('/')?;
    Some(path)
}

fn judge(original: &Value, normal: &Normalised, edited: &Value, edit: &Edit) -> Outcome {
    let differences = match normalise(edited) {
        Ok(edited) => {
            let differences = compare(normal, &edited);
            // A change of the version alone is not a change.
            let is_version =
                edit.place == "/info/version" && !matches!(edit.change, Change::Rename(_));
            let is_change = (!differences.is_empty() && !is_version) || swaps_arguments(edit);
            if changes(normal, &edited).is_empty() == is_change {
                return Outcome::Disputed;
            }
            differences
        }
        Err(_) => diff(original, edited),
    };
    if differences.is_empty() {
        return excuse(edit).map_or(Outcome::Survived, Outcome::Excused);
    }
    let mut named = differences
        .iter()
        .flat_map(|found| found.via.iter().chain([&found.pointer]));
    let mut places = vec![edit.place.clone()];
    if let (Change::Rename(name), Some((parent, _))) = (&edit.change, edit.place.rsplit_once('/')) {
        places.push(format!("{parent}/{}", escape(name)));
    }
    if named.any(|pointer| places.iter().any(|place| near(pointer, place))) {
        return Outcome::Caught;
    }
    Outcome::Misplaced(
        differences
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
    )
}

/// Whether two places are equal or one contains the other.
fn near(pointer: &str, place: &str) -> bool {
    let is_prefix = |short: &str, long: &str| {
        long.strip_prefix(short)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_prefix(pointer, place) || is_prefix(place, pointer) {
        return true;
    }
    // An edit of the parameters of a path is reported in each operation of the path.
    let shared = place.split_once("/parameters").map(|(path, _)| path);
    shared.is_some_and(|path| {
        path.split('/').count() == 3
            && ["get", "put", "post", "delete"]
                .iter()
                .any(|method| is_prefix(&format!("{path}/{method}/parameters"), pointer))
    })
}

/// A document with constructs that the contract does not use and the evolution rules handle.
fn rare_constructs() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "rare", "version": "1.0.0", "x-logo": {"url": "logo.png"}},
        "servers": [
            {"url": "https://{a}.example", "variables": {"a": {"default": "b"}}},
            {"url": "https://c.example", "description": "The other one"},
        ],
        "paths": {
            "x-note": "paths",
            "/pets/{id}/toys/{toy}": {
                "x-note": "a path",
                "parameters": [
                    {"name": "toy", "in": "path", "required": true, "schema": {"type": "string"}},
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
                ],
                "get": {
                    "operationId": "getToy",
                    "x-note": "an operation",
                    "parameters": [
                        {"name": "sort", "in": "query", "x-needs-paging": ["a", "b"]},
                        {"name": "q", "in": "query", "x-needs-paging": true},
                        {"name": "page", "in": "query", "x-default-with": {"q": 10}},
                    ],
                    "callbacks": {"sold": {"x-note": 1}, "broken": {}},
                    "responses": {
                        "x-note": "responses",
                        "200": {"description": "The toy", "x-note": "a response", "content": {
                            "application/JSON": {"schema": {"$ref": "#/components/schemas/Toy"}},
                        }},
                    },
                },
            },
        },
        "components": {
            "x-note": "components",
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "x-note": 1}},
            "schemas": {
                "Name": {"type": "string", "format": "date-time", "x-error-reasons": {"A": 409}},
                "Toy": {
                    "type": "object",
                    "required": ["id", "name"],
                    "properties": {
                        "id": {"type": "string", "readOnly": true},
                        "name": {"allOf": [{"$ref": "#/components/schemas/Name"}], "nullable": true},
                        "only": {"allOf": [{"$ref": "#/components/schemas/Name"}]},
                        "code": {"type": "string", "x-error-codes": {"A": 400, "B": 404}},
                        "size": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                        "both": {"allOf": [{"minLength": 1}, {"maxLength": 9}]},
                        "made": {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
                        "price": {"type": "integer", "multipleOf": 5, "minimum": 0,
                            "exclusiveMinimum": true, "maximum": 90, "exclusiveMaximum": true},
                        "secret": {"type": "string", "writeOnly": true, "enum": ["x", "y"]},
                    },
                },
            },
        },
    })
}

#[test]
fn every_edit_of_a_rare_construct_is_reported() {
    let document = rare_constructs();
    let edits = edits(&document);
    let normal = normalise(&document).expect("a normal form");
    let unreported: Vec<&Edit> = edits
        .iter()
        .filter(|edit| {
            let mut edited = document.clone();
            edit.apply(&mut edited);
            let outcome = judge(&document, &normal, &edited, edit);
            matches!(outcome, Outcome::Survived | Outcome::Disputed)
        })
        .collect();
    assert!(edits.len() > 500, "only {} edits", edits.len());
    assert!(
        unreported.is_empty(),
        "{} of {}: {unreported:?}",
        unreported.len(),
        edits.len()
    );
}

#[test]
fn the_diff_reports_every_edit_to_the_contract() {
    for (name, document) in documents() {
        println!("{name}:");
        report_every_edit(document);
    }
}

fn report_every_edit(contract: &Value) {
    let edits = edits(contract);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let outcomes: Vec<(&Edit, Outcome)> = thread::scope(|scope| {
        let workers: Vec<_> = edits
            .chunks(edits.len().div_ceil(4 * threads))
            .map(|edits| {
                let parts = edits.chunk_by(|a, b| path_of(&a.place) == path_of(&b.place));
                scope.spawn(move || parts.flat_map(|part| try_edits(contract, part)).collect())
            })
            .collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<_>>| worker.join().expect("no panic");
        workers.into_iter().flat_map(join).collect()
    });

    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for (edit, outcome) in &outcomes {
        let (made, caught) = kinds.entry(edit.kind).or_default();
        if let Outcome::Excused(entry) = outcome {
            *excused.entry(entry).or_default() += 1;
            continue;
        }
        *made += 1;
        match outcome {
            Outcome::Caught => *caught += 1,
            Outcome::Disputed => failures.push(format!("disputed: {edit:?}")),
            Outcome::Misplaced(found) => failures.push(format!("misplaced: {edit:?}: {found}")),
            _ => failures.push(format!("survived: {edit:?}")),
        }
    }
    let (made, caught) = kinds
        .values()
        .fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1));
    for (kind, (made, caught)) in &kinds {
        println!("{kind:>22}: {made:5} made, {caught:5} caught");
    }
    for (entry, edits) in &excused {
        assert!(
            IGNORED.iter().any(|(name, _)| name == entry),
            "not in the list: {entry}"
        );
        println!("ignored: {edits} edits, {entry}");
    }
    println!("edits made: {made}, caught: {caught}");
    assert!(
        failures.is_empty(),
        "{} of {made} edits went unreported:\n{}",
        failures.len(),
        failures
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
    assert!(made >= 400, "only {made} edits made");
}

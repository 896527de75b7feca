//! The memory that it takes to read and validate an expensive request body. Allocations are counted: the
//! count is the same on every machine, and most kinds of superfluous work increase it.

use allocation_counter::{AllocationInfo, measure};
use ecommerce_api::api::contracts;
use ecommerce_api::contract::{Body, json};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// The size of the largest request body, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// The number of values that the service accepts in a request body.
const MAX_VALUES: usize = 10_000;

/// The bytes that may be allocated for each byte of a body. Short nested arrays need the most: each is
/// allocated with a capacity of four values of 72 bytes.
const BYTES_PER_BYTE: u64 = 130;
/// The bytes that may be allocated in addition, enough for the pointers of all violations.
const CONSTANT_BYTES: u64 = 1_500_000;

/// The request bodies of all contracts, with their schemas compiled.
fn bodies() -> impl Iterator<Item = &'static Body> {
    let operations = contracts::operations();
    let bodies = operations.filter_map(|operation| operation.body.as_ref());
    bodies.inspect(|body| drop(body.violations(&serde_json::json!({}))))
}

/// The bytes and the number of the allocations for reading `text`, of at most `max_values` values, and
/// validating it as the most expensive body.
fn cost(text: &str, max_values: usize) -> (u64, u64) {
    let mut value = None;
    let reading = measure(|| value = json::parse_limited(text.as_bytes(), max_values).ok());
    let validations = bodies().map(|body| {
        measure(|| {
            if let Some((value, _)) = &value {
                drop(body.violations(value));
            }
        })
    });
    let validations: Vec<AllocationInfo> = validations.collect();
    let bytes = validations.iter().map(|validation| validation.bytes_total);
    let count = validations.iter().map(|validation| validation.count_total);
    (
        reading.bytes_total + bytes.max().expect("a contract has a body"),
        reading.count_total + count.max().expect("a contract has a body"),
    )
}

/// Checks that the cost of `text` is at most linear in its length if its values are not limited.
fn check(text: &str) {
    let (bytes, count) = cost(text, usize::MAX);
    let length = text.len() as u64;
    let start: String = text.chars().take(200).collect();
    assert!(
        bytes <= length * BYTES_PER_BYTE + CONSTANT_BYTES,
        "{bytes} bytes allocated for {length}: {start}"
    );
    assert!(
        count <= length / 2 + 40_000,
        "{count} allocations for {length} bytes: {start}"
    );
}

/// `inner` inside `depth` nested objects, each with the key `key`, or arrays.
fn nested(depth: usize, key: Option<&str>, inner: &str) -> String {
    let (open, close) = match key {
        Some(key) => (format!("{{\"{key}\":"), "}"),
        None => ("[".to_owned(), "]"),
    };
    open.repeat(depth) + inner + &close.repeat(depth)
}

/// `items` in an array or an object, separated by commas.
fn listed(items: impl Iterator<Item = String>, [open, close]: [&str; 2]) -> String {
    format!("{open}{}{close}", items.collect::<Vec<_>>().join(","))
}

/// An array or object of about `length` bytes with small members.
fn wide(length: usize) -> impl Strategy<Value = String> {
    let object = |member: fn(usize, &str) -> String| {
        key().prop_map(move |key| {
            let count = length / member(length, &key).len();
            let members = (0..count.max(1)).map(|number| member(number, &key));
            listed(members, ["{", "}"])
        })
    };
    let array = prop_oneof![
        "0",
        "\\[\\]",
        "\\[0\\]",
        "\\{\\}",
        "\\{\"\":0\\}",
        "\"a\"",
        "null"
    ];
    prop_oneof![
        object(|_, key| format!("\"{key}\":0")),
        object(|number, key| format!("\"{number}{key}\":0")),
        object(|number, key| format!("\"{key}\":{{\"{number}\":0,\"{number}\":[]}}")),
        array.prop_map(move |item| {
            let count = length / (item.len() + 1);
            listed((0..count.max(1)).map(|_| item.clone()), ["[", "]"])
        }),
    ]
}

/// The text of a key: short or long, with characters that are escaped in JSON or in a pointer.
fn key() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "k",
        "\u{200b}",
        "\\\\u0000",
        "\\\\\"",
        "~",
        "/",
        "\u{1f600}",
        "é"
    ];
    let text = prop_oneof![Just("email".to_owned()), text];
    (text, prop_oneof![Just(1_usize), Just(64), 1..2000_usize])
        .prop_map(|(text, count)| text.repeat(count))
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_body_costs_at_most_in_proportion_to_its_length(
        depth in prop_oneof![0..3_usize, 60..70_usize],
        key in proptest::option::of(key()),
        inner in (0..19_u32).prop_flat_map(|power| wide(1 << power)),
    ) {
        let body = nested(depth, key.as_deref(), &inner);
        prop_assume!(body.len() <= MAX_BODY);
        check(&body);
    }
}

#[test]
fn deeply_nested_duplicate_keys_do_not_each_build_a_pointer() {
    let members = listed((0..20_001).map(|_| "\"k\":1".to_owned()), ["{", "}"]);
    for depth in [1, 60, 120] {
        check(&nested(depth, Some(&"\u{200b}".repeat(64)), &members));
    }
}

/// Bodies of the largest size with the greatest number of values of each kind.
fn largest_bodies() -> impl Iterator<Item = String> {
    let arrays = ["0", "[]", "[0]", "{}", "{\"\":0}", "[[[[[]]]]]"].map(|item| {
        let items = (0..(MAX_BODY - 1) / (item.len() + 1)).map(|_| item.to_owned());
        listed(items, ["[", "]"])
    });
    let objects = ["", "\u{200b}", "email"].map(|unknown| {
        let member = |number| format!("\"{unknown}{number}\":0");
        let count = MAX_BODY / member(MAX_BODY).len();
        listed((0..count).map(member), ["{", "}"])
    });
    arrays.into_iter().chain(objects)
}

#[test]
fn the_largest_bodies_cost_at_most_in_proportion_to_their_length() {
    largest_bodies().for_each(|text| check(&text));
}

/// Checks the cost of `text` with the service's limit of values.
fn check_limited(text: &str, max_bytes: u64) {
    let (bytes, count) = cost(text, MAX_VALUES);
    let start: String = text.chars().take(200).collect();
    assert!(
        text.len() <= MAX_BODY && bytes < max_bytes && count < 40_000,
        "{bytes} bytes in {count} allocations: {start}"
    );
}

#[test]
fn a_body_with_too_many_values_costs_little_however_long_it_is() {
    for text in largest_bodies() {
        let violation = json::parse_limited(text.as_bytes(), MAX_VALUES);
        assert!(violation.is_err(), "{text:.200}");
        check_limited(&text, 6_000_000);
    }
}

#[test]
fn a_body_of_the_largest_size_with_as_many_values_as_are_accepted_costs_little() {
    let members = (1..MAX_VALUES).map(|number| format!("\"{number:095}\":0"));
    let text = listed(members, ["{", "}"]);
    assert!(json::parse_limited(text.as_bytes(), MAX_VALUES).is_ok());
    check_limited(&text, 7_000_000);
}

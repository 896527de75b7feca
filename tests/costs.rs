//! What it costs to read and validate a body that a client made to be expensive: memory is counted,
//! since a count is the same on every machine and grows with most kinds of superfluous work.

use allocation_counter::{AllocationInfo, measure};
use ecommerce_api::api::contracts;
use ecommerce_api::contract::{self, Body};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// As many bytes as a request body has at most.
const MAX_BODY: usize = 1024 * 1024;

/// How many bytes may be allocated for each byte of a body. Short nested arrays need the most, since
/// each begins with room for four values of 72 bytes.
const PER_BYTE: u64 = 130;
/// How many bytes may be allocated beside that: enough for the pointers of all violations.
const CONSTANT: u64 = 1_500_000;

/// What reading `body` and validating it as each kind of request allocates.
fn cost(body: &str) -> AllocationInfo {
    measure(|| {
        let Ok((value, _)) = contract::json::parse(body.as_bytes()) else {
            return;
        };
        for body in bodies() {
            let _ = body.violations(&value);
        }
    })
}

/// The request bodies of the contracts.
fn bodies() -> impl Iterator<Item = &'static Body> {
    let operations = contracts::operations();
    operations.filter_map(|operation| operation.body.as_ref())
}

/// Checks that the cost is at most linear in the length.
fn check(body: &str) {
    // The first call compiles the contract's schemas.
    for body in bodies() {
        let _ = body.violations(&serde_json::json!({}));
    }
    let cost = cost(body);
    let limit = body.len() as u64 * PER_BYTE + CONSTANT;
    let start: String = body.chars().take(200).collect();
    assert!(
        cost.bytes_total <= limit,
        "{} bytes allocated for {}: {start}",
        cost.bytes_total,
        body.len()
    );
    assert!(
        cost.count_total <= body.len() as u64 / 2 + 40_000,
        "{} allocations for {} bytes: {start}",
        cost.count_total,
        body.len()
    );
}

/// `inner` inside objects (with this key each) or arrays, `depth` of them.
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

/// An array or object with as many members as `length` bytes hold.
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
fn duplicate_keys_far_inside_are_not_named_one_by_one() {
    let members = listed((0..20_001).map(|_| "\"k\":1".to_owned()), ["{", "}"]);
    for depth in [1, 60, 120] {
        check(&nested(depth, Some(&"\u{200b}".repeat(64)), &members));
    }
}

#[test]
fn a_body_with_a_limit_of_values_costs_little_however_long_it_is() {
    for item in ["0", "[]", "[0]", "{}", "{\"\":0}", "[[[[[]]]]]"] {
        let items = (0..MAX_BODY / (item.len() + 1)).map(|_| item.to_owned());
        let body = listed(items, ["[", "]"]);
        let cost = measure(|| {
            let violation = contract::json::parse_limited(body.as_bytes(), 10_000);
            assert!(violation.is_err(), "{item}");
        });
        assert!(cost.bytes_total < 6_000_000, "{item}: {}", cost.bytes_total);
    }
}

#[test]
fn a_body_of_the_largest_size_costs_no_more() {
    for item in ["0", "[]", "[0]", "{}", "{\"\":0}", "[[[[[]]]]]"] {
        let items = (0..MAX_BODY / (item.len() + 1)).map(|_| item.to_owned());
        check(&listed(items, ["[", "]"]));
    }
    for unknown in ["", "\u{200b}", "email"] {
        let member = |number| format!("\"{unknown}{number}\":0");
        let count = MAX_BODY / member(MAX_BODY).len();
        check(&listed((0..count).map(member), ["{", "}"]));
    }
}

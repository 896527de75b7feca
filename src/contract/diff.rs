//! (placeholder until merged)
use serde_json::Value;
/// d
pub struct Difference;
/// d
#[must_use]
pub fn diff(_: &Value, _: &Value) -> Vec<Difference> {
    vec![]
}
/// r
#[must_use]
pub fn report(_: &[Difference]) -> String {
    String::new()
}

//! (placeholder until merged)
use serde_json::Value;
/// d
pub struct Difference;
/// d
pub fn diff(_: &Value, _: &Value) -> Vec<Difference> {
    vec![]
}
/// r
pub fn report(_: &[Difference]) -> String {
    String::new()
}

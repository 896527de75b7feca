//! What the reading of lists has to know of each list of the contract.

use poem_openapi::types::Type;
use serde::Serialize;

/// The response with a list of the contract.
pub(in crate::api) trait ListOf: Type + Send + 'static {
    /// What each row becomes.
    type Item: Serialize + Send;
    /// What one row is called in the message.
    const NOUN: &'static str;
    /// A row's id, by which the list is ordered.
    fn id(item: &Self::Item) -> i32;
}

//! The properties of each list of the contract that the code for all lists needs.

use poem_openapi::types::Type;
use serde::Serialize;

/// The type of a response body with a list.
pub(in crate::api) trait ListResponse: Type + Send + 'static {
    /// The type of an item in `data`.
    type Item: Serialize + Send;
    /// The noun for one item in `message`, in the singular.
    const NOUN: &'static str;
    /// The id of an item.
    fn id(item: &Self::Item) -> i32;
}

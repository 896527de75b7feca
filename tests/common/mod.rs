//! The conformance check of responses, which all test binaries share.
#![allow(
    dead_code,
    reason = "each binary that includes this module uses a part of it"
)]

pub mod body;
pub mod conformance;
pub mod headers;
pub mod links;
pub mod rejection;
pub mod site;
pub mod wire;

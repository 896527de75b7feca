//! The service over a real MariaDB and real HTTP: one test binary, a file for each resource.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cart;
mod conditions;
mod fuzzed;
mod harness;
mod lists;
mod model;
mod outages;
mod paging;
mod products;
mod requests;
mod site;
mod statuses;
mod together;
mod transfer;
mod users;
mod validation;

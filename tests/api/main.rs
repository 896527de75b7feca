//! The service over a real MariaDB and real HTTP: one test binary, a file for each resource.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod cart;
mod conditions;
mod database;
mod examples;
mod fuzzed;
mod harness;
mod lists;
mod model;
mod observed;
mod outages;
mod pages;
mod paging;
mod paused_client;
mod products;
mod properties;
mod raw;
mod requests;
mod response;
mod routes;
mod searches;
mod second;
mod selection;
mod site;
mod statuses;
mod together;
mod transfer;
mod users;
mod validation;

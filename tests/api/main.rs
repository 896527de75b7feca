//! Tests of the running service, over real HTTP and with a real MariaDB.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod additions;
mod auth;
mod authorization;
mod body_memory;
mod cart;
mod character_sets;
mod concurrent_reads;
mod conditions;
mod database;
mod examples;
mod fuzzed;
mod harness;
mod idempotency;
mod lists;
mod locks;
mod lossy_proxy;
mod model;
mod mysql;
mod outages;
mod overload;
mod pages;
mod paging;
mod paused_client;
mod products;
mod properties;
mod rates;
mod raw;
mod request_log;
mod requests;
mod response;
mod routes;
mod rules;
mod searches;
mod second;
mod selection;
mod site;
mod slow_bodies;
mod statuses;
mod transfer;
mod triggers;
mod unread_bodies;
mod users;
mod validation;

//! The server over real sockets: connections, limits, rejections and the shutdown.
//!
//! Needs no database. The limits are short. A test waits for what it expects (a response, the end of
//! the connection), never for a time, except where it tests that nothing happens.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod harness;
mod http2;
mod monitoring;
mod proxied;
mod rejections;
mod shutdown;
mod silence;
mod slots;
mod tls;
mod unsent;

use std::time::Duration;

use ecommerce_api::server::Limits;

/// Limits that no test reaches; a test of a limit sets that one lower.
const FAR: Limits = Limits {
    header_timeout: Duration::from_secs(30),
    idle_timeout: Duration::from_secs(30),
    reading_timeout: Duration::from_secs(30),
    max_connections: 100,
    address_connections: 100,
    shutdown_delay: Duration::ZERO,
    last_request: Duration::from_millis(400),
    shutdown_grace: Duration::from_secs(30),
};
const SHORT: Duration = Duration::from_millis(400);

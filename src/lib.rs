//! `ecommerce-api`: a contract-first REST API over a MySQL/MariaDB shop database.
//!
//! The contract, `openapi/openapi.yaml`, is written by hand and is the one source of truth; the
//! code is written to satisfy it and is checked against it. The map of the house, from the ground
//! up; a room uses only rooms on floors below it:
//!
//! - ground: [`config`] every setting; [`error`] what can go wrong in the shop; [`passwords`]
//!   hashing; [`embedded`] a private MariaDB as a child process
//! - first floor: [`db`] pool, queries (many at a time where requests share one), migrations;
//!   [`contract`] the contract as data, its schemas compiled, its diff, its evolution
//! - second floor: [`api`] the HTTP service: the 17 operations and the site around them
//! - roof: [`server`] the accept loop; [`commands`] what each subcommand does

pub mod api;
pub mod commands;
pub mod config;
pub mod contract;
pub mod db;
pub mod deadlines;
pub mod embedded;
pub mod error;
pub mod passwords;
pub mod server;

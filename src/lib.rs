//! `ecommerce-api`: a contract-first REST API over a MySQL/MariaDB shop database.
//!
//! The contract, `openapi/openapi.yaml`, is written by hand and is the one source of truth. The code
//! is written to satisfy it and is checked against it.
//!
//! The modules form layers. A module imports only modules that stand above it in this table, which
//! the test `tests/contract/layers.rs` checks.
//!
//! | layer      | module        | contents                                                            |
//! |------------|---------------|---------------------------------------------------------------------|
//! | foundation | [`config`]    | every setting                                                       |
//! |            | [`clients`]   | the client of a request, and the network that it is counted by      |
//! |            | [`deadlines`] | every time limit                                                    |
//! |            | [`violation`] | what is wrong with a request, place by place                        |
//! |            | [`error`]     | the errors of the shop's operations                                 |
//! |            | [`budget`]    | what all clients share, and the share of one network                |
//! |            | [`passwords`] | hashing                                                             |
//! |            | [`tokens`]    | access tokens                                                       |
//! |            | [`embedded`]  | a private MariaDB as a child process                                |
//! |            | [`memory`]    | the return of freed memory to the operating system                  |
//! |            | [`metrics`]   | what an operator sees of the running service                        |
//! | middle     | [`db`]        | connection pools, queries, migrations, the check of the tables      |
//! |            | [`contract`]  | contracts as values: parsing, validation, differences, evolution    |
//! | api        | [`api`]       | the HTTP service: the pipeline, the 17 operations, the site         |
//! | top        | [`server`]    | the accept loop                                                     |
//! |            | [`commands`]  | one function for each subcommand                                    |

pub mod api;
pub mod budget;
pub mod clients;
pub mod commands;
pub mod config;
pub mod contract;
pub mod db;
pub mod deadlines;
pub mod embedded;
pub mod error;
pub mod memory;
pub mod metrics;
pub mod passwords;
pub mod server;
pub mod tokens;
pub mod violation;

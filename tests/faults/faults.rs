//! The faults: what each does to the database, the network or the service.

mod database;
mod locks;
mod network;
mod service;

use std::rc::Rc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::scene::{Options, Scene};

/// A row of the table.
pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    /// Whether CI runs it.
    pub is_in_ci: bool,
    /// Whether the database is away for a while: strangers then ask for what does not need it.
    pub is_database_away: bool,
    pub options: fn(&mut Options),
    /// Causes the fault; the moment at which it was over, or `None` if it lasts to the end.
    pub inflict: fn(&Rc<Scene>) -> LocalBoxFuture<'_, Option<Instant>>,
}

fn usual(_: &mut Options) {}

/// The rows in the order of the table.
pub const ROWS: &[Row] = &[
    Row {
        name: "locked_row",
        title: "another session locks a user and a product; 8 clients add to that cart, 20 change that user",
        is_in_ci: true,
        is_database_away: false,
        options: usual,
        inflict: |scene| locks::locked_row(scene).boxed_local(),
    },
    Row {
        name: "autocommit",
        title: "the server starts with `autocommit=0` and `completion_type=CHAIN`",
        is_in_ci: true,
        is_database_away: false,
        options: |options| options.server = &["--autocommit=0", "--completion-type=CHAIN"],
        inflict: |scene| database::constant(scene).boxed_local(),
    },
    Row {
        name: "black_hole_in_mid_answer",
        title: "each connection to the database falls silent in the middle of an answer, for longer than a deadline",
        is_in_ci: true,
        is_database_away: true,
        options: usual,
        inflict: |scene| network::cut_answers(scene).boxed_local(),
    },
    Row {
        name: "half_open",
        title: "all connections to the database fall silent for ever; new ones work after more than a deadline",
        is_in_ci: true,
        is_database_away: true,
        options: usual,
        inflict: |scene| network::half_open(scene).boxed_local(),
    },
    Row {
        name: "database_killed",
        title: "kill -9 of the database, which is back 2 s later",
        is_in_ci: true,
        is_database_away: true,
        options: usual,
        inflict: |scene| database::killed(scene).boxed_local(),
    },
    Row {
        name: "service_killed",
        title: "kill -9 of the service, three times",
        is_in_ci: true,
        is_database_away: false,
        options: usual,
        inflict: |scene| service::killed(scene).boxed_local(),
    },
    Row {
        name: "reset_at_commit",
        title: "the connection is reset after COMMIT was sent, and after 1 in 20 other statements, for 4 s",
        is_in_ci: true,
        is_database_away: false,
        options: usual,
        inflict: |scene| network::reset_commits(scene).boxed_local(),
    },
    Row {
        name: "german_server",
        title: "the server's messages are German; duplicate emails, missing parents and deadlocks",
        is_in_ci: true,
        is_database_away: false,
        options: |options| options.server = &["--lc-messages=de_DE", "--lc-time-names=de_DE"],
        inflict: |scene| database::german(scene).boxed_local(),
    },
    Row {
        name: "black_hole",
        title: "nothing passes between service and database for 5 s",
        is_in_ci: false,
        is_database_away: true,
        options: usual,
        inflict: |scene| network::black_hole(scene).boxed_local(),
    },
    Row {
        name: "far_away",
        title: "the database is 60 ms away",
        is_in_ci: false,
        is_database_away: false,
        options: usual,
        inflict: |scene| network::far_away(scene).boxed_local(),
    },
    Row {
        name: "slow_database",
        title: "the answers of the database arrive in pieces of 16 bytes, 2 ms apart",
        is_in_ci: false,
        is_database_away: false,
        options: usual,
        inflict: |scene| network::slow(scene).boxed_local(),
    },
    Row {
        name: "database_terminated",
        title: "SIGTERM of the database, which is back 2 s later",
        is_in_ci: false,
        is_database_away: true,
        options: usual,
        inflict: |scene| database::terminated(scene).boxed_local(),
    },
    Row {
        name: "database_stopped",
        title: "SIGSTOP of the database for 5 s",
        is_in_ci: false,
        is_database_away: true,
        options: usual,
        inflict: |scene| database::stopped(scene).boxed_local(),
    },
];

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
    /// Whether the service is killed, so that requests may stay without an answer.
    pub is_service_killed: bool,
    pub options: fn(&mut Options),
    /// Causes the fault; the moment at which it was over, or `None` if it lasts to the end.
    pub inflict: fn(&Rc<Scene>) -> LocalBoxFuture<'_, Option<Instant>>,
}

fn usual(_: &mut Options) {}

/// Triggers that insert into a table whose ids are far from those of the shop.
const AFTER_INSERT: &str = "
    CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(20)) AUTO_INCREMENT = 5000000;
    CREATE TRIGGER log_user AFTER INSERT ON users FOR EACH ROW INSERT INTO log (text) VALUES ('user');
    CREATE TRIGGER log_product AFTER INSERT ON products FOR EACH ROW INSERT INTO log (text) VALUES ('product');
    CREATE TRIGGER log_item AFTER INSERT ON cart FOR EACH ROW INSERT INTO log (text) VALUES ('item')";

/// Triggers that take the ids of new rows from elsewhere.
const BEFORE_INSERT: &str = "
    CREATE SEQUENCE ids START WITH 100000 INCREMENT BY 3;
    CREATE TRIGGER id_of_user BEFORE INSERT ON users FOR EACH ROW SET NEW.id = NEXT VALUE FOR ids;
    CREATE TRIGGER id_of_product BEFORE INSERT ON products FOR EACH ROW SET NEW.id = NEXT VALUE FOR ids;
    CREATE TRIGGER id_of_item BEFORE INSERT ON cart FOR EACH ROW SET NEW.id = NEXT VALUE FOR ids";

/// The rows in the order of the table.
pub const ROWS: &[Row] = &[
    Row {
        name: "locked_row",
        title: "another session locks a user; 8 clients add to that cart, 20 change that user",
        is_in_ci: true,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| locks::locked_row(scene).boxed_local(),
    },
    Row {
        name: "autocommit",
        title: "the server starts with `autocommit=0` and `completion_type=CHAIN`",
        is_in_ci: true,
        is_database_away: false,
        is_service_killed: false,
        options: |options| options.server = &["--autocommit=0", "--completion-type=CHAIN"],
        inflict: |scene| database::constant(scene).boxed_local(),
    },
    Row {
        name: "black_hole_in_mid_answer",
        title: "each connection to the database falls silent in the middle of an answer, for longer than a deadline",
        is_in_ci: true,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| network::cut_answers(scene).boxed_local(),
    },
    Row {
        name: "half_open",
        title: "all connections to the database fall silent for ever; new ones work after more than a deadline",
        is_in_ci: true,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| network::half_open(scene).boxed_local(),
    },
    Row {
        name: "database_killed",
        title: "kill -9 of the database, which is back 2 s later",
        is_in_ci: true,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::killed(scene).boxed_local(),
    },
    Row {
        name: "service_killed",
        title: "kill -9 of the service, three times",
        is_in_ci: true,
        is_database_away: false,
        is_service_killed: true,
        options: usual,
        inflict: |scene| service::killed(scene).boxed_local(),
    },
    Row {
        name: "reset_at_commit",
        title: "the connection is reset after 1 in 2 COMMITs, and 1 in 20 other statements, were executed, for 4 s",
        is_in_ci: true,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| network::reset_commits(scene).boxed_local(),
    },
    Row {
        name: "german_server",
        title: "the server's messages are German; duplicate emails, missing parents and deadlocks",
        is_in_ci: true,
        is_database_away: false,
        is_service_killed: false,
        options: |options| options.server = &["--lc-messages=de_DE", "--lc-time-names=de_DE"],
        inflict: |scene| database::german(scene).boxed_local(),
    },
    Row {
        name: "retried_with_key",
        title: "the same resets, and clients that send again with the same `Idempotency-Key`",
        is_in_ci: true,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| network::retried_with_key(scene).boxed_local(),
    },
    Row {
        name: "black_hole",
        title: "nothing passes between service and database for 5 s",
        is_in_ci: false,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| network::black_hole(scene).boxed_local(),
    },
    Row {
        name: "far_away",
        title: "the database is 60 ms away",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| network::far_away(scene).boxed_local(),
    },
    Row {
        name: "slow_database",
        title: "the answers of the database arrive in pieces of 16 bytes, 2 ms apart",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| network::slow(scene).boxed_local(),
    },
    Row {
        name: "database_terminated",
        title: "SIGTERM of the database, which is back 2 s later",
        is_in_ci: false,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::terminated(scene).boxed_local(),
    },
    Row {
        name: "database_stopped",
        title: "SIGSTOP of the database for 5 s",
        is_in_ci: false,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::stopped(scene).boxed_local(),
    },
    Row {
        name: "kill_connection",
        title: "KILL CONNECTION of three connections every 50 ms",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::kill_connection(scene).boxed_local(),
    },
    Row {
        name: "kill_query",
        title: "KILL QUERY on three connections every 50 ms",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::kill_query(scene).boxed_local(),
    },
    Row {
        name: "all_connections_held",
        title: "10 users are locked, and 64 clients change them",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| locks::all_connections(scene).boxed_local(),
    },
    Row {
        name: "deadlock_storm",
        title: "six sessions lock the users of the load in any order",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| locks::deadlock_storm(scene).boxed_local(),
    },
    Row {
        name: "lock_wait",
        title: "all users of the load are locked for 3 s",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| locks::waited_for(scene).boxed_local(),
    },
    Row {
        name: "read_only",
        title: "the database is read-only for 4 s",
        is_in_ci: false,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::read_only(scene).boxed_local(),
    },
    Row {
        name: "too_many_connections",
        title: "others take all connections of the server for 5 s",
        is_in_ci: false,
        is_database_away: true,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::too_many_connections(scene).boxed_local(),
    },
    Row {
        name: "disk_full",
        title: "the disk of the database is full for some seconds",
        is_in_ci: false,
        is_database_away: true,
        is_service_killed: false,
        options: |options| options.disk_megabytes = Some(260),
        inflict: |scene| database::disk_full(scene).boxed_local(),
    },
    Row {
        name: "clients",
        title: "clients that send slowly, do not read, or leave after they have sent a write",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| service::clients(scene).boxed_local(),
    },
    Row {
        name: "private_database_killed",
        title: "kill -9 of the service with its private database, ten times",
        is_in_ci: false,
        is_database_away: true,
        is_service_killed: true,
        options: |options| options.is_embedded = true,
        inflict: |scene| service::killed_with_private_database(scene).boxed_local(),
    },
    Row {
        name: "service_terminated",
        title: "SIGTERM of the service under load, three times",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| service::terminated(scene).boxed_local(),
    },
    Row {
        name: "ddl",
        title: "tables get and lose columns, move away and back, and are analysed",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::ddl(scene).boxed_local(),
    },
    Row {
        name: "wait_timeout",
        title: "`wait_timeout=2`, and clients that pause for 3 s",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: |options| options.server = &["--wait-timeout=2", "--interactive-timeout=2"],
        inflict: |scene| database::idle(scene).boxed_local(),
    },
    Row {
        name: "increments",
        title: "`auto_increment_increment` changes every 200 ms, and connections are replaced",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: usual,
        inflict: |scene| database::increments(scene).boxed_local(),
    },
    Row {
        name: "after_insert_trigger",
        title: "triggers that insert elsewhere AFTER INSERT",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: |options| options.sql = AFTER_INSERT,
        inflict: |scene| database::constant(scene).boxed_local(),
    },
    Row {
        name: "before_insert_trigger",
        title: "triggers that set `NEW.id` BEFORE INSERT",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: |options| options.sql = BEFORE_INSERT,
        inflict: |scene| database::constant(scene).boxed_local(),
    },
    Row {
        name: "clock_jump",
        title: "the clock of the service jumps by hours and by a year",
        is_in_ci: false,
        is_database_away: false,
        is_service_killed: false,
        options: |options| options.has_fake_clock = true,
        inflict: |scene| service::clock_jump(scene).boxed_local(),
    },
];

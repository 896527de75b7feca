//! The HTTP service: the operations of all contracts, the other paths (see [`site`]), and the pipeline
//! that every request passes through.
//!
//! Imports `db`, `contract`, `error`, `deadlines`, `clients`, `budget`, `metrics`, `passwords` and `tokens`; knows
//! no SQL.

mod audit;
pub mod auth;
pub mod authentication;
mod authorization;
mod body;
mod capacity;
pub mod cart;
mod compression;
pub mod conditions;
pub mod context;
pub mod contracts;
pub mod cors;
mod descriptions;
mod details;
mod document;
pub mod failures;
mod health;
pub mod hosts;
mod idempotency;
pub mod json;
mod lists;
mod malformed;
mod monitoring;
mod observe;
mod parameters;
mod people;
mod pipeline;
pub mod products;
pub mod rates;
mod response_memory;
pub mod responses;
pub mod rows;
pub mod schemas;
mod security_headers;
mod shop;
pub mod site;
mod sorting;
mod tags;
mod trace_context;
pub mod types;
pub mod users;
pub mod validation;

use std::sync::Arc;

use crate::db::Database;

use health::Readiness;

pub use capacity::OPERATIONS_PER_CONNECTION;
pub use monitoring::Monitoring;
pub use observe::CutOff;
pub use pipeline::{Pipeline, Service, Settings};

/// The service: the pipeline, with the handlers of all contracts and the site behind it.
#[must_use]
pub fn service(db: &Database, settings: Settings) -> Pipeline {
    let published = contracts::contracts();
    let services = published.iter().map(|it| it.service(db, &settings));
    let services = services.collect();
    let is_stopping = Arc::default();
    let readiness = Readiness::new(db, &is_stopping);
    let mode = settings.authentication.mode;
    let documents = published.iter().map(|it| site::Document::of(it, mode));
    let site = site::routes(documents, move || readiness.clone().check());
    let pipeline = Pipeline::new(services, site, settings).with_sessions_of(db);
    let mut pipeline = pipeline.with_time_limit(db.limits().operation);
    pipeline.is_stopping = is_stopping;
    observe::show_in(db.metrics(), contracts::operations());
    pipeline.metrics = Arc::clone(db.metrics());
    pipeline
}

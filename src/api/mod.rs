//! The HTTP service: the operations of all contracts, the other paths (see [`site`]), and the pipeline
//! that every request passes through.
//!
//! Imports `db`, `contract`, `error`, `deadlines` and `passwords`; knows no SQL.

mod body;
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
pub mod hosts;
mod idempotency;
pub mod json;
mod lists;
mod malformed;
mod observe;
mod parameters;
mod pipeline;
pub mod products;
pub mod responses;
pub mod rows;
pub mod schemas;
mod shop;
pub mod site;
mod sorting;
mod tags;
pub mod types;
pub mod users;
pub mod validation;

use crate::db::Database;

pub use observe::CutOff;
pub use pipeline::{Pipeline, Service, Settings};

/// The service: the pipeline, with the handlers of all contracts and the site behind it.
#[must_use]
pub fn service(db: &Database, settings: Settings) -> Pipeline {
    let published = contracts::contracts();
    let services = published
        .iter()
        .map(|it| it.service(db, settings.validation));
    let services = services.collect();
    let ping = {
        let db = db.clone();
        move || {
            let db = db.clone();
            async move { db.ping().await }
        }
    };
    let site = site::routes(published.iter().map(site::Document::of), ping);
    Pipeline::new(services, site, settings)
}

//! The HTTP service: the 17 operations, the site around them, and the pipeline that every request
//! passes.
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
pub mod site;
mod sorting;
mod tags;
pub mod types;
pub mod users;
pub mod validation;

use crate::db::Database;

pub use pipeline::{Pipeline, Service, Settings};

/// The service of all contracts, over `db`.
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

//! The context of a request to an operation: what the pipeline passes to handlers, lists and extractors.

use std::sync::Arc;
use std::time::Instant;

use crate::clients::Client;
use crate::contract::{Contract, Operation};
use crate::db::Scope;

use super::rates::RowMeter;

/// What the pipeline knows of a request before its handler begins, in the request's extensions.
#[derive(Clone)]
pub struct RequestContext {
    /// The contract that the operation is in.
    pub contract: &'static Contract,
    /// The operation that the request calls.
    pub operation: &'static Operation,
    /// The client, by which limits are counted. It says nothing of what the caller may do.
    pub client: Client,
    /// Counts the rows of a list, if they are limited.
    pub row_meter: Option<RowMeter>,
    /// The caller.
    pub caller: Caller,
    /// The id of the request, as in the response and in the log.
    pub request_id: Arc<str>,
    /// The query of the request, as it was sent.
    pub query: Arc<str>,
    /// When the request arrived.
    pub start: Instant,
    /// When the handler must have returned.
    pub deadline: Instant,
}

/// The sender of a request, as far as the service distinguishes senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Any sender: there is no authentication.
    Anyone,
}

impl Caller {
    /// The rows that the caller may see.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Anyone => Scope::Everyone,
        }
    }
}

//! What a request of the contract carries on its way through the pipeline.

use std::sync::Arc;
use std::time::Instant;

use crate::contract::{Contract, Operation};
use crate::db::Scope;

/// What is known of a request before its handler begins. It is in the request's extensions.
#[derive(Clone)]
pub struct RequestContext {
    /// The contract that the operation is in.
    pub contract: &'static Contract,
    /// What the client asks for.
    pub operation: &'static Operation,
    /// Who asks.
    pub caller: Caller,
    /// The id of the request, as in the response and in the log.
    pub request_id: Arc<str>,
    /// The query of the request, as it was sent.
    pub query: Arc<str>,
    /// When the request arrived.
    pub start: Instant,
    /// When its handler has to be done.
    pub deadline: Instant,
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The service does not distinguish its callers.
    Anyone,
}

impl Caller {
    /// What the caller may see.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Anyone => Scope::Everyone,
        }
    }
}

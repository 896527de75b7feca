//! What a request of the contract carries on its way through the pipeline.

use std::sync::Arc;
use std::time::Instant;

use crate::contract::Operation;

/// What is known of a request before its handler begins. It is in the request's extensions.
#[derive(Clone)]
pub struct RequestContext {
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

/// On whose behalf a request is served: decides which rows are seen, so it is a part of the key of
/// everything that requests share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// No caller is told from another.
    Anyone,
}

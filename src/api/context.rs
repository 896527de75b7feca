//! The context of a request to an operation: what the pipeline passes to handlers, lists and extractors.

use std::sync::Arc;
use std::time::Instant;

use crate::clients::Client;
use crate::contract::{Contract, Operation};
use crate::db::Scope;
use crate::tokens::Bearer;

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
    /// The rows that the operation shows to the caller, or changes for the caller.
    pub scope: Scope,
    /// The id of the request, as in the response and in the log.
    pub request_id: Arc<str>,
    /// The query of the request, as it was sent.
    pub query: Arc<str>,
    /// When the request arrived.
    pub start: Instant,
    /// When the handler must have returned.
    pub deadline: Instant,
}

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Any sender, who may do everything: authentication is off, and the request has no token.
    Anyone,
    /// A sender without a token, who may do what everyone may.
    Anonymous,
    /// The bearer of a valid token.
    Bearer(Bearer),
}

impl Caller {
    /// The id of the user who sends the request, if that is known.
    #[must_use]
    pub fn user(self) -> Option<i32> {
        match self {
            Self::Anyone | Self::Anonymous => None,
            Self::Bearer(bearer) => Some(bearer.user),
        }
    }

    /// Whether a password that the caller sends is the caller's own: everyone's but an administrator's, unless
    /// authentication is off.
    #[must_use]
    pub fn chooses_for_oneself(self) -> bool {
        self == Self::Anonymous || self.is_ordinary_user()
    }

    /// Whether the caller is a user who is no administrator, and may change only what is the user's own.
    #[must_use]
    pub fn is_ordinary_user(self) -> bool {
        matches!(self, Self::Bearer(bearer) if !bearer.is_admin)
    }
}

//! Requests that are rejected before a handler, and what responses have in common.

mod bodies;
mod body_limits;
mod headers;
mod methods;
mod parameters;

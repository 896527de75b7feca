//! Lists, of any length, in little memory: rows go from the database straight to the socket.
//!
//! A task of the list's own reads rows and writes them as JSON into a buffer (see `writer`). A full
//! buffer is a chunk of the response and goes into a channel that holds one; the task waits until the
//! client has taken the chunk before (see `sending`). A list that is complete before its first buffer
//! is full, as most are, becomes a plain response with a length (see `listing`). Concurrent requests
//! for the same list share one task (see `sharing`).
//!
//! What fails before the first chunk is an error like any other. After that the status has been
//! sent: the transfer breaks, so that no client takes half a list for a whole one. A client that
//! disconnects closes the channel, which ends the task, and its query with it.

mod list_of;
mod listing;
pub(super) mod paging;
mod sending;
mod sharing;
mod writer;

use tokio::sync::mpsc;
use tracing::Instrument;

use crate::db::{Database, ListRange, Page, Scope};
use crate::error::Error;

use super::context::RequestContext;
use super::validation::Validation;

use sending::{Query, Source, Subscriber};
use sharing::Sharing;
use writer::Position;

pub(super) use list_of::ListOf;
pub use listing::Listing;

/// Everything that decides which rows a whole list has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// The `operationId`.
    operation: &'static str,
    /// What the list belongs to, if to anything: a user or a product.
    owner: Option<i32>,
    scope: Scope,
}

/// Reads lists for the operations.
#[derive(Clone)]
pub struct Lists {
    db: Database,
    validation: Validation,
    sharing: Sharing<Key, Subscriber>,
}

impl Lists {
    pub(super) fn new(db: &Database, validation: Validation) -> Self {
        Self {
            db: db.clone(),
            validation,
            sharing: Sharing::new(),
        }
    }

    /// The list that `query` reads, or one page of it: of `owner`, if it belongs to something.
    /// `is_plain` says that all rows are asked for, in id order: only such a list is shared.
    ///
    /// # Errors
    /// Those of the query, and of the rows before the first chunk is full.
    pub(super) async fn read<L, R>(
        &self,
        context: &RequestContext,
        owner: Option<i32>,
        page: Option<Page>,
        is_plain: bool,
        query: impl Query<R>,
    ) -> Result<Listing<L>, Error>
    where
        L: ListOf,
        L::Item: From<R>,
        R: Send + 'static,
    {
        let (subscriber, chunks) = mpsc::channel(1);
        let source = Source {
            db: self.db.clone(),
            query,
            range: page.map_or(ListRange::After(0), ListRange::Page),
            position: Position::default(),
            validator: self.validation.row_validator(context.operation),
        };
        if page.is_some() || !is_plain {
            let task = sending::send::<L, R, _>(source, vec![subscriber]);
            tokio::spawn(task.in_current_span());
        } else {
            let key = Key {
                operation: &context.operation.id,
                owner,
                scope: context.caller.scope(),
            };
            let start = move |subscribers| sending::send::<L, R, _>(source, subscribers);
            self.sharing.join(key, subscriber, start);
        }
        Listing::receive(chunks, &context.query).await
    }
}

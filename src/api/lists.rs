//! Sends lists of any length in constant memory: rows are streamed from the database to the client.
//!
//! Each list has a task, which reads rows and writes them as JSON into a buffer (see `writer`). A full
//! buffer is a chunk of the response. The task sends it to a channel with a capacity of one chunk, and
//! waits until the client has received the previous chunk (see `sending`). Most lists end before the
//! first buffer is full: they become plain responses with a `Content-Length` (see `listing`). Concurrent
//! requests for the same whole list share one task (see `sharing`). Concurrent requests for pages of the
//! same list share its total (see `pages`).
//!
//! An error before the first chunk becomes an error response. After the first chunk the status has been
//! sent already, so an error breaks the transfer, and no client mistakes a part of a list for the whole.
//! When a client disconnects, its channel is closed, and the task ends with its query.

mod list_response;
mod listing;
mod pages;
pub(super) mod paging;
mod sending;
mod shares;
mod sharing;
mod subscriber;
mod writer;

use std::fmt::Debug;

use tokio::sync::mpsc;
use tracing::Instrument;

use crate::db::{Database, ListRange, Page, Scope};
use crate::error::Error;
use crate::metrics::{Counted, observe_size};

use super::context::RequestContext;
use super::validation::Validation;

use pages::PageQueues;
use sending::{Query, Source};
use sharing::SharedQueries;
use subscriber::{ListShares, Subscriber};
use writer::Position;

pub(super) use list_response::ListResponse;
pub use listing::Listing;

/// Everything that determines the rows of a list and their order. Requests with equal keys may share
/// work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// The `operationId`.
    operation: &'static str,
    /// The id of the user or product whose list it is; `None` for a list of the whole table.
    owner: Option<i32>,
    /// The filter and the order, as text.
    selection: String,
    scope: Scope,
}

/// Reads lists for the operations.
#[derive(Clone)]
pub struct Lists {
    db: Database,
    validation: Validation,
    queries: SharedQueries<Key, Subscriber>,
    pages: PageQueues<Key>,
    /// The database connections for lists.
    shares: ListShares,
}

impl Lists {
    pub(super) fn new(db: &Database, validation: Validation) -> Self {
        Self {
            db: db.clone(),
            validation,
            queries: SharedQueries::new(),
            pages: PageQueues::new(db.limits().queries),
            shares: ListShares::of(db.max_lists()),
        }
    }

    /// The response with the list that `query` reads, or with one page of it.
    ///
    /// `owner` is the user or product whose list it is, if any. `selection` is the filter and the order.
    /// `is_plain` says that there is no filter and the order is that of the ids: only such whole lists
    /// are shared. Pages are shared with any selection, as long as it is the same.
    ///
    /// # Errors
    /// `Busy` when the client holds its share of the connections, the errors of the query, and of the rows in the first chunk.
    pub(super) async fn read<L, R>(
        &self,
        context: &RequestContext,
        owner: Option<i32>,
        page: Option<Page>,
        is_plain: bool,
        selection: impl Debug,
        query: impl Query<R>,
    ) -> Result<Listing<L>, Error>
    where
        L: ListResponse,
        L::Item: From<R>,
        R: Send + 'static,
    {
        let metrics = self.db.metrics();
        let source = Source {
            db: self.db.clone(),
            query,
            range: ListRange::After(0),
            position: Position::default(),
            validator: self.validation.row_validator(context.operation, metrics),
        };
        let key = || Key {
            operation: &context.operation.id,
            owner,
            selection: format!("{selection:?}"),
            scope: context.scope,
        };
        let chunks = if let Some(page) = page {
            let (subscriber, chunks) = mpsc::channel(pages::CHANNEL_CAPACITY);
            let (memory, connections) = (self.pages.memory(), self.shares.connections.clone());
            let sizes = metrics.lists.pages.clone();
            let read = move |requests: Vec<_>, release| {
                observe_size(&sizes, requests.len());
                let (memory, connections) = (memory.clone(), connections.clone());
                pages::read::<L, R, _>(source.clone(), memory, connections, requests, release)
            };
            let request = pages::Request::new(page, context.client, subscriber);
            self.pages.join(key(), request, read);
            chunks
        } else {
            let limit = self.db.limits().share;
            let connection = self.shares.wait(&context.client, limit).await?;
            let (sender, chunks) = mpsc::channel(subscriber::CHANNEL_CAPACITY);
            let counted = Counted::in_gauge(&metrics.lists.subscribers);
            let subscriber = Subscriber::new(sender, connection, counted);
            let sizes = metrics.lists.whole.clone();
            if is_plain {
                let send = move |subscribers: Vec<_>| {
                    observe_size(&sizes, subscribers.len());
                    sending::send::<L, R, _>(source, subscribers)
                };
                self.queries.join(key(), subscriber, send);
            } else {
                observe_size(&sizes, 1);
                let task = sending::send::<L, R, _>(source, vec![subscriber]);
                tokio::spawn(task.in_current_span());
            }
            chunks
        };
        Listing::receive(chunks, context).await
    }
}

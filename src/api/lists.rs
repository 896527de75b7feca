//! Lists, of any length, in little memory: rows go from the database straight to the socket.
//!
//! A task of the list's own reads rows and writes them as JSON into a buffer (see `writer`). A full
//! buffer is a chunk of the response and goes into a channel that holds one; the task waits until the
//! client has taken the chunk before (see `sending`). A list that is complete before its first buffer
//! is full, as most are, becomes a plain response with a length (see `listing`). Concurrent requests
//! for the same list share one task (see `sharing`), and those for pages of one list its total (see
//! `pages`).
//!
//! What fails before the first chunk is an error like any other. After that the status has been
//! sent: the transfer breaks, so that no client takes half a list for a whole one. A client that
//! disconnects closes the channel, which ends the task, and its query with it.

mod list_of;
mod listing;
mod pages;
pub(super) mod paging;
mod sending;
mod sharing;
mod writer;

use std::fmt::Debug;

use tokio::sync::mpsc;
use tracing::Instrument;

use crate::db::{Database, ListRange, Page, Scope};
use crate::error::Error;

use super::context::RequestContext;
use super::validation::Validation;

use pages::Pages;
use sending::{Query, Source, Subscriber};
use sharing::Sharing;
use writer::Position;

pub(super) use list_of::ListOf;
pub use listing::Listing;

/// Everything that decides which rows a list has, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// The `operationId`.
    operation: &'static str,
    /// What the list belongs to, if to anything: a user or a product.
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
    sharing: Sharing<Key, Subscriber>,
    pages: Pages<Key>,
}

impl Lists {
    pub(super) fn new(db: &Database, validation: Validation) -> Self {
        Self {
            db: db.clone(),
            validation,
            sharing: Sharing::new(),
            pages: Pages::new(),
        }
    }

    /// The list that `query` reads, or one page of it: of `owner`, if it belongs to something.
    /// `selection` is everything else that decides which rows it has: the filter and the order.
    /// Without any (`is_plain`: all rows, by id), concurrent requests share the whole list; requests
    /// for pages share those with the same selection.
    ///
    /// # Errors
    /// Those of the query, and of the rows before the first chunk is full.
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
        L: ListOf,
        L::Item: From<R>,
        R: Send + 'static,
    {
        let source = Source {
            db: self.db.clone(),
            query,
            range: ListRange::After(0),
            position: Position::default(),
            validator: self.validation.row_validator(context.operation),
        };
        let key = || Key {
            operation: &context.operation.id,
            owner,
            selection: format!("{selection:?}"),
            scope: context.caller.scope(),
        };
        let chunks = if let Some(page) = page {
            let (subscriber, chunks) = mpsc::channel(pages::CHANNEL);
            let buffers = self.pages.buffers();
            let read = move |requests, release| {
                pages::read::<L, R, _>(source.clone(), buffers.clone(), requests, release)
            };
            let request = pages::Request::new(page, subscriber);
            self.pages.join(key(), request, read);
            chunks
        } else {
            let (subscriber, chunks) = mpsc::channel(1);
            if is_plain {
                let send = move |subscribers| sending::send::<L, R, _>(source, subscribers);
                self.sharing.join(key(), subscriber, send);
            } else {
                let task = sending::send::<L, R, _>(source, vec![subscriber]);
                tokio::spawn(task.in_current_span());
            }
            chunks
        };
        Listing::receive(chunks, &context.query).await
    }
}

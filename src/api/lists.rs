//! Lists, of any length, in little memory: rows go from the database's cursor straight to the
//! socket.
//!
//! A task of the list's own reads rows and writes them as JSON into a buffer. A full buffer is a
//! part of the answer and goes into a channel that holds one; the task waits there until the client
//! has taken what came before. A list that is complete before its first buffer is full, as most
//! are, becomes a plain answer with a length.
//!
//! What fails before the first part is an error like any other. After that the status has been
//! sent: the transfer breaks, so that no client takes half a list for a whole one. A client that
//! leaves closes the channel, which ends the task, and the query with it.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use poem::http::StatusCode;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::Type;
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::db::{Connection, Database, List, Page, Rows};
use crate::error::Error;

use super::json::MEDIA_TYPE;
use super::responses::{self, success};
use super::schemas::Pagination;
use super::types::Id;
use super::validation::{Rest, Validation};

/// A part is sent when it has so many bytes; the row that exceeds it is still within.
const PART: usize = 16 * 1024;

/// How long the database may take for the rows of one part.
const PART_TIMEOUT: Duration = Duration::from_secs(30);

/// A list of the contract.
pub(super) trait ListOf: Type + Send + 'static {
    /// What each row becomes.
    type Item: Serialize + Send;
    /// The operation that answers with this list.
    const OPERATION: &'static str;
    /// What one row is called in the message.
    const NOUN: &'static str;
}

/// Reads lists for the operations.
#[derive(Clone)]
pub struct Lists {
    db: Database,
    validation: Validation,
}

impl Lists {
    pub(super) fn new(db: &Database, validation: Validation) -> Self {
        Self {
            db: db.clone(),
            validation,
        }
    }

    /// The list that `query` reads, as an answer.
    ///
    /// # Errors
    /// Those of the query, and of the rows before the first part is full.
    pub(super) async fn read<L, R, Q>(&self, query: Q) -> Result<Listing<L>, Error>
    where
        L: ListOf,
        L::Item: From<R>,
        R: Send + 'static,
        Q: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<List<'c, R>, Error>>
            + Send
            + 'static,
    {
        let (sender, mut parts) = mpsc::channel(1);
        let lists = self.clone();
        let task = async move {
            if let Err(error) = lists.send_parts::<L, R, Q>(query, &sender).await {
                // If nobody listens any more, there is nobody to tell.
                let _ = sender.send(Err(error)).await;
            }
        };
        tokio::spawn(task.in_current_span());
        let first = match parts.recv().await {
            Some(first) => first?,
            None => return Err(without_end()),
        };
        Ok(Listing {
            body: if first.is_last {
                Content::Whole(first.bytes)
            } else {
                Content::Parts(first.bytes, parts)
            },
            list: PhantomData,
        })
    }

    async fn send_parts<L, R, Q>(&self, query: Q, parts: &Sender) -> Result<(), Error>
    where
        L: ListOf,
        L::Item: From<R>,
        Q: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<List<'c, R>, Error>>,
    {
        let check = self.validation.of_rest(L::OPERATION);
        let mut cursor = self.db.cursor().await?;
        let List { mut rows, page } = query(&mut cursor).await?;
        let mut writer = Writer::<L>::start();
        loop {
            let full = tokio::time::timeout(PART_TIMEOUT, writer.fill(&mut rows));
            match full.await {
                Ok(Ok(IsFull(true))) => {}
                Ok(Ok(IsFull(false))) => break,
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    return Err(Error::Unavailable(
                        "a list's next rows take too long".into(),
                    ));
                }
            }
            writer.check(check)?;
            if parts.send(Ok(writer.part())).await.is_err() {
                return Ok(());
            }
        }
        drop(rows);
        cursor.finish();
        if writer.is_under_way {
            writer.check(check)?;
        }
        let _ = parts.send(Ok(writer.last_part(page))).await;
        Ok(())
    }
}

type Sender = mpsc::Sender<Result<Part, Error>>;

/// Some bytes of a list.
struct Part {
    bytes: Bytes,
    is_last: bool,
}

/// Whether rows filled the buffer; if not, there are no more.
struct IsFull(bool);

/// Writes a list's answer, part by part.
struct Writer<L> {
    buffer: Vec<u8>,
    /// Where the buffer's rows begin.
    rows_at: usize,
    rows: usize,
    /// How many of them have been sent.
    rows_sent: usize,
    /// A part has been sent before.
    is_under_way: bool,
    list: PhantomData<L>,
}

impl<L: ListOf> Writer<L> {
    fn start() -> Self {
        let buffer = br#"{"success":true,"data":["#.to_vec();
        Self {
            rows_at: buffer.len(),
            buffer,
            rows: 0,
            rows_sent: 0,
            is_under_way: false,
            list: PhantomData,
        }
    }

    async fn fill<R>(&mut self, rows: &mut Rows<'_, R>) -> Result<IsFull, Error>
    where
        L::Item: From<R>,
    {
        while self.buffer.len() < PART {
            let Some(row) = rows.next().await else {
                return Ok(IsFull(false));
            };
            self.push(&L::Item::from(row?))?;
        }
        Ok(IsFull(true))
    }

    fn push(&mut self, item: &L::Item) -> Result<(), Error> {
        if self.rows > 0 {
            self.buffer.push(b',');
        }
        self.rows += 1;
        serde_json::to_writer(&mut self.buffer, item).map_err(|error| Error::Internal(error.into()))
    }

    /// Holds the buffer's rows against the contract.
    fn check(&self, rest: Option<Rest>) -> Result<(), Error> {
        let rows = self.buffer[self.rows_at..].trim_ascii();
        let rows = rows.strip_prefix(b",").unwrap_or(rows);
        rest.map_or(Ok(()), |rest| rest.check_rows(rows, self.rows_sent))
    }

    /// What is in the buffer, which is empty then.
    fn part(&mut self) -> Part {
        self.is_under_way = true;
        self.rows_at = 0;
        self.rows_sent = self.rows;
        let next = Vec::with_capacity(self.buffer.capacity());
        Part {
            bytes: std::mem::replace(&mut self.buffer, next).into(),
            is_last: false,
        }
    }

    fn last_part(mut self, page: Option<(Page, i32)>) -> Part {
        #[derive(Serialize)]
        struct End {
            #[serde(skip_serializing_if = "Option::is_none")]
            pagination: Option<Pagination>,
            message: String,
        }
        let end = End {
            pagination: page.map(|(page, total)| Pagination {
                page: Id(page.number),
                limit: page.size,
                total,
            }),
            message: super::rows::counted(self.rows, L::NOUN),
        };
        let end = serde_json::to_vec(&end).unwrap_or_default();
        self.buffer.extend_from_slice(b"],");
        // Without its opening brace: it goes on where the rows end.
        self.buffer.extend_from_slice(&end[1..]);
        Part {
            bytes: self.buffer.into(),
            is_last: true,
        }
    }
}

/// 200 and a list.
pub struct Listing<L> {
    body: Content,
    list: PhantomData<L>,
}

enum Content {
    Whole(Bytes),
    Parts(Bytes, mpsc::Receiver<Result<Part, Error>>),
}

impl<L: ListOf> Listing<L> {
    /// A list whose rows are here already.
    pub(super) fn of<R>(rows: Vec<R>) -> Result<Self, Error>
    where
        L::Item: From<R>,
    {
        let mut writer = Writer::<L>::start();
        for row in rows {
            writer.push(&L::Item::from(row))?;
        }
        Ok(Self {
            body: Content::Whole(writer.last_part(None).bytes),
            list: PhantomData,
        })
    }
}

/// In the extensions of an answer whose body is still being made, and was checked on its way.
#[derive(Clone)]
pub(super) struct UnderWay;

impl<L: Send> IntoResponse for Listing<L> {
    fn into_response(self) -> Response {
        match self.body {
            Content::Whole(bytes) => responses::json_bytes(StatusCode::OK, bytes),
            Content::Parts(first, parts) => {
                let rest = stream::unfold(Some(parts), async |parts| {
                    let mut parts = parts?;
                    Some(match parts.recv().await {
                        Some(Ok(part)) => (Ok(part.bytes), (!part.is_last).then_some(parts)),
                        Some(Err(error)) => (Err(broken(error)), None),
                        None => (Err(broken(without_end())), None),
                    })
                });
                let parts = stream::iter([Ok(first)]).chain(rest);
                let mut response = Response::builder()
                    .content_type(MEDIA_TYPE)
                    .body(Body::from_bytes_stream(parts));
                response.extensions_mut().insert(UnderWay);
                response
            }
        }
    }
}

/// A list whose task is no more, as when it panicked, but which sent no last part.
fn without_end() -> Error {
    Error::Internal("a list ended without an end".into())
}

/// What went wrong after the head of the answer was sent: for the log, and as a broken transfer.
fn broken(error: Error) -> io::Error {
    tracing::error!(%error, "a list broke off midway, and its transfer with it");
    io::Error::other(error)
}

impl<L: Type> ApiResponse for Listing<L> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![success::<L>(StatusCode::OK, Vec::new())],
        }
    }

    fn register(registry: &mut Registry) {
        L::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::super::schemas::ProductListResponse;
    use super::*;

    #[tokio::test]
    async fn a_list_whose_task_is_gone_before_its_last_part_is_a_broken_transfer() {
        let (task, parts) = mpsc::channel(1);
        let list = Listing::<ProductListResponse> {
            body: Content::Parts(Bytes::from_static(b"{"), parts),
            list: PhantomData,
        };
        drop(task);
        let body = list.into_response().into_body().into_bytes().await;
        assert!(body.is_err(), "it ended as if it were whole");
    }
}

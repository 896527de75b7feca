//! Lists, of any length, in little memory: rows go from the database's cursor straight to the
//! socket.
//!
//! A task of the list's own reads rows and writes them as JSON into a buffer. A full buffer is a
//! chunk of the answer and goes into a channel that holds one; the task waits there until the client
//! has taken what came before. A list that is complete before its first buffer is full, as most
//! are, becomes a plain answer with a length. Who reads the same list at the same time shares the
//! task (see `sharing`).
//!
//! What fails before the first chunk is an error like any other. After that the status has been
//! sent: the transfer breaks, so that no client takes half a list for a whole one. A client that
//! leaves closes the channel, which ends the task, and the query with it.

mod pages;
pub(super) mod paging;
mod sharing;
mod writer;

use std::fmt::Debug;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{self, StreamExt};
use poem::http::StatusCode;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponses, MetaSchema, Registry};
use poem_openapi::types::Type;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use crate::db::{Connection, Database, List, ListConnection, ListRange, Page};
use crate::error::Error;

use super::json::MEDIA_TYPE;
use super::responses::{self, response_header, success};
use super::validation::Validation;

use pages::Pages;
use paging::Paged;
use sharing::Sharing;
use writer::{Chunk, IsFull, Position, Writer};

/// How long the database may take for the rows of one chunk.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long who goes on alone waits for a cursor of its own, and how long between two attempts.
const CONTINUATION_TIMEOUT: Duration = Duration::from_mins(1);
const CONTINUATION_PAUSE: Duration = Duration::from_millis(100);

/// How long those who share a cursor wait for one of them, who goes on alone then.
const PATIENCE: Duration = Duration::from_millis(20);

/// A list of the contract.
pub(super) trait ListOf: Type + Send + 'static {
    /// What each row becomes.
    type Item: Serialize + Send;
    /// The operation that answers with this list.
    const OPERATION: &'static str;
    /// What one row is called in the message.
    const NOUN: &'static str;
    /// A row's id, by which the list is ordered.
    fn id(item: &Self::Item) -> i32;
}

/// A query function that reads a list.
pub(super) trait Query<R>:
    for<'c> Fn(&'c mut Connection, ListRange) -> BoxFuture<'c, Result<List<'c, R>, Error>>
    + Clone
    + Send
    + 'static
{
}

impl<R, Q> Query<R> for Q where
    Q: for<'c> Fn(&'c mut Connection, ListRange) -> BoxFuture<'c, Result<List<'c, R>, Error>>
        + Clone
        + Send
        + 'static
{
}

/// One who is sent a list.
type Subscriber = mpsc::Sender<Result<Chunk, Error>>;

/// Which list: its operation, and whose it is, if it belongs to something.
type Key = (&'static str, Option<i32>);

/// Reads lists for the operations.
#[derive(Clone)]
pub struct Lists {
    db: Database,
    validation: Validation,
    sharing: Sharing<Key, Subscriber>,
    pages: Pages,
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
    /// `is_plain` says that all rows are asked for, in id order: only such a list is shared. Pages
    /// are shared by those with the same `selection`: the filter and the order.
    ///
    /// # Errors
    /// Those of the query, and of the rows before the first chunk is full.
    pub(super) async fn read<L, R>(
        &self,
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
        let capacity = if page.is_some() { pages::CHANNEL } else { 1 };
        let (subscriber, mut chunks) = mpsc::channel(capacity);
        let lists = self.clone();
        if let Some(page) = page {
            let key = (L::OPERATION, owner, format!("{selection:?}"));
            let read = move |requests, release| {
                let (lists, query) = (lists.clone(), query.clone());
                lists.read_pages::<L, R>(query, requests, release)
            };
            let request = pages::Request::new(page, subscriber);
            self.pages.join(key, request, read);
        } else if !is_plain {
            let range = ListRange::After(0);
            let task = lists.send::<L, R>(query, range, Position::default(), vec![subscriber]);
            tokio::spawn(task.in_current_span());
        } else {
            let start = |subscribers| {
                lists.send::<L, R>(query, ListRange::After(0), Position::default(), subscribers)
            };
            self.sharing.join((L::OPERATION, owner), subscriber, start);
        }
        let first = match chunks.recv().await {
            Some(first) => first?,
            None => return Err(without_end()),
        };
        Ok(Listing {
            paged: first.paged,
            content: if first.is_last {
                Content::Whole(first.bytes)
            } else {
                Content::Chunks(first.bytes, chunks)
            },
            list: PhantomData,
        })
    }

    /// Sends a list from `position` on to all `subscribers`; what fails, too.
    fn send<L, R>(
        self,
        query: impl Query<R>,
        range: ListRange,
        position: Position,
        mut subscribers: Vec<Subscriber>,
    ) -> BoxFuture<'static, ()>
    where
        L: ListOf,
        L::Item: From<R>,
        R: Send + 'static,
    {
        async move {
            let sent = async {
                let mut cursor = self.cursor(position, &subscribers).await?;
                let mut is_under_way = false;
                let chunks = self.send_chunks::<L, R>(
                    &mut cursor,
                    query,
                    (range, position),
                    &mut subscribers,
                    &mut is_under_way,
                );
                let sent = chunks.await;
                if !is_under_way {
                    cursor.finish();
                }
                sent
            };
            // The cursor is back by now, however slowly these are taken. Whoever does not listen
            // any more need not be told.
            match sent.await {
                Ok(None) => {}
                Ok(Some(last)) => {
                    join_all(
                        subscribers
                            .iter()
                            .map(|subscriber| subscriber.send(Ok(last.clone()))),
                    )
                    .await;
                }
                Err(error) => {
                    join_all(
                        subscribers
                            .iter()
                            .map(|subscriber| subscriber.send(Err(error.share()))),
                    )
                    .await;
                }
            }
        }
        .boxed()
    }

    /// A cursor. Who has a chunk of the list already waits for one for longer: a list that cannot
    /// go on is a broken transfer.
    async fn cursor(
        &self,
        position: Position,
        subscribers: &[Subscriber],
    ) -> Result<ListConnection, Error> {
        let began = Instant::now();
        loop {
            let is_waited_for = position.rows > 0
                && began.elapsed() < CONTINUATION_TIMEOUT
                && subscribers.iter().any(|subscriber| !subscriber.is_closed());
            match self.db.cursor().await {
                Err(Error::Unavailable(_)) if is_waited_for => sleep(CONTINUATION_PAUSE).await,
                cursor => return cursor,
            }
        }
    }

    /// The same but for the last chunk, which it gives; says in `is_under_way` whether rows may still
    /// be on their way.
    async fn send_chunks<L, R>(
        &self,
        cursor: &mut ListConnection,
        query: impl Query<R>,
        (range, position): (ListRange, Position),
        subscribers: &mut Vec<Subscriber>,
        is_under_way: &mut bool,
    ) -> Result<Option<Chunk>, Error>
    where
        L: ListOf,
        L::Item: From<R>,
        R: Send + 'static,
    {
        let check = self.validation.row_validator(L::OPERATION);
        let List { mut rows, page } = query(cursor, range).await?;
        *is_under_way = true;
        let mut writer =
            Writer::<L>::from(position, page.map(|(page, total)| Paged { page, total }));
        loop {
            let before = writer.position;
            match timeout(CHUNK_TIMEOUT, writer.fill(&mut rows)).await {
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
            for slow in give(subscribers, &writer.chunk()).await {
                // Its cursor begins when it has taken what it was given.
                let (lists, query) = (self.clone(), query.clone());
                let task = async move {
                    if slow.reserve().await.is_ok() {
                        let range = ListRange::After(before.id);
                        lists.send::<L, R>(query, range, before, vec![slow]).await;
                    }
                };
                tokio::spawn(task.in_current_span());
            }
            if subscribers.is_empty() {
                return Ok(None);
            }
        }
        *is_under_way = false;
        if writer.is_under_way {
            writer.check(check)?;
        }
        Ok(Some(writer.last_chunk()))
    }
}

/// Gives a chunk to all subscribers. Those who have left are subscribers no more, nor are those who let the
/// others wait: it gives these back.
async fn give(subscribers: &mut Vec<Subscriber>, chunk: &Chunk) -> Vec<Subscriber> {
    if let [subscriber] = subscribers.as_slice() {
        if subscriber.send(Ok(chunk.clone())).await.is_err() {
            subscribers.clear();
        }
        return Vec::new();
    }
    let given = subscribers.drain(..).map(async |subscriber| {
        match timeout(PATIENCE, subscriber.send(Ok(chunk.clone()))).await {
            Ok(Ok(())) => (Some(subscriber), None),
            Ok(Err(_)) => (None, None),
            Err(_) => (None, Some(subscriber)),
        }
    });
    let (prompt, slow): (Vec<_>, Vec<_>) = join_all(given).await.into_iter().unzip();
    subscribers.extend(prompt.into_iter().flatten());
    slow.into_iter().flatten().collect()
}

/// 200 and a list.
pub struct Listing<L> {
    paged: Option<Paged>,
    content: Content,
    list: PhantomData<L>,
}

enum Content {
    Whole(Bytes),
    Chunks(Bytes, mpsc::Receiver<Result<Chunk, Error>>),
}

impl<L: ListOf> Listing<L> {
    /// A list whose rows are here already.
    pub(super) fn of<R>(rows: Vec<R>) -> Result<Self, Error>
    where
        L::Item: From<R>,
    {
        let mut writer = Writer::<L>::from(Position::default(), None);
        for row in rows {
            writer.push(&L::Item::from(row))?;
        }
        Ok(Self {
            paged: None,
            content: Content::Whole(writer.last_chunk().bytes),
            list: PhantomData,
        })
    }
}

/// In the extensions of an answer whose body is still being made, and was checked on its way.
#[derive(Clone)]
pub(super) struct UnderWay;

impl<L: Send> IntoResponse for Listing<L> {
    fn into_response(self) -> Response {
        let mut response = match self.content {
            Content::Whole(bytes) => responses::json_bytes(StatusCode::OK, bytes),
            Content::Chunks(first, chunks) => {
                let rest = stream::unfold(Some(chunks), async |chunks| {
                    let mut chunks = chunks?;
                    match chunks.recv().await.unwrap_or_else(|| Err(without_end())) {
                        Ok(chunk) => Some((Ok(chunk.bytes), (!chunk.is_last).then_some(chunks))),
                        Err(error) => Some((Err(broken(error)), None)),
                    }
                });
                let chunks = stream::iter([Ok(first)]).chain(rest);
                let mut response = Response::builder()
                    .content_type(MEDIA_TYPE)
                    .body(Body::from_bytes_stream(chunks));
                response.extensions_mut().insert(UnderWay);
                response
            }
        };
        if let Some(paged) = self.paged {
            response.extensions_mut().insert(paged);
        }
        response
    }
}

/// A list whose task is no more, as when it panicked, but which sent no last chunk.
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
            responses: vec![success::<L>(StatusCode::OK, page_headers())],
        }
    }

    fn register(registry: &mut Registry) {
        L::register(registry);
    }
}

/// The headers of a page, which a whole list has not.
fn page_headers() -> Vec<MetaHeader> {
    let total = MetaSchema {
        minimum: Some(0.0),
        // What a double holds exactly, as JavaScript reads numbers.
        maximum: Some(9_007_199_254_740_991.0),
        ..MetaSchema::new_with_format("integer", "int64")
    };
    let links = MetaSchema {
        max_length: Some(paging::MAX_LINKS),
        ..MetaSchema::new("string")
    };
    let header = |name: &str, description: &str, schema| MetaHeader {
        required: false,
        ..response_header(name, description, schema)
    };
    vec![
        header(
            "link",
            "Only beside a page: the pages `first`, `prev`, `next` and `last` of the list, those \
             that there are (RFC 8288). Each is a reference relative to the request's URL that \
             keeps its other parameters. Absent where it would be longer than 4096 bytes.",
            links,
        ),
        header(
            "x-total-count",
            "Only beside a page: how many rows the whole list has",
            total,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::schemas::ProductListResponse;
    use super::*;

    #[tokio::test]
    async fn a_list_whose_task_is_gone_before_its_last_part_is_a_broken_transfer() {
        let (task, chunks) = mpsc::channel(1);
        let list = Listing::<ProductListResponse> {
            paged: None,
            content: Content::Chunks(Bytes::from_static(b"{"), chunks),
            list: PhantomData,
        };
        drop(task);
        let body = list.into_response().into_body().into_bytes().await;
        assert!(body.is_err(), "it ended as if it were whole");
    }
}

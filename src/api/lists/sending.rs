//! The task of a list: it reads the rows from a connection and sends them to the subscribers in chunks.
//!
//! A connection is in use for as long as the clients of its list read. So each request for a whole list
//! needs a unit of its client's share of the list connections (see `shares`), until its last row is read.
//! It waits for one for [`Limits::share`](deadlines::Limits::share), and is rejected then.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::Instrument;

use crate::clients::Client;
use crate::db::{Connection, Database, List, ListConnection, ListRange};
use crate::deadlines;
use crate::error::Error;

use super::super::validation::RowValidator;
use super::list_response::ListResponse;
use super::paging::Paged;
use super::shares::{Shares, Unit};
use super::writer::{Chunk, IsFull, Position, Writer};

/// The pause between two attempts to get a connection for a list that is being continued.
const CONTINUATION_PAUSE: Duration = Duration::from_millis(100);

/// How long the subscribers of one task wait for a slow one. Then a separate task continues the list for
/// the slow subscriber.
const MAX_DELAY: Duration = Duration::from_millis(20);

/// Why a request is rejected whose client holds its whole share of the list connections.
pub(super) const NO_SHARE: &str = "the client holds its share of the connections for lists";

/// A query function that reads a list.
pub(in crate::api) trait Query<R>:
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

/// The sender of chunks to one client. Its receiver is dropped when the client disconnects.
pub(super) type ChunkSender = mpsc::Sender<Result<Chunk, Error>>;

/// A client of a list.
pub(super) struct Subscriber {
    pub chunks: ChunkSender,
    /// The unit of the client's share of the list connections.
    pub connection: Unit,
}

/// A unit of the share that `client` has of the list connections.
///
/// # Errors
/// `Busy` when the client holds its share for longer than `limit`.
pub(super) async fn wait_for_share(
    connections: &Shares,
    client: &Client,
    limit: Duration,
) -> Result<Unit, Error> {
    let waiting = timeout(limit, connections.wait(client));
    waiting.await.map_err(|_| Error::Busy(NO_SHARE))
}

/// The source of a list: the query, and the position at which it begins.
#[derive(Clone)]
pub(super) struct Source<Q> {
    pub db: Database,
    pub query: Q,
    pub range: ListRange,
    /// The last row that the subscribers have already received.
    pub position: Position,
    pub validator: Option<RowValidator>,
}

/// Reads a list and sends it to all `subscribers`. An error is sent in place of the rest.
pub(super) fn send<L, R, Q>(
    source: Source<Q>,
    mut subscribers: Vec<Subscriber>,
) -> BoxFuture<'static, ()>
where
    L: ListResponse,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    async move {
        let end = read::<L, R, Q>(source, &mut subscribers).await;
        // The connection has already been returned to the pool, so that a slow client does not hold it
        // while the last chunk is sent.
        let end = match end {
            Ok(None) => return,
            Ok(Some(last)) => Ok(last),
            Err(error) => Err(error),
        };
        let copy = || end.as_ref().map(Chunk::clone).map_err(Error::share);
        let sent = subscribers.into_iter().map(async |subscriber| {
            drop(subscriber.connection);
            let _ = subscriber.chunks.send(copy()).await;
        });
        join_all(sent).await;
    }
    .boxed()
}

/// Reads a list and sends all chunks but the last, which it returns. The result is `None` when every
/// client has disconnected.
async fn read<L, R, Q>(
    source: Source<Q>,
    subscribers: &mut Vec<Subscriber>,
) -> Result<Option<Chunk>, Error>
where
    L: ListResponse,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    let mut connection = connect(&source.db, source.position, subscribers).await?;
    let mut has_unread_rows = false;
    let chunks = send_chunks::<L, R, Q>(source, &mut connection, subscribers, &mut has_unread_rows);
    let sent = match chunks.await {
        Err(error) => Err(connection.diagnose(error).await),
        sent => sent,
    };
    if !has_unread_rows {
        connection.finish();
    }
    sent
}

/// A connection for a list. A list that is being continued waits for it up to
/// [`deadlines::CONTINUATION`], since an error would break its transfer.
async fn connect(
    db: &Database,
    position: Position,
    subscribers: &[Subscriber],
) -> Result<ListConnection, Error> {
    let began = Instant::now();
    loop {
        let may_wait = position.rows > 0
            && began.elapsed() < deadlines::CONTINUATION
            && subscribers
                .iter()
                .any(|subscriber| !subscriber.chunks.is_closed());
        match db.list_connection().await {
            Err(Error::Unavailable(_) | Error::Busy(_)) if may_wait => {
                sleep(CONTINUATION_PAUSE).await;
            }
            connection => return connection,
        }
    }
}

/// Sends all chunks but the last, which it returns. `has_unread_rows` is true while the database may
/// still send rows on `connection`.
async fn send_chunks<L, R, Q>(
    source: Source<Q>,
    connection: &mut ListConnection,
    subscribers: &mut Vec<Subscriber>,
    has_unread_rows: &mut bool,
) -> Result<Option<Chunk>, Error>
where
    L: ListResponse,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    let limit = source.db.limits().chunk;
    let mut deadline = Instant::now() + limit;
    *has_unread_rows = true;
    let list = timeout_at(deadline, (source.query)(connection, source.range)).await;
    let List { mut rows, page } = match list {
        Ok(Ok(list)) => list,
        Ok(Err(error)) => {
            *has_unread_rows = false;
            return Err(error);
        }
        Err(_) => return Err(Error::Unavailable("a list takes too long".into())),
    };
    let page = page.map(|(page, total)| Paged { page, total });
    let mut writer = Writer::<L>::new(source.position, page);
    loop {
        let before = writer.position;
        match timeout_at(deadline, writer.fill(&mut rows)).await {
            Ok(Ok(IsFull(true))) => {}
            Ok(Ok(IsFull(false))) => break,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let cause = "a list's next rows take too long";
                return Err(Error::Unavailable(cause.into()));
            }
        }
        writer.check_rows(source.validator)?;
        for slow in send_to_all(subscribers, &writer.take_chunk()).await {
            let continued = Source {
                range: ListRange::After(before.id),
                position: before,
                ..source.clone()
            };
            // This task gets a connection only after its client has received the previous chunk.
            let task = async move {
                if slow.chunks.reserve().await.is_ok() {
                    send::<L, R, Q>(continued, vec![slow]).await;
                }
            };
            tokio::spawn(task.in_current_span());
        }
        if subscribers.is_empty() {
            return Ok(None);
        }
        deadline = Instant::now() + limit;
    }
    *has_unread_rows = false;
    if writer.has_earlier_chunks {
        writer.check_rows(source.validator)?;
    }
    Ok(Some(writer.last_chunk()))
}

/// Sends a chunk to all subscribers. Removes those that have disconnected and those that did not receive
/// the chunk within [`MAX_DELAY`]; returns the slow ones.
async fn send_to_all(subscribers: &mut Vec<Subscriber>, chunk: &Chunk) -> Vec<Subscriber> {
    if let [subscriber] = subscribers.as_slice() {
        if subscriber.chunks.send(Ok(chunk.clone())).await.is_err() {
            subscribers.clear();
        }
        return Vec::new();
    }
    let sent = subscribers.drain(..).map(async |subscriber| {
        match timeout(MAX_DELAY, subscriber.chunks.send(Ok(chunk.clone()))).await {
            Ok(Ok(())) => (Some(subscriber), None),
            Ok(Err(_)) => (None, None),
            Err(_) => (None, Some(subscriber)),
        }
    });
    let (prompt, slow): (Vec<_>, Vec<_>) = join_all(sent).await.into_iter().unzip();
    subscribers.extend(prompt.into_iter().flatten());
    slow.into_iter().flatten().collect()
}

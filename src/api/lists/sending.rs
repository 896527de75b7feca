//! The task that reads a list from its connection and sends it, chunk by chunk, to its subscribers.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use crate::db::{Connection, Database, List, ListConnection, ListRange};
use crate::deadlines;
use crate::error::Error;

use super::super::validation::RowValidator;
use super::list_of::ListOf;
use super::paging::Paged;
use super::writer::{Chunk, IsFull, Position, Writer};

/// The pause between two attempts to get another connection for a list that goes on alone.
const CONTINUATION_PAUSE: Duration = Duration::from_millis(100);

/// How long the subscribers of one task wait for the slowest of them, which goes on alone then.
const PATIENCE: Duration = Duration::from_millis(20);

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

/// Where the chunks of a list go. Its receiver is dropped when the client disconnects.
pub(super) type Subscriber = mpsc::Sender<Result<Chunk, Error>>;

/// A list to be sent, and where to begin.
#[derive(Clone)]
pub(super) struct Source<Q> {
    pub db: Database,
    pub query: Q,
    pub range: ListRange,
    /// What the subscribers have already.
    pub position: Position,
    pub validator: Option<RowValidator>,
}

/// Sends a list to all `subscribers`, or the error that ends it.
pub(super) fn send<L, R, Q>(
    source: Source<Q>,
    mut subscribers: Vec<Subscriber>,
) -> BoxFuture<'static, ()>
where
    L: ListOf,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    async move {
        let end = read::<L, R, Q>(source, &mut subscribers).await;
        // The connection is back in its pool by now, however slowly the end is taken. A client that
        // has disconnected need not be told.
        let end = match end {
            Ok(None) => return,
            Ok(Some(last)) => Ok(last),
            Err(error) => Err(error),
        };
        let copy = || end.as_ref().map(Chunk::clone).map_err(Error::share);
        join_all(subscribers.iter().map(|subscriber| subscriber.send(copy()))).await;
    }
    .boxed()
}

/// Reads a list and sends all its chunks but the last, which it returns; none when every subscriber
/// is gone.
async fn read<L, R, Q>(
    source: Source<Q>,
    subscribers: &mut Vec<Subscriber>,
) -> Result<Option<Chunk>, Error>
where
    L: ListOf,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    let mut connection = connect(&source.db, source.position, subscribers).await?;
    let mut has_rows_to_come = false;
    let chunks =
        send_chunks::<L, R, Q>(source, &mut connection, subscribers, &mut has_rows_to_come);
    let sent = match chunks.await {
        Err(error) => Err(connection.diagnose(error).await),
        sent => sent,
    };
    if !has_rows_to_come {
        connection.finish();
    }
    sent
}

/// A connection for the list. A list that is being sent already waits for one for longer: if it
/// cannot go on, its transfer breaks.
async fn connect(
    db: &Database,
    position: Position,
    subscribers: &[Subscriber],
) -> Result<ListConnection, Error> {
    let began = Instant::now();
    loop {
        let may_wait = position.rows > 0
            && began.elapsed() < deadlines::CONTINUATION
            && subscribers.iter().any(|subscriber| !subscriber.is_closed());
        match db.list_connection().await {
            Err(Error::Unavailable(_) | Error::Busy(_)) if may_wait => {
                sleep(CONTINUATION_PAUSE).await;
            }
            connection => return connection,
        }
    }
}

/// Sends all chunks but the last, which it returns. Sets `has_rows_to_come` while the database may
/// still send rows on `connection`.
async fn send_chunks<L, R, Q>(
    source: Source<Q>,
    connection: &mut ListConnection,
    subscribers: &mut Vec<Subscriber>,
    has_rows_to_come: &mut bool,
) -> Result<Option<Chunk>, Error>
where
    L: ListOf,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    let List { mut rows, page } = (source.query)(connection, source.range).await?;
    *has_rows_to_come = true;
    let page = page.map(|(page, total)| Paged { page, total });
    let mut writer = Writer::<L>::from(source.position, page);
    loop {
        let before = writer.position;
        match timeout(deadlines::CHUNK, writer.fill(&mut rows)).await {
            Ok(Ok(IsFull(true))) => {}
            Ok(Ok(IsFull(false))) => break,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let cause = "a list's next rows take too long";
                return Err(Error::Unavailable(cause.into()));
            }
        }
        writer.check(source.validator)?;
        for slow in give(subscribers, &writer.chunk()).await {
            let rest = Source {
                range: ListRange::After(before.id),
                position: before,
                ..source.clone()
            };
            // It takes a connection only when its client has taken what it was given.
            let task = async move {
                if slow.reserve().await.is_ok() {
                    send::<L, R, Q>(rest, vec![slow]).await;
                }
            };
            tokio::spawn(task.in_current_span());
        }
        if subscribers.is_empty() {
            return Ok(None);
        }
    }
    *has_rows_to_come = false;
    if writer.is_under_way {
        writer.check(source.validator)?;
    }
    Ok(Some(writer.last_chunk()))
}

/// Sends a chunk to all subscribers and removes those that are closed and those that make the others
/// wait; returns the latter.
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

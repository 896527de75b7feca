//! The task of a list: it reads the rows from a connection and sends them to the subscribers in chunks.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use crate::db::{Connection, Database, List, ListConnection, ListRange};
use crate::deadlines;
use crate::error::Error;

use super::super::validation::RowValidator;
use super::list_response::ListResponse;
use super::paging::Paged;
use super::subscriber::{Subscriber, reading_limit, send_to_all};
use super::writer::{Chunk, IsFull, Position, Writer};

/// The pause between two attempts to get a connection for a list that is being continued.
const CONTINUATION_PAUSE: Duration = Duration::from_millis(100);

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
    let mut is_again = false;
    loop {
        let mut connection = connect(&source.db, source.position, subscribers).await?;
        let mut has_unread_rows = false;
        let chunks = send_chunks::<L, R, Q>(
            source.clone(),
            &mut connection,
            subscribers,
            &mut has_unread_rows,
        );
        let sent = match chunks.await {
            Err(error) => Err(connection.diagnose(error).await),
            sent => sent,
        };
        // The database may have closed the connection while it was idle. The query has failed then, and
        // no row was read.
        if sent.is_err() && !has_unread_rows && connection.was_closed() && !is_again {
            is_again = true;
            continue;
        }
        if !has_unread_rows {
            connection.finish();
        }
        return sent;
    }
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
        writer.check_rows(source.validator.as_ref())?;
        let chunk = writer.take_chunk();
        for slow in send_to_all(subscribers, &chunk).await {
            let continued = Source {
                range: ListRange::After(before.id),
                position: before,
                ..source.clone()
            };
            // This task gets a connection only after its client has received the previous chunk.
            let limit = reading_limit(&chunk);
            let task = async move {
                if slow.has_taken_all(limit).await {
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
        writer.check_rows(source.validator.as_ref())?;
    }
    Ok(Some(writer.last_chunk()))
}

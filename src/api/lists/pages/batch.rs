//! Reads the pages of one batch from one snapshot.
//!
//! Imports `db` for pages and snapshots.

use std::cmp::Reverse;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::clients::Client;
use crate::db::{Known, Landmark, List, ListRange, Page, Rows, Snapshot};
use crate::deadlines::Limits;
use crate::error::Error;

use super::super::super::validation::RowValidator;
use super::super::list_response::ListResponse;
use super::super::paging::Paged;
use super::super::sending::{Query, Source};
use super::super::shares::Shares;
use super::super::subscriber::{ChunkSender, NO_SHARE, send_chunk};
use super::super::writer::{Chunk, IsFull, Position, Writer};
use super::delivery::deliver;
use super::memory::{Memory, Reservation};
use super::queue::{Release, Request};

/// The requests of one batch that have not been served yet.
struct Batch {
    /// The requests for the last pages of the list come first.
    requests: Vec<Request>,
    known: Known,
    release: Option<Release>,
    /// When the worker has to be released.
    deadline: Instant,
    /// The limit for reading one page.
    limit: Duration,
}

impl Batch {
    fn new(mut requests: Vec<Request>, release: Release, limits: &Limits) -> Self {
        // Pages are taken from the end of this vector, so the first pages of the list are read first: the
        // last row of a page is a landmark from which the database reaches later pages faster.
        requests.sort_by_key(|request| Reverse((request.page.offset(), request.page.size)));
        Self {
            requests,
            known: Known::default(),
            release: Some(release),
            deadline: Instant::now() + limits.queries,
            limit: limits.chunk,
        }
    }

    /// Takes the requests for the next page. The result is `None` when no request is left, or not enough
    /// time for another page.
    fn next_page(&mut self) -> Option<(Page, Vec<Request>)> {
        if self.deadline < Instant::now() + self.limit {
            return None;
        }
        let page = self.requests.last()?.page;
        let first = self
            .requests
            .partition_point(|request| request.page != page);
        Some((page, self.requests.split_off(first)))
    }

    /// Releases the worker, and returns to it the requests that have not been served.
    fn release(&mut self) {
        let Some(release) = self.release.take() else {
            return;
        };
        // A worker that no longer waits cannot serve them.
        for request in release
            .send(std::mem::take(&mut self.requests))
            .err()
            .into_iter()
            .flatten()
        {
            let _ = request.subscriber.try_send(Err(takes_too_long()));
        }
    }
}

/// Reads all pages of a batch from one snapshot. Requests for the same page receive the same chunks.
pub(in crate::api::lists) fn read<L, R, Q>(
    source: Source<Q>,
    memory: Memory,
    connections: Shares,
    requests: Vec<Request>,
    release: Release,
) -> BoxFuture<'static, ()>
where
    L: ListResponse,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    async move {
        let mut batch = Batch::new(requests, release, source.db.limits());
        let mut snapshot = match source.db.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let requests = std::mem::take(&mut batch.requests);
                batch.release();
                return fail(requests, &error).await;
            }
        };
        while let Some((page, mut requests)) = batch.next_page() {
            let span = requests[0].span.clone();
            let sent = send_page::<L, R, Q>(
                source.clone(),
                (&memory, &connections),
                &mut snapshot,
                page,
                &mut requests,
                &mut batch,
            );
            if let Err(error) = sent.instrument(span).await {
                if batch.known.total.is_none() {
                    requests.append(&mut batch.requests);
                }
                batch.release();
                let error = snapshot.diagnose(error).await;
                if let Error::NotFound(_) = error {
                    snapshot.finish().await;
                } else {
                    // The database may still be sending rows.
                    drop(snapshot);
                }
                return fail(requests, &error).await;
            }
        }
        batch.release();
        snapshot.finish().await;
    }
    .boxed()
}

/// Reads one page and sends it to all clients that requested it. A page that cannot be kept in memory ends
/// the batch: it is sent to the first client that has a unit of its share of the list connections, alone
/// and as fast as that client receives it.
async fn send_page<L, R, Q>(
    source: Source<Q>,
    (memory, connections): (&Memory, &Shares),
    snapshot: &mut Snapshot,
    page: Page,
    requests: &mut Vec<Request>,
    batch: &mut Batch,
) -> Result<(), Error>
where
    L: ListResponse,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    let validator = source.validator.as_ref();
    let limit = batch.limit;
    let deadline = Instant::now() + limit;
    let list = (source.query)(snapshot, ListRange::Page(page, batch.known));
    let list = timeout_at(deadline, list).await;
    let List { mut rows, page } = list.unwrap_or_else(|_| Err(takes_too_long()))?;
    let paged = page.map(|(page, total)| Paged { page, total });
    batch.known.total = paged.map(|paged| paged.total);
    let mut writer = Writer::<L>::new(Position::default(), paged);
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut reservation = Reservation::default();
    let clients: Vec<Client> = requests.iter().map(|request| request.client).collect();
    while let Some(chunk) = next_chunk(&mut writer, &mut rows, validator, deadline).await? {
        let is_kept = reservation.extend(memory, &clients, chunk.bytes.len());
        chunks.push(chunk);
        if !is_kept {
            let taken = requests
                .iter()
                .enumerate()
                .find_map(|(index, request)| Some((index, connections.try_take(&request.client)?)));
            let Some((index, _connection)) = taken else {
                return Err(Error::Busy(NO_SHARE));
            };
            requests.swap(0, index);
            batch.requests.extend(requests.drain(1..));
            batch.release();
            let subscriber = &requests[0].subscriber;
            for chunk in chunks {
                send(subscriber, chunk).await?;
            }
            drop(reservation);
            let deadline = || Instant::now() + limit;
            while let Some(chunk) =
                next_chunk(&mut writer, &mut rows, validator, deadline()).await?
            {
                send(subscriber, chunk).await?;
            }
            return send(subscriber, writer.last_chunk()).await;
        }
    }
    batch.known.landmark = paged.and_then(|paged| landmark(paged.page, writer.position));
    chunks.push(writer.last_chunk());
    if let [chunk] = chunks.as_slice() {
        for request in &*requests {
            // Fails only when the client has disconnected.
            let _ = request.subscriber.try_send(Ok(chunk.clone()));
        }
    } else {
        let delivery = deliver(chunks, std::mem::take(requests), reservation);
        tokio::spawn(delivery.in_current_span());
    }
    Ok(())
}

/// The last row of a page as a landmark; `None` when the page is empty.
fn landmark(page: Page, end: Position) -> Option<Landmark> {
    let rows = i64::try_from(end.rows).ok().filter(|rows| *rows > 0)?;
    Some(Landmark {
        id: end.id,
        rows: page.offset() + rows,
    })
}

/// The next chunk of a page, read before `deadline`; `None` when the remaining rows are its last chunk.
async fn next_chunk<L, R>(
    writer: &mut Writer<L>,
    rows: &mut Rows<'_, R>,
    validator: Option<&RowValidator>,
    deadline: Instant,
) -> Result<Option<Chunk>, Error>
where
    L: ListResponse,
    L::Item: From<R>,
{
    let filled = timeout_at(deadline, writer.fill(rows)).await;
    let IsFull(is_full) = filled.unwrap_or_else(|_| Err(takes_too_long()))?;
    // `validation` checks a page of one chunk as a whole response.
    if is_full || writer.has_earlier_chunks {
        writer.check_rows(validator)?;
    }
    Ok(is_full.then(|| writer.take_chunk()))
}

/// Sends a chunk as soon as the client has received all earlier ones but one. It is an error when the client
/// has disconnected or takes too long: then the connection, which may still receive rows, is closed.
async fn send(subscriber: &ChunkSender, chunk: Chunk) -> Result<(), Error> {
    let sent = send_chunk(subscriber, 1, chunk).await;
    let disconnected = || Error::Unavailable("the client has disconnected".into());
    sent.map_err(|error| error.unwrap_or_else(disconnected))
}

/// Sends the error to all of these clients.
async fn fail(requests: Vec<Request>, error: &Error) {
    let sent = requests
        .iter()
        .map(|request| request.subscriber.send(Err(error.share())));
    join_all(sent).await;
}

fn takes_too_long() -> Error {
    Error::Unavailable("a page takes too long".into())
}

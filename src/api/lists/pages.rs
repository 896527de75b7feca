//! Concurrent requests for pages of one list share its total.
//!
//! Counting a long list takes far longer than reading a page of it. So requests for pages of the same
//! list wait in a queue, and up to [`WORKERS`] workers take whatever waits as one batch: a snapshot
//! begins, the list is counted once, and each page is read from the same snapshot, those at the
//! beginning of the list first. Without load a batch is a single request, which does not wait.
//! Guarantees:
//!
//! - The rows and the total of a page are of one moment, which is after the request had arrived.
//! - No request waits for another's client: a page is read into memory and then sent. A page that is
//!   too large for that keeps the connection for itself and is sent as fast as its client reads; the
//!   rest of its batch begins anew on another connection.
//! - An error in the rows of a page fails the requests for this page alone; the rest of the batch
//!   begins anew. Only what fails before the list is counted fails the whole batch.
//!
//! Imports `db` for pages and snapshots.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::db::{Known, Landmark, List, ListRange, Page, Rows, Snapshot};
use crate::deadlines;
use crate::error::Error;

use super::super::validation::RowValidator;
use super::list_of::ListOf;
use super::paging::Paged;
use super::sending::{Query, Source, Subscriber};
use super::writer::{CHUNK, Chunk, IsFull, Position, Writer};

/// The most batches of one list at a time: each keeps a core of the database busy with counting.
const WORKERS: usize = 2;

/// A page with more bytes is not kept in memory.
const MAX_BUFFERED: usize = 512 * 1024;

/// How many pages of more than one chunk may wait in memory for their clients at a time: 32 MiB in all.
const MAX_BUFFERS: usize = 64;

/// The chunks that a page's channel holds: those of a page in memory, the last two of which may exceed
/// the limit.
pub(super) const CHANNEL: usize = MAX_BUFFERED / CHUNK + 2;

/// A request for one page.
pub(super) struct Request {
    page: Page,
    subscriber: Subscriber,
    /// The request's span, for the log.
    span: Span,
}

impl Request {
    pub(super) fn new(page: Page, subscriber: Subscriber) -> Self {
        Self {
            page,
            subscriber,
            span: Span::current(),
        }
    }
}

/// The requests for pages that wait, by list: a key is everything that decides which rows a list has, and
/// in which order.
pub(super) struct Pages<K> {
    queues: Arc<Mutex<HashMap<K, Queue>>>,
    buffers: Arc<Semaphore>,
}

impl<K> Clone for Pages<K> {
    fn clone(&self) -> Self {
        Self {
            queues: Arc::clone(&self.queues),
            buffers: self.buffers(),
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Request>,
    workers: usize,
}

/// Releases the worker of a batch, and returns the requests that are to begin anew.
type Release = oneshot::Sender<Vec<Request>>;

impl<K> Pages<K> {
    /// The permits to keep a page in memory until its clients have taken it.
    pub(super) fn buffers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.buffers)
    }
}

impl<K: Eq + Hash + Clone + Send + 'static> Pages<K> {
    pub(super) fn new() -> Self {
        Self {
            queues: Arc::default(),
            buffers: Arc::new(Semaphore::new(MAX_BUFFERS)),
        }
    }

    /// Adds `request` to the next batch of the list `key`; `read` reads each of its batches.
    pub(super) fn join<F>(
        &self,
        key: K,
        request: Request,
        read: impl Fn(Vec<Request>, Release) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        {
            let mut queues = self.queues();
            let queue = queues.entry(key.clone()).or_default();
            queue.waiting.push(request);
            if queue.workers == WORKERS {
                return;
            }
            queue.workers += 1;
        }
        let pages = self.clone();
        tokio::spawn(async move {
            while let Some(batch) = pages.next_batch(&key) {
                let (release, released) = oneshot::channel();
                let span = batch[0].span.clone();
                // In a task of its own, which a large page keeps, and where a panic ends only the batch.
                tokio::spawn(read(batch, release).instrument(span));
                if let Ok(rest) = released.await {
                    pages.put_back(&key, rest);
                }
            }
        });
    }

    /// All requests that wait; with none, the worker ends.
    fn next_batch(&self, key: &K) -> Option<Vec<Request>> {
        let mut queues = self.queues();
        let queue = queues.get_mut(key)?;
        queue
            .waiting
            .retain(|request| !request.subscriber.is_closed());
        if queue.waiting.is_empty() {
            queue.workers -= 1;
            if queue.workers == 0 {
                queues.remove(key);
            }
            return None;
        }
        Some(std::mem::take(&mut queue.waiting))
    }

    /// Puts requests back that were taken before those that wait now.
    fn put_back(&self, key: &K, mut requests: Vec<Request>) {
        if let Some(queue) = self.queues().get_mut(key) {
            requests.append(&mut queue.waiting);
            queue.waiting = requests;
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<K, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pages of one batch that are still to be read.
struct Batch {
    /// Pages at the end of the list come first.
    requests: Vec<Request>,
    known: Known,
    release: Option<Release>,
}

impl Batch {
    fn new(mut requests: Vec<Request>, release: Release) -> Self {
        // From the last element on, since a landmark shortens the way to later pages.
        requests.sort_by_key(|request| Reverse((request.page.offset(), request.page.size)));
        Self {
            requests,
            known: Known::default(),
            release: Some(release),
        }
    }

    /// The next page, and the requests for it.
    fn next_page(&mut self) -> Option<(Page, Vec<Request>)> {
        let page = self.requests.last()?.page;
        let first = self
            .requests
            .partition_point(|request| request.page != page);
        Some((page, self.requests.split_off(first)))
    }

    /// Releases the worker; the requests that are left begin anew, in another batch.
    fn release(&mut self) {
        if let Some(release) = self.release.take() {
            let _ = release.send(std::mem::take(&mut self.requests));
        }
    }
}

/// Reads all pages of a batch from one snapshot. Requests for the same page get the same chunks.
pub(super) fn read<L, R, Q>(
    source: Source<Q>,
    buffers: Arc<Semaphore>,
    requests: Vec<Request>,
    release: Release,
) -> BoxFuture<'static, ()>
where
    L: ListOf,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    async move {
        let mut batch = Batch::new(requests, release);
        let mut snapshot = match source.db.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(error) => return fail(batch.requests, &error).await,
        };
        while let Some((page, mut requests)) = batch.next_page() {
            let span = requests[0].span.clone();
            let sent = send_page::<L, R, Q>(
                source.clone(),
                &buffers,
                &mut snapshot,
                page,
                &mut requests,
                &mut batch,
            );
            if let Err(error) = sent.instrument(span).await {
                let error = snapshot.diagnose(error).await;
                if batch.known.total.is_none() {
                    requests.append(&mut batch.requests);
                }
                batch.release();
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

/// Reads one page and sends it to all who asked for it. A page that is too large for the memory ends
/// the batch: it is sent for the first request alone, as fast as its client reads.
async fn send_page<L, R, Q>(
    source: Source<Q>,
    buffers: &Arc<Semaphore>,
    snapshot: &mut Snapshot,
    page: Page,
    requests: &mut Vec<Request>,
    batch: &mut Batch,
) -> Result<(), Error>
where
    L: ListOf,
    L::Item: From<R>,
    R: Send + 'static,
    Q: Query<R>,
{
    let validator = source.validator;
    let list = (source.query)(snapshot, ListRange::Page(page, batch.known));
    let list = timeout(deadlines::CHUNK, list).await;
    let List { mut rows, page } = list.unwrap_or_else(|_| Err(takes_too_long()))?;
    let paged = page.map(|(page, total)| Paged { page, total });
    batch.known.total = paged.map(|paged| paged.total);
    let mut writer = Writer::<L>::from(Position::default(), paged);
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut permit = None;
    while let Some(chunk) = next_chunk(&mut writer, &mut rows, validator).await? {
        chunks.push(chunk);
        if permit.is_none() {
            permit = Arc::clone(buffers).try_acquire_owned().ok();
        }
        let bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        if permit.is_none() || bytes > MAX_BUFFERED {
            batch.requests.extend(requests.drain(1..));
            batch.release();
            let subscriber = &requests[0].subscriber;
            for chunk in chunks {
                send(subscriber, chunk).await?;
            }
            while let Some(chunk) = next_chunk(&mut writer, &mut rows, validator).await? {
                send(subscriber, chunk).await?;
            }
            return send(subscriber, writer.last_chunk()).await;
        }
    }
    batch.known.landmark = paged.and_then(|paged| landmark(paged.page, writer.position));
    chunks.push(writer.last_chunk());
    for request in &*requests {
        for chunk in &chunks {
            // Never full: the channel has room for a page.
            let _ = request.subscriber.try_send(Ok(chunk.clone()));
        }
    }
    if permit.is_some() {
        tokio::spawn(hold_until_taken(permit, std::mem::take(requests)));
    }
    Ok(())
}

/// The last row of a page as a landmark; none when the page is empty.
fn landmark(page: Page, end: Position) -> Option<Landmark> {
    let rows = i64::try_from(end.rows).ok().filter(|rows| *rows > 0)?;
    Some(Landmark {
        id: end.id,
        rows: page.offset() + rows,
    })
}

/// The next chunk of a page; `None` when the rest is its last one.
async fn next_chunk<L, R>(
    writer: &mut Writer<L>,
    rows: &mut Rows<'_, R>,
    validator: Option<RowValidator>,
) -> Result<Option<Chunk>, Error>
where
    L: ListOf,
    L::Item: From<R>,
{
    let filled = timeout(deadlines::CHUNK, writer.fill(rows)).await;
    let IsFull(is_full) = filled.unwrap_or_else(|_| Err(takes_too_long()))?;
    // A page of one chunk is checked as a whole response.
    if is_full || writer.is_under_way {
        writer.check(validator)?;
    }
    Ok(is_full.then(|| writer.chunk()))
}

/// Waits until a client has room for a chunk. A client that has disconnected is an error, since rows
/// may be on their way then.
async fn send(subscriber: &Subscriber, chunk: Chunk) -> Result<(), Error> {
    let sent = subscriber.send(Ok(chunk)).await;
    sent.map_err(|_| Error::Unavailable("the client has disconnected".into()))
}

/// Keeps the permit until each client has taken all chunks, or has disconnected.
async fn hold_until_taken(permit: Option<OwnedSemaphorePermit>, requests: Vec<Request>) {
    for Request { subscriber, .. } in &requests {
        let _ = subscriber.reserve_many(CHANNEL).await;
    }
    drop(permit);
}

/// Ends all of these requests with the error.
async fn fail(requests: Vec<Request>, error: &Error) {
    let sent = requests
        .iter()
        .map(|request| request.subscriber.send(Err(error.share())));
    join_all(sent).await;
}

fn takes_too_long() -> Error {
    Error::Unavailable("a page takes too long".into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// A batch that has begun: its pages, and how to end it.
    type Begun = (Vec<i32>, Vec<Request>, Release);

    struct Queued {
        pages: Pages<&'static str>,
        begun: mpsc::UnboundedSender<Begun>,
    }

    impl Queued {
        fn new() -> (Self, mpsc::UnboundedReceiver<Begun>) {
            let (begun, batches) = mpsc::unbounded_channel();
            let pages = Pages::new();
            (Self { pages, begun }, batches)
        }

        /// Asks for a page; a batch tells when it begins, and ends when its release is used.
        fn ask(&self, number: i32) -> mpsc::Receiver<Result<Chunk, Error>> {
            let (subscriber, chunks) = mpsc::channel(1);
            let request = Request::new(Page { number, size: 10 }, subscriber);
            let begun = self.begun.clone();
            let key = "list";
            self.pages.join(key, request, move |requests, release| {
                let numbers = requests.iter().map(|request| request.page.number);
                begun.send((numbers.collect(), requests, release)).unwrap();
                async {}
            });
            chunks
        }
    }

    #[tokio::test]
    async fn requests_that_come_while_two_batches_are_under_way_are_the_next_batch() {
        let (queued, mut batches) = Queued::new();
        let mut clients = vec![queued.ask(1)];
        let (numbers, _, first) = batches.recv().await.unwrap();
        assert_eq!(numbers, [1], "alone it waits for nobody");
        clients.push(queued.ask(2));
        let (numbers, ..) = batches.recv().await.unwrap();
        assert_eq!(numbers, [2], "the second batch ended without a release");
        let (_held, mut held) = (queued.ask(3), Vec::new());
        held.push(batches.recv().await.unwrap());
        clients.extend([queued.ask(4), queued.ask(5)]);
        drop(queued.ask(6));
        first.send(Vec::new()).ok().unwrap();
        let (numbers, ..) = batches.recv().await.unwrap();
        assert_eq!(numbers, [4, 5], "without the client that has disconnected");
    }

    #[tokio::test]
    async fn requests_that_are_given_back_come_before_those_that_wait() {
        let (queued, mut batches) = Queued::new();
        let _clients = [queued.ask(1), queued.ask(2)];
        let (_, requests, release) = batches.recv().await.unwrap();
        let _third = queued.ask(5);
        let _other = batches.recv().await.unwrap();
        let _later = [queued.ask(3), queued.ask(4)];
        release.send(requests).ok().unwrap();
        let (numbers, ..) = batches.recv().await.unwrap();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_list_is_forgotten_when_nobody_waits_for_its_pages() {
        let (queued, mut batches) = Queued::new();
        for number in 0..3 {
            let _client = queued.ask(number);
            let (_, _, release) = batches.recv().await.unwrap();
            if number > 0 {
                release.send(Vec::new()).ok().unwrap();
            } else {
                // As when the batch panics.
                drop(release);
            }
            while !queued.pages.queues().is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }
}

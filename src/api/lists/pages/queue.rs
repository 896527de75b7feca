//! The queue of requests for pages of each list, and the workers that take batches from it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::clients::Client;
use crate::db::Page;

use super::super::subscriber::ChunkSender;
use super::WORKERS;
use super::memory::Memory;

/// A request for one page.
pub(in crate::api::lists) struct Request {
    pub(super) page: Page,
    pub(super) client: Client,
    pub(super) subscriber: ChunkSender,
    /// The span of the request, for the log.
    pub(super) span: Span,
}

impl Request {
    pub(in crate::api::lists) fn new(page: Page, client: Client, subscriber: ChunkSender) -> Self {
        Self {
            page,
            client,
            subscriber,
            span: Span::current(),
        }
    }
}

/// The queue of each list. The key `K` is everything that determines the rows of a list and their order.
pub(in crate::api::lists) struct PageQueues<K> {
    queues: Arc<Mutex<HashMap<K, Queue>>>,
    memory: Memory,
    /// The limit for a batch.
    limit: Duration,
}

impl<K> Clone for PageQueues<K> {
    fn clone(&self) -> Self {
        Self {
            queues: Arc::clone(&self.queues),
            memory: self.memory(),
            limit: self.limit,
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Request>,
    workers: usize,
}

/// Releases the worker of a batch, and returns to it the requests that the next batch has to serve.
pub(super) type Release = oneshot::Sender<Vec<Request>>;

impl<K> PageQueues<K> {
    /// The memory for pages of several chunks until their clients have received them.
    pub(in crate::api::lists) fn memory(&self) -> Memory {
        self.memory.clone()
    }
}

impl<K: Eq + Hash + Clone + Send + 'static> PageQueues<K> {
    pub(in crate::api::lists) fn new(limit: Duration) -> Self {
        Self {
            queues: Arc::default(),
            memory: Memory::new(),
            limit,
        }
    }

    /// Adds `request` to the queue of the list `key`, and starts a worker if fewer than [`WORKERS`] are
    /// running. The worker calls `read` for each batch.
    pub(in crate::api::lists) fn join<F>(
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
        let queues = self.clone();
        tokio::spawn(async move {
            while let Some(batch) = queues.next_batch(&key) {
                let (release, released) = oneshot::channel();
                let span = batch[0].span.clone();
                // In a separate task: a large page continues after it released the worker, and a panic
                // ends only this batch.
                tokio::spawn(read(batch, release).instrument(span));
                // A batch releases its worker in time. The limit is for a batch that does not.
                if let Ok(Ok(unserved)) = timeout(queues.limit, released).await {
                    queues.put_back(&key, unserved);
                }
            }
        });
    }

    /// Takes all waiting requests. Without any the result is `None`, and the worker must end.
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

    /// Returns requests to the front of the queue.
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::sync::mpsc;

    use crate::clients::Rules;
    use crate::deadlines::Limits;
    use crate::error::Error;

    use super::super::super::writer::Chunk;
    use poem::http::HeaderMap;

    use super::*;

    /// A batch that has started: its page numbers, its requests and its release.
    type Started = (Vec<i32>, Vec<Request>, Release);

    /// The queues, with batches that report their start and do nothing else.
    struct TestQueues {
        pages: PageQueues<&'static str>,
        started: mpsc::UnboundedSender<Started>,
    }

    impl TestQueues {
        fn new() -> (Self, mpsc::UnboundedReceiver<Started>) {
            let (started, batches) = mpsc::unbounded_channel();
            let pages = PageQueues::new(Limits::DEFAULT.queries);
            (Self { pages, started }, batches)
        }

        /// Requests a page. The batch of the request ends when its release is used.
        fn request(&self, number: i32) -> mpsc::Receiver<Result<Chunk, Error>> {
            let (subscriber, chunks) = mpsc::channel(1);
            let request = Request::new(
                Page { number, size: 10 },
                Rules::default().client(None, &HeaderMap::new()),
                subscriber,
            );
            let started = self.started.clone();
            let key = "list";
            self.pages.join(key, request, move |requests, release| {
                let numbers = requests.iter().map(|request| request.page.number);
                started
                    .send((numbers.collect(), requests, release))
                    .unwrap();
                async {}
            });
            chunks
        }
    }

    #[tokio::test]
    async fn requests_that_arrive_during_two_batches_are_the_next_batch() {
        let (queues, mut batches) = TestQueues::new();
        let mut clients = vec![queues.request(1)];
        let (numbers, _, first) = batches.recv().await.unwrap();
        assert_eq!(numbers, [1], "a single request does not wait");
        clients.push(queues.request(2));
        let (numbers, ..) = batches.recv().await.unwrap();
        assert_eq!(numbers, [2], "the second batch ended without a release");
        let (_held, mut held) = (queues.request(3), Vec::new());
        held.push(batches.recv().await.unwrap());
        clients.extend([queues.request(4), queues.request(5)]);
        drop(queues.request(6));
        first.send(Vec::new()).ok().unwrap();
        let (numbers, ..) = batches.recv().await.unwrap();
        assert_eq!(numbers, [4, 5], "without the client that has disconnected");
    }

    #[tokio::test]
    async fn requests_that_are_returned_precede_those_that_wait() {
        let (queues, mut batches) = TestQueues::new();
        let _clients = [queues.request(1), queues.request(2)];
        let (_, requests, release) = batches.recv().await.unwrap();
        let _third = queues.request(5);
        let _other = batches.recv().await.unwrap();
        let _later = [queues.request(3), queues.request(4)];
        release.send(requests).ok().unwrap();
        let (numbers, ..) = batches.recv().await.unwrap();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_list_without_requests_is_forgotten() {
        let (queues, mut batches) = TestQueues::new();
        for number in 0..3 {
            let _client = queues.request(number);
            let (_, _, release) = batches.recv().await.unwrap();
            if number > 0 {
                release.send(Vec::new()).ok().unwrap();
            } else {
                // A panic of the batch also drops the release.
                drop(release);
            }
            while !queues.pages.queues().is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }
}

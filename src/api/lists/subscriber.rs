//! The clients of a list: the channel of each, its share of the connections, and how long it may take.
//!
//! A connection is in use for as long as the clients of its list read. So each request for a whole list
//! needs a unit of its client's share of the list connections (see `shares`), until its last row is read.
//! It waits for one for [`Limits::share`](deadlines::Limits::share), and is rejected then. When many requests
//! of the client wait already, it is rejected at once, since waiting requests count among the operations in
//! progress, of which others need theirs.
//!
//! A client that does not take a chunk in time is cut off: its transfer breaks, and its connection and its
//! unit are given back. This holds for each list, also while the client reads another one.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::clients::Client;
use crate::deadlines;
use crate::error::Error;
use crate::metrics::Counted;

use super::shares::{Shares, Unit};
use super::writer::Chunk;

/// How long the subscribers of one task wait for a slow one. Then a separate task continues the list for
/// the slow subscriber.
const MAX_DELAY: Duration = Duration::from_millis(20);

/// Why a request is rejected whose client holds its whole share of the list connections.
pub(super) const NO_SHARE: &str = "the client holds its share of the connections for lists";

/// How many requests of one client may wait for each unit of its share. With the default of 64 connections
/// 128 in all: more than the requests that one HTTP/2 connection may have open.
const WAITING_PER_CONNECTION: usize = 8;

/// Why the transfer of a list is broken whose client does not take the chunks.
const TOO_SLOW: &str = "the client takes a list too slowly";

/// The capacity of the channel of a whole list: one chunk, and the error after it.
pub(super) const CHANNEL_CAPACITY: usize = 2;

/// How many bytes of a chunk a client must take within [`deadlines::READING`].
const BYTES_PER_LIMIT: usize = 30 * 1024;

/// The sender of chunks to one client. Its receiver is dropped when the client disconnects.
pub(super) type ChunkSender = mpsc::Sender<Result<Chunk, Error>>;

/// A client of a list.
pub(super) struct Subscriber {
    pub chunks: ChunkSender,
    /// The unit of the client's share of the list connections.
    pub connection: Unit,
    /// Counts the subscriber in the metrics.
    _counted: Counted,
}

impl Subscriber {
    pub(super) fn new(chunks: ChunkSender, connection: Unit, counted: Counted) -> Self {
        Self {
            chunks,
            connection,
            _counted: counted,
        }
    }

    /// Waits until the client has taken all chunks. Returns `false` when it has disconnected, or was cut off
    /// at the limit.
    pub(super) async fn has_taken_all(&self, limit: Duration) -> bool {
        let free = self.chunks.reserve_many(CHANNEL_CAPACITY);
        let taken = timeout(limit, free).await;
        if taken.is_err() {
            self.cut_off(Error::Busy(TOO_SLOW));
        }
        matches!(taken, Ok(Ok(_)))
    }

    /// Sends the error that breaks the transfer. The channel has capacity for it after a chunk.
    fn cut_off(&self, error: Error) {
        let _ = self.chunks.try_send(Err(error));
    }
}

/// Sends a chunk as soon as no more than `unread` earlier ones are left in the channel. The error is `None`
/// when the client has disconnected, and `Busy` when it takes too long.
pub(super) async fn send_chunk(
    chunks: &ChunkSender,
    unread: usize,
    chunk: Chunk,
) -> Result<(), Option<Error>> {
    let limit = reading_limit(&chunk);
    let free = chunks.max_capacity() - unread;
    let Ok(taken) = timeout(limit, chunks.reserve_many(free)).await else {
        return Err(Some(Error::Busy(TOO_SLOW)));
    };
    let permit = taken.ok().and_then(|mut permits| permits.next());
    permit.ok_or(None)?.send(Ok(chunk));
    Ok(())
}

/// How long a client may take to read the chunk before this one, which has about the same size.
pub(super) fn reading_limit(chunk: &Chunk) -> Duration {
    let parts = chunk.bytes.len().div_ceil(BYTES_PER_LIMIT);
    deadlines::READING * u32::try_from(parts).unwrap_or(u32::MAX)
}

/// The shares of the list connections.
#[derive(Clone)]
pub(super) struct ListShares {
    pub connections: Shares,
    /// The requests that wait for a unit of their client's share.
    waiting: Shares,
}

impl ListShares {
    /// The shares of so many connections.
    pub(super) fn of(connections: usize) -> Self {
        Self {
            connections: Shares::of(connections),
            waiting: Shares::of(connections * WAITING_PER_CONNECTION),
        }
    }

    /// A unit of the share that `client` has of the list connections.
    ///
    /// # Errors
    /// `Busy` when the client holds its share for longer than `limit`, or too many of its requests wait.
    pub(super) async fn wait(&self, client: &Client, limit: Duration) -> Result<Unit, Error> {
        let no_share = Error::Busy(NO_SHARE);
        let Some(_turn) = self.waiting.try_take(client) else {
            return Err(no_share);
        };
        let waiting = timeout(limit, self.connections.wait(client));
        waiting.await.map_err(|_| no_share)
    }
}

/// Sends a chunk to all subscribers. Removes those that have disconnected and those that did not receive
/// the chunk within [`MAX_DELAY`]; returns the slow ones.
pub(super) async fn send_to_all(
    subscribers: &mut Vec<Subscriber>,
    chunk: &Chunk,
) -> Vec<Subscriber> {
    if let [subscriber] = subscribers.as_slice() {
        if let Err(error) = send_chunk(&subscriber.chunks, 0, chunk.clone()).await {
            if let Some(error) = error {
                subscriber.cut_off(error);
            }
            subscribers.clear();
        }
        return Vec::new();
    }
    let sent = subscribers.drain(..).map(async |subscriber| {
        match timeout(MAX_DELAY, send_chunk(&subscriber.chunks, 0, chunk.clone())).await {
            Ok(Ok(())) => (Some(subscriber), None),
            Ok(Err(_)) => (None, None),
            Err(_) => (None, Some(subscriber)),
        }
    });
    let (prompt, slow): (Vec<_>, Vec<_>) = join_all(sent).await.into_iter().unzip();
    subscribers.extend(prompt.into_iter().flatten());
    slow.into_iter().flatten().collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;
    use tokio::time::Instant;

    use crate::metrics::Gauge;

    use super::*;

    const CLIENT: Client = Client {
        connection: Some(1),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        network: None,
    };

    fn chunk(length: usize) -> Chunk {
        Chunk {
            rows: 0,
            paged: None,
            bytes: Bytes::from(vec![b'x'; length]),
            is_last: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_many_waiting_requests_is_rejected_at_once() {
        let shares = ListShares::of(4);
        let client = CLIENT;
        let limit = Duration::from_secs(1);
        let _held = shares.wait(&client, limit).await.unwrap();
        let began = Instant::now();
        let wait = async || (shares.wait(&client, limit).await.is_ok(), began.elapsed());
        let ends = join_all((0..=WAITING_PER_CONNECTION).map(|_| wait())).await;
        let (last, waiting) = ends.split_last().unwrap();
        assert_eq!(*last, (false, Duration::ZERO));
        assert!(waiting.iter().all(|end| *end == (false, limit)), "{ends:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_a_chunk_in_time_is_cut_off() {
        let connections = Shares::of(4);
        let client = CLIENT;
        let (sender, mut chunks) = mpsc::channel(CHANNEL_CAPACITY);
        let mut subscribers = vec![Subscriber {
            chunks: sender,
            connection: connections.wait(&client).await,
            _counted: Counted::in_gauge(&Gauge::default()),
        }];
        send_to_all(&mut subscribers, &chunk(1)).await;
        assert_eq!(subscribers.len(), 1);
        let began = Instant::now();
        send_to_all(&mut subscribers, &chunk(BYTES_PER_LIMIT + 1)).await;
        assert_eq!(began.elapsed(), 2 * deadlines::READING);
        assert!(subscribers.is_empty());
        assert!(connections.try_take(&client).is_some(), "its unit is free");
        assert_eq!(chunks.recv().await.unwrap().unwrap().bytes.len(), 1);
        assert!(matches!(
            chunks.recv().await,
            Some(Err(Error::Busy(TOO_SLOW)))
        ));
        assert!(chunks.recv().await.is_none());
    }
}

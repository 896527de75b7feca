//! Sends a page that is kept in memory to its clients, each as fast as it reads.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::super::subscriber::{ChunkSender, reading_limit, send_chunk};
use super::super::writer::Chunk;
use super::CHANNEL_CAPACITY;
use super::memory::Reservation;
use super::queue::Request;

/// Sends the chunks of a page to all clients that requested it. Holds the memory of the page until each
/// client has received all chunks, has disconnected, or was cut off because it read too slowly.
pub(super) async fn deliver(chunks: Vec<Chunk>, requests: Vec<Request>, reservation: Reservation) {
    let deliveries = requests
        .iter()
        .map(|request| deliver_to(&request.subscriber, &chunks));
    join_all(deliveries).await;
    drop(reservation);
}

async fn deliver_to(subscriber: &ChunkSender, chunks: &[Chunk]) {
    let mut limit = Duration::ZERO;
    for chunk in chunks {
        limit = reading_limit(chunk);
        if let Err(error) = send_chunk(subscriber, 1, chunk.clone()).await {
            if let Some(error) = error {
                // The channel has capacity for it after two chunks.
                let _ = subscriber.try_send(Err(error));
            }
            return;
        }
    }
    // The last chunks remain in the channel. The server cuts off a client that does not read them.
    let _ = timeout(2 * limit, subscriber.reserve_many(CHANNEL_CAPACITY)).await;
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bytes::Bytes;
    use poem::http::HeaderMap;
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use crate::clients::{Client, Rules};
    use crate::db::Page;
    use crate::deadlines;
    use crate::error::Error;

    use super::super::MAX_BUFFERED;
    use super::super::memory::Memory;
    use super::*;

    type Chunks = mpsc::Receiver<Result<Chunk, Error>>;

    fn client() -> Client {
        Rules::default().client(None, &HeaderMap::new())
    }

    fn request() -> (Request, Chunks) {
        let (subscriber, chunks) = mpsc::channel(CHANNEL_CAPACITY);
        let page = Page {
            number: 1,
            size: 10,
        };
        (Request::new(page, client(), subscriber), chunks)
    }

    fn chunks(count: usize) -> Vec<Chunk> {
        let chunk = Chunk {
            paged: None,
            bytes: Bytes::from_static(&[b'x'; 16 * 1024]),
            rows: 1,
            is_last: false,
        };
        vec![chunk; count]
    }

    /// The memory for pages, of which the client has used up its share.
    fn used_up() -> (Memory, Vec<Reservation>) {
        let memory = Memory::new();
        let mut pages = Vec::new();
        loop {
            let mut page = Reservation::default();
            if !page.extend(&memory, &[client()], MAX_BUFFERED) {
                return (memory, pages);
            }
            pages.push(page);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_cut_off_and_its_memory_is_free() {
        let (memory, mut pages) = used_up();
        let (idle, mut unread) = request();
        let (prompt, mut read) = request();
        let began = Instant::now();
        let delivery = deliver(chunks(50), vec![idle, prompt], pages.pop().unwrap());
        let reading = async {
            let mut count = 0;
            while let Some(chunk) = read.recv().await {
                chunk.unwrap();
                count += 1;
                if count == 50 {
                    read.close();
                }
            }
            assert_eq!((count, began.elapsed()), (50, Duration::ZERO));
        };
        let both = async { tokio::join!(delivery, reading) };
        timeout(deadlines::READING * 10, both).await.unwrap();
        assert_eq!(began.elapsed(), deadlines::READING);
        assert!(Reservation::default().extend(&memory, &[client()], MAX_BUFFERED));
        unread.recv().await.unwrap().unwrap();
        unread.recv().await.unwrap().unwrap();
        let end = unread.recv().await;
        assert!(matches!(end, Some(Err(Error::Busy(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_the_last_chunks_keeps_the_memory_for_a_limited_time() {
        let (memory, mut pages) = used_up();
        let (idle, _unread) = request();
        let delivery = deliver(chunks(2), vec![idle], pages.pop().unwrap());
        timeout(deadlines::READING * 10, delivery).await.unwrap();
        assert!(Reservation::default().extend(&memory, &[client()], MAX_BUFFERED));
    }
}

//! The memory for pages of several chunks that wait for their clients.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clients::Client;

use super::super::shares::{Shares, Unit};
use super::{MAX_BUFFERED, MAX_MEMORY};

/// The bytes that are reserved together.
const UNIT: usize = 128 * 1024;

/// The memory for all pages; cheap to clone.
#[derive(Clone)]
pub(in crate::api::lists) struct Memory {
    free: Arc<Semaphore>,
    shares: Shares,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(MAX_MEMORY / UNIT)),
            shares: Shares::of(MAX_MEMORY / UNIT),
        }
    }
}

/// The memory that is reserved for one page, until this is dropped.
#[derive(Default)]
pub(super) struct Reservation {
    bytes: usize,
    units: Vec<(OwnedSemaphorePermit, Unit)>,
}

impl Reservation {
    /// Reserves so many more bytes, each unit of them of the share of any of `clients` that has one. Returns
    /// `false` if the page is too large, or the memory or all of their shares are used up.
    pub(super) fn extend(&mut self, memory: &Memory, clients: &[Client], bytes: usize) -> bool {
        self.bytes += bytes;
        if self.bytes > MAX_BUFFERED {
            return false;
        }
        while self.units.len() * UNIT < self.bytes {
            let Ok(unit) = Arc::clone(&memory.free).try_acquire_owned() else {
                return false;
            };
            let take = |client| memory.shares.try_take(client);
            let Some(share) = clients.iter().find_map(take) else {
                return false;
            };
            self.units.push((unit, share));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// The clients of one page.
    fn clients<const N: usize>(connections: [u64; N]) -> [Client; N] {
        connections.map(|connection| Client {
            connection: Some(connection),
            address: Ipv4Addr::LOCALHOST.into(),
            network: None,
        })
    }

    fn extend<const N: usize>(
        page: &mut Reservation,
        memory: &Memory,
        connections: [u64; N],
        bytes: usize,
    ) -> bool {
        page.extend(memory, &clients(connections), bytes)
    }

    #[test]
    fn a_client_fills_a_quarter_of_the_memory_with_pages() {
        let memory = Memory::new();
        let mut pages: Vec<Reservation> = Vec::new();
        for _ in 0..MAX_MEMORY / 4 / MAX_BUFFERED {
            let mut page = Reservation::default();
            assert!(extend(&mut page, &memory, [1], MAX_BUFFERED));
            pages.push(page);
        }
        let is_kept =
            |connection, bytes| extend(&mut Reservation::default(), &memory, [connection], bytes);
        assert!(!is_kept(1, 1));
        assert!(is_kept(2, MAX_BUFFERED));
        pages.clear();
        assert!(is_kept(1, MAX_BUFFERED));
    }

    #[test]
    fn a_page_that_is_too_large_is_not_kept() {
        let memory = Memory::new();
        let mut page = Reservation::default();
        assert!(extend(&mut page, &memory, [1], MAX_BUFFERED - 1));
        assert!(!extend(&mut page, &memory, [1], 2));
    }

    #[test]
    fn a_shared_page_uses_the_share_of_any_of_its_clients() {
        let memory = Memory::new();
        let mut held: Vec<Reservation> = Vec::new();
        for _ in 0..MAX_MEMORY / 4 / MAX_BUFFERED {
            let mut page = Reservation::default();
            assert!(extend(&mut page, &memory, [1], MAX_BUFFERED));
            held.push(page);
        }
        let mut page = Reservation::default();
        assert!(extend(&mut page, &memory, [1, 2], MAX_BUFFERED));
        assert!(!extend(&mut Reservation::default(), &memory, [1], 1));
    }
}

//! How much one client may use at a time of something that all clients share: a quarter of the whole, for
//! each connection and for each network of clients. The connection of a trusted proxy has the requests of many
//! clients, so it is not counted.
//!
//! A client that uses up its share, because it reads slowly or not at all, waits or is rejected. The others
//! keep three quarters. Two things are divided:
//!
//! - the database connections for lists: see `subscriber`
//! - the memory for pages: see `pages`
//!
//! Imports `clients`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clients::{Client, Network};

/// How many clients with a full share use up the whole.
const CLIENTS: usize = 4;

/// What a share belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Connection(u64),
    Network(Network),
}

/// The free units of each share of which a unit is in use or waited for.
type Free = HashMap<Holder, Arc<Semaphore>>;

/// The shares of all clients; cheap to clone.
#[derive(Clone)]
pub(super) struct Shares {
    /// The number of units of each share.
    size: usize,
    free: Arc<Mutex<Free>>,
}

/// One unit of the shares of a client. It returns when it is dropped.
pub(super) struct Unit {
    _held: Vec<Held>,
}

impl Shares {
    /// The shares of `whole` units.
    pub(super) fn of(whole: usize) -> Self {
        Self {
            size: (whole / CLIENTS).max(1),
            free: Arc::default(),
        }
    }

    /// Waits for a unit of the shares of `client`. Only requests of the same client delay it.
    pub(super) async fn wait(&self, client: &Client) -> Unit {
        let mut units = Vec::new();
        // In one order, so that no two requests wait for each other.
        for holder in holders(client) {
            let (mut held, free) = self.holder(holder);
            let permit = free.acquire_owned().await;
            held.permit = Some(permit.expect("the semaphores are never closed"));
            units.push(held);
        }
        Unit { _held: units }
    }

    /// A unit of the shares of `client`; `None` when all of them are in use.
    pub(super) fn try_take(&self, client: &Client) -> Option<Unit> {
        let taken = holders(client).map(|holder| {
            let (mut held, free) = self.holder(holder);
            held.permit = Some(free.try_acquire_owned().ok()?);
            Some(held)
        });
        Some(Unit {
            _held: taken.collect::<Option<_>>()?,
        })
    }

    /// A unit that is not taken yet, and the semaphore to take it from.
    fn holder(&self, holder: Holder) -> (Held, Arc<Semaphore>) {
        let new = || Arc::new(Semaphore::new(self.size));
        let free = Arc::clone(lock(&self.free).entry(holder).or_insert_with(new));
        let held = Held {
            free: Arc::clone(&self.free),
            holder,
            permit: None,
        };
        (held, free)
    }
}

fn holders(client: &Client) -> impl Iterator<Item = Holder> + use<> {
    let connection = client.connection.map(Holder::Connection);
    let network = client.network.map(Holder::Network);
    [connection, network].into_iter().flatten()
}

fn lock(free: &Mutex<Free>) -> MutexGuard<'_, Free> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One unit of one share, or the attempt to take it.
struct Held {
    free: Arc<Mutex<Free>>,
    holder: Holder,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Held {
    /// Forgets the share when no unit of it is in use or waited for.
    fn drop(&mut self) {
        let mut free = lock(&self.free);
        drop(self.permit.take());
        let semaphore = free.get(&self.holder);
        if semaphore.is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            free.remove(&self.holder);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::IpAddr;

    use futures_util::FutureExt;

    use super::*;

    fn client(connection: impl Into<Option<u64>>, network: Option<&str>) -> Client {
        let address: IpAddr = network.unwrap_or("127.0.0.1").parse().unwrap();
        Client {
            connection: connection.into(),
            address,
            network: network.map(|_| address.into()),
        }
    }

    #[test]
    fn a_network_has_a_quarter_however_many_connections_it_has() {
        let shares = Shares::of(8);
        let of = |connection, network| shares.try_take(&client(connection, Some(network)));
        let held = [of(1, "192.0.2.1").unwrap(), of(2, "192.0.2.1").unwrap()];
        assert!(of(3, "192.0.2.1").is_none());
        assert!(of(4, "192.0.2.2").is_some());
        drop(held);
        assert!(of(3, "192.0.2.1").is_some());
        assert!(lock(&shares.free).is_empty(), "no share is in use");
    }

    #[test]
    fn a_connection_has_a_quarter_also_without_a_network() {
        let shares = Shares::of(8);
        let of = |connection| shares.try_take(&client(connection, None));
        let _held = [of(1).unwrap(), of(1).unwrap()];
        assert!(of(1).is_none());
        assert!(of(2).is_some());
    }

    #[test]
    fn clients_behind_a_proxy_are_counted_by_their_networks_only() {
        let shares = Shares::of(8);
        let of = |network| shares.try_take(&client(None, network));
        let _held = [1, 2].map(|_| of(Some("192.0.2.1")).unwrap());
        assert!(of(Some("192.0.2.1")).is_none());
        assert!(of(Some("192.0.2.2")).is_some());
        let _held = [1, 2, 3].map(|_| of(None).unwrap());
    }

    #[tokio::test]
    async fn a_client_waits_only_for_its_own_share() {
        let shares = Shares::of(4);
        let one = client(1, None);
        let held = shares.wait(&one).await;
        let mut next = Box::pin(shares.wait(&one));
        assert!(next.as_mut().now_or_never().is_none());
        drop(shares.wait(&client(2, None)).await);
        drop(held);
        drop(next.await);
        drop(Box::pin(shares.wait(&one)).now_or_never());
        assert!(lock(&shares.free).is_empty(), "no share is in use");
    }
}

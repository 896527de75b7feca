//! The slots of connections: how many connections there are at a time, how many of them one network may
//! have, and which one is closed when there is no slot left, in all or for the network.
//!
//! Imports `server::timer`, and `clients` for [`Network`].

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clients::Network;

use super::Limits;
use super::timer::{ClientTimer, Vacancy};

/// The shortest time between two warnings of one kind.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);
/// One network has at most this part of the slots, whatever the setting says.
const LARGEST_SHARE: usize = 4;
/// A network may have more connections than its share by this part of it, while idle ones that were asked to
/// close have not ended: the share divided by this.
const OVERSHOOT: usize = 8;
/// How many idle connections one search finds, so that not every accept needs a search.
const FOUND_AT_ONCE: usize = 64;

/// All slots.
pub(super) struct Slots {
    total: usize,
    share: usize,
    limits: Limits,
    taken: Mutex<Taken>,
    vacancy: Arc<Vacancy>,
}

#[derive(Default)]
struct Taken {
    /// The number of the next connection.
    next: u64,
    connections: HashMap<u64, Connection>,
    networks: HashMap<Network, Share>,
    /// The connections that had been idle longest at the last search, the longest last, and since when.
    idle: Vec<(u64, Instant)>,
    /// The connection that was asked to close last.
    asked: Option<u64>,
    warned: Option<Instant>,
}

struct Connection {
    timer: Arc<ClientTimer>,
    /// What the connection is counted by.
    network: Option<Network>,
}

/// The connections of one network.
#[derive(Default)]
struct Share {
    /// Their numbers.
    connections: HashSet<u64>,
    /// How many connections were refused since the last warning.
    refused: u64,
    /// How many idle connections were asked to close since the last warning.
    closed: u64,
    warned: Option<Instant>,
}

/// A slot that is taken by a connection, until it is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    /// The timer of the connection, which knows whether it is idle.
    pub(super) timer: Arc<ClientTimer>,
}

impl Slots {
    /// `total` slots with the limits for clients.
    pub(super) fn new(total: usize, limits: &Limits) -> Arc<Self> {
        let largest_share = (total / LARGEST_SHARE).max(1);
        Arc::new(Self {
            total,
            share: limits.address_connections.clamp(1, largest_share),
            limits: *limits,
            taken: Mutex::default(),
            vacancy: Arc::default(),
        })
    }

    /// Whether `network` may have another connection. If it has its share of them, the one that has been idle
    /// longest is asked to close. While none is idle, the new connection counts as refused.
    pub(super) fn admit(&self, network: Network) -> bool {
        self.taken().admit(network, self.share)
    }

    /// Takes a slot. When there is none, it asks the connection that has been idle longest to close, and
    /// waits; only while requests are in progress on all connections does this take long.
    pub(super) async fn take(self: &Arc<Self>, network: Option<Network>) -> Slot {
        loop {
            // Before the search: what changes after it is announced.
            self.vacancy.set_awaited(true);
            if let Some(slot) = self.try_take(network) {
                self.vacancy.set_awaited(false);
                return slot;
            }
            self.ask_one_to_close();
            self.vacancy.announced().await;
        }
    }

    /// Takes a slot if there is one.
    pub(super) fn try_take(self: &Arc<Self>, network: Option<Network>) -> Option<Slot> {
        let mut taken = self.taken();
        if taken.connections.len() >= self.total {
            return None;
        }
        let vacancy = Arc::clone(&self.vacancy);
        let timer = ClientTimer::start(&self.limits, vacancy);
        let number = taken.next;
        taken.next += 1;
        let connection = Connection {
            timer: Arc::clone(&timer),
            network,
        };
        taken.connections.insert(number, connection);
        if let Some(network) = network {
            taken.count_by(network, number);
        }
        Some(Slot {
            slots: Arc::clone(self),
            number,
            timer,
        })
    }

    /// Asks the connection that has been idle longest to close, unless one has been asked already.
    fn ask_one_to_close(&self) {
        let mut taken = self.taken();
        let timer = |taken: &Taken, number| {
            let connection = taken.connections.get(&number);
            connection.map(|connection| Arc::clone(&connection.timer))
        };
        let asked = taken.asked.and_then(|number| timer(&taken, number));
        if asked.is_some_and(|timer| timer.is_asked_to_close()) {
            return;
        }
        if is_due(taken.warned) {
            let connections = self.total;
            tracing::warn!(
                connections,
                "no connection is free: each new one closes the one that has been idle longest"
            );
            taken.warned = Some(Instant::now());
        }
        loop {
            if taken.idle.is_empty() {
                taken.find_idle();
            }
            let Some((number, since)) = taken.idle.pop() else {
                return;
            };
            // Since the search, the connection may have ended or have had a request.
            if timer(&taken, number).is_some_and(|timer| timer.ask_to_close(since)) {
                taken.asked = Some(number);
                return;
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // No code that holds the lock panics between two changes that belong together.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// See [`Slots::admit`].
    fn admit(&mut self, network: Network, share: usize) -> bool {
        let count = |share: &Share| share.connections.len();
        let connections = self.networks.get(&network).map_or(0, count);
        if connections < share {
            return true;
        }
        let largest = share + share.div_ceil(OVERSHOOT);
        let is_admitted = connections < largest && self.ask_one_of(network);
        self.record_beyond_share(network, is_admitted);
        is_admitted
    }

    /// Counts the connection with this number by `network`.
    fn count_by(&mut self, network: Network, number: u64) {
        let share = self.networks.entry(network).or_default();
        share.connections.insert(number);
    }

    /// Asks the connection of `network` that has been idle longest to close, apart from those that were asked
    /// already. Returns `false` if there is none.
    fn ask_one_of(&self, network: Network) -> bool {
        let numbers = self.networks.get(&network).map(|share| &share.connections);
        let timers = numbers
            .into_iter()
            .flatten()
            .filter_map(|number| Some((number, &self.connections.get(number)?.timer)));
        let mut idle: Vec<_> = timers
            .filter(|(_, timer)| !timer.is_asked_to_close())
            .filter_map(|(number, timer)| Some((timer.idle_since()?, number, timer)))
            .collect();
        idle.sort_unstable_by_key(|(since, number, _)| (*since, **number));
        // Since the search, a connection may have had a request.
        idle.iter()
            .any(|(since, _, timer)| timer.ask_to_close(*since))
    }

    /// Counts a connection that `network` has beyond its share, and warns of it.
    fn record_beyond_share(&mut self, network: Network, is_admitted: bool) {
        let Some(share) = self.networks.get_mut(&network) else {
            return;
        };
        if is_admitted {
            share.closed += 1;
        } else {
            share.refused += 1;
            tracing::debug!(%network, "refused a connection: its network has its share of the slots");
        }
        if is_due(share.warned) {
            tracing::warn!(
                %network,
                connections = share.connections.len(),
                closed = share.closed,
                refused = share.refused,
                "one network has its share of the connections: a further one closes the one that has been \
                 idle longest, or is refused; see ADDRESS_CONNECTIONS"
            );
            (share.closed, share.refused) = (0, 0);
            share.warned = Some(Instant::now());
            self.forget_networks();
        }
    }

    /// Searches all connections for those that have been idle longest. Connections without a network,
    /// which are not limited, are found only if there is no other.
    fn find_idle(&mut self) {
        let mut idle: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(number, connection)| {
                let since = connection.timer.idle_since()?;
                Some((connection.network.is_none(), since, *number))
            })
            .collect();
        idle.sort_unstable();
        let is_limited = idle.first().is_some_and(|(is_exempt, ..)| !is_exempt);
        if is_limited {
            idle.retain(|(is_exempt, ..)| !is_exempt);
            idle.truncate(FOUND_AT_ONCE);
        } else {
            // Before the next one, connections with a network may have become idle.
            idle.truncate(1);
        }
        idle.sort_unstable_by_key(|(_, since, number)| Reverse((*since, *number)));
        let idle = idle.into_iter().map(|(_, since, number)| (number, since));
        self.idle = idle.collect();
    }

    /// Forgets the networks that have no connection, except those with a recent warning, so that there
    /// is no other warning soon.
    fn forget_networks(&mut self) {
        self.networks
            .retain(|_, share| !share.connections.is_empty() || !is_due(share.warned));
    }
}

impl Slot {
    /// Counts the connection, which was counted by no network, by `network`. Returns `false` if the network may
    /// not have another one, as [`Slots::admit`].
    pub(super) fn count_by(&self, network: Network) -> bool {
        let mut taken = self.slots.taken();
        let is_admitted = taken.admit(network, self.slots.share);
        if is_admitted && let Some(connection) = taken.connections.get_mut(&self.number) {
            connection.network = Some(network);
            taken.count_by(network, self.number);
        }
        is_admitted
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        let connection = taken.connections.remove(&self.number);
        if let Some(network) = connection.and_then(|connection| connection.network)
            && let Some(share) = taken.networks.get_mut(&network)
        {
            share.connections.remove(&self.number);
            if share.connections.is_empty() && is_due(share.warned) {
                taken.networks.remove(&network);
            }
        }
        drop(taken);
        self.slots.vacancy.announce();
    }
}

/// Whether another warning may follow the one at `last`.
fn is_due(last: Option<Instant>) -> bool {
    last.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::IpAddr;

    use super::super::timer::Exchange;
    use super::*;
    use crate::api::CutOff;

    #[tokio::test]
    async fn idle_connections_that_do_not_end_are_replaced_only_up_to_a_bound() {
        let limits = Limits {
            address_connections: 16,
            ..Limits::default()
        };
        let slots = Slots::new(4096, &limits);
        let network: Network = IpAddr::from([192, 0, 2, 1]).into();
        let open = || {
            let is_admitted = slots.admit(network);
            is_admitted.then(|| slots.try_take(Some(network)).unwrap())
        };
        let mut held: Vec<Slot> = std::iter::from_fn(open).collect();
        assert_eq!(held.len(), 16 + 2);
        let asked = |slot: &Slot| slot.timer.is_asked_to_close();
        assert_eq!(held.iter().filter(|slot| asked(slot)).count(), 2);
        assert!(asked(&held[0]) && asked(&held[1]), "the oldest");

        // One of them ends, and the other one gets a request.
        drop(held.remove(0));
        let _request = Exchange::begin(&held[0].timer, false, CutOff::default());
        held.push(open().unwrap());
        assert!(asked(&held[1]), "the next one");
        assert!(open().is_none());
    }
}

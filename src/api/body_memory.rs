//! The memory for the bodies of requests: one budget for all of them, and a share of it for one network.
//!
//! Without it the bodies that clients leave unfinished would take as much memory as there are connections.
//!
//! Imports `clients` and `error`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clients::Network;
use crate::error::Error;

/// One network may hold this part of the budget: the whole divided by this.
const SHARES: usize = 4;

/// The budget, in bytes.
pub(super) struct BodyMemory {
    budget: usize,
    held: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    /// The bytes that all bodies hold.
    all: usize,
    /// The bytes that the bodies of a network hold, of each network that holds any.
    networks: HashMap<Network, usize>,
}

impl BodyMemory {
    pub(super) fn new(budget: usize) -> Self {
        Self {
            budget,
            held: Mutex::default(),
        }
    }

    /// The account of one body of a client in `network`; `None` stands for a client that may hold the
    /// whole budget. It holds nothing yet.
    pub(super) fn account(&self, network: Option<Network>) -> Account<'_> {
        Account {
            memory: self,
            network,
            bytes: 0,
        }
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        // Nothing panics while it holds the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes that one body holds, until this is dropped.
pub(super) struct Account<'m> {
    memory: &'m BodyMemory,
    network: Option<Network>,
    bytes: usize,
}

impl Account<'_> {
    /// Changes what the body holds to `bytes`.
    ///
    /// # Errors
    /// `Busy` when the budget, or the share of the network, does not suffice; then nothing is changed.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), Error> {
        let budget = self.memory.budget;
        let mut totals = self.memory.totals();
        let of_network = self.network.and_then(|it| totals.networks.get(&it));
        let others_of_network = of_network.map_or(0, |held| held - self.bytes);
        let others = totals.all - self.bytes;
        if bytes > self.bytes {
            if self.network.is_some() && others_of_network + bytes > budget / SHARES {
                return Err(Error::Busy(
                    "the request bodies of one network exceed their share of the memory",
                ));
            }
            if others + bytes > budget {
                return Err(Error::Busy("the request bodies exceed the memory for them"));
            }
        }
        totals.all = others + bytes;
        if let Some(network) = self.network {
            match others_of_network + bytes {
                0 => totals.networks.remove(&network),
                held => totals.networks.insert(network, held),
            };
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Returns to the budget what the body holds.
    pub(super) fn release(&mut self) {
        // Only growth can fail.
        let _ = self.set(0);
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.release();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn network(last: u8) -> Network {
        IpAddr::from([192, 0, 2, last]).into()
    }

    #[test]
    fn all_bodies_together_hold_at_most_the_budget() {
        let memory = BodyMemory::new(100);
        let mut one = memory.account(None);
        let mut other = memory.account(None);
        one.set(60).unwrap();
        other.set(41).unwrap_err();
        other.set(40).unwrap();
        one.set(61).unwrap_err();
        drop(other);
        one.set(100).unwrap();
        one.set(10).unwrap();
        memory.account(None).set(90).unwrap();
    }

    #[test]
    fn the_bodies_of_one_network_hold_at_most_a_quarter() {
        let memory = BodyMemory::new(100);
        let mut one = memory.account(Some(network(1)));
        let mut other = memory.account(Some(network(1)));
        one.set(20).unwrap();
        other.set(6).unwrap_err();
        other.set(5).unwrap();
        memory.account(Some(network(2))).set(25).unwrap();
        memory.account(None).set(75).unwrap();
        one.release();
        other.set(25).unwrap();
    }

    #[test]
    fn networks_that_hold_nothing_are_forgotten() {
        let memory = BodyMemory::new(100);
        let mut held = memory.account(Some(network(1)));
        held.set(5).unwrap();
        assert_eq!(memory.totals().networks.len(), 1);
        drop(held);
        memory.account(Some(network(2))).set(26).unwrap_err();
        let totals = memory.totals();
        assert!(totals.networks.is_empty());
        assert_eq!(totals.all, 0);
    }
}

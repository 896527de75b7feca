//! Budgets: something that all clients share, counted in units, and a share of it for one network.
//!
//! Without the share one client could use all units, and all others would be rejected.
//!
//! Imports `clients` and `error`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clients::Network;
use crate::error::Error;

/// One network may use this part of a budget: the whole divided by this.
const SHARES: usize = 4;

/// Why a request is rejected, for the log.
#[derive(Debug, Clone, Copy)]
pub struct Reasons {
    /// All units are in use.
    pub whole: &'static str,
    /// The network uses its share.
    pub share: &'static str,
}

/// A number of units, of which one network uses at most a quarter.
pub struct Budget {
    whole: usize,
    share: usize,
    reasons: Reasons,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// The units that are in use.
    all: usize,
    /// The units of each network that uses any.
    networks: HashMap<Network, usize>,
}

impl Budget {
    /// A budget of `whole` units, none of which is in use.
    #[must_use]
    pub fn new(whole: usize, reasons: Reasons) -> Self {
        Self {
            whole,
            share: (whole / SHARES).max(1),
            reasons,
            used: Mutex::default(),
        }
    }

    /// An account of a client in `network`; `None` stands for a client that may use the whole budget. It
    /// uses nothing yet.
    pub fn account(&self, network: Option<Network>) -> Account<'_> {
        Account {
            budget: self,
            network,
            units: 0,
        }
    }

    /// An account that uses one unit.
    ///
    /// # Errors
    /// `Busy` when the budget, or the share of the network, is used up.
    pub fn take(&self, network: Option<Network>) -> Result<Account<'_>, Error> {
        let mut account = self.account(network);
        account.set(1)?;
        Ok(account)
    }

    /// Fails when no unit is free for `network`, without taking one.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn check(&self, network: Option<Network>) -> Result<(), Error> {
        let used = self.used();
        if used.all < self.share.min(self.whole) {
            // No network can have used up its share: this spares the search for it.
            return Ok(());
        }
        let of_network = network.and_then(|it| used.networks.get(&it));
        self.check_growth(used.all + 1, of_network.map(|units| units + 1))
    }

    /// Fails when so many units in all, or so many units of one network, are too many.
    fn check_growth(&self, all: usize, of_network: Option<usize>) -> Result<(), Error> {
        if of_network.is_some_and(|units| units > self.share) {
            Err(Error::Busy(self.reasons.share))
        } else if all > self.whole {
            Err(Error::Busy(self.reasons.whole))
        } else {
            Ok(())
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // Nothing panics while it holds the lock.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The units that one request uses, until this is dropped.
pub struct Account<'b> {
    budget: &'b Budget,
    network: Option<Network>,
    units: usize,
}

impl Account<'_> {
    /// Changes the units that are in use to `units`.
    ///
    /// # Errors
    /// `Busy` when the budget, or the share of the network, does not suffice; then nothing is changed.
    pub fn set(&mut self, units: usize) -> Result<(), Error> {
        if units == self.units {
            return Ok(());
        }
        let mut used = self.budget.used();
        let Used { all, networks } = &mut *used;
        let changed = |total: usize| total - self.units + units;
        let entry = self.network.map(|network| networks.entry(network));
        let of_network = entry.as_ref().map(|entry| match entry {
            Entry::Occupied(held) => changed(*held.get()),
            Entry::Vacant(_) => units,
        });
        if units > self.units {
            self.budget.check_growth(changed(*all), of_network)?;
        }
        *all = changed(*all);
        match (entry, of_network) {
            (Some(Entry::Occupied(held)), Some(0)) => drop(held.remove()),
            (Some(entry), Some(units)) => drop(entry.insert_entry(units)),
            _ => {}
        }
        self.units = units;
        Ok(())
    }

    /// Returns all units to the budget.
    pub fn release(&mut self) {
        // Only growth can fail.
        let _ = self.set(0);
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn budget(whole: usize) -> Budget {
        let reasons = Reasons {
            whole: "too many",
            share: "too many of one network",
        };
        Budget::new(whole, reasons)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "accounts have an optional network"
    )]
    fn network(last: u8) -> Option<Network> {
        Some(IpAddr::from([192, 0, 2, last]).into())
    }

    #[test]
    fn all_accounts_together_use_at_most_the_whole() {
        let budget = budget(100);
        let mut one = budget.account(None);
        let mut other = budget.account(None);
        one.set(60).unwrap();
        other.set(41).unwrap_err();
        other.set(40).unwrap();
        one.set(61).unwrap_err();
        drop(other);
        one.set(100).unwrap();
        budget.check(None).unwrap_err();
        one.set(10).unwrap();
        budget.check(None).unwrap();
        budget.account(None).set(90).unwrap();
    }

    #[test]
    fn the_accounts_of_one_network_use_at_most_a_quarter() {
        let budget = budget(100);
        let mut one = budget.account(network(1));
        let mut other = budget.account(network(1));
        one.set(20).unwrap();
        other.set(6).unwrap_err();
        other.set(5).unwrap();
        budget.check(network(1)).unwrap_err();
        budget.account(network(2)).set(25).unwrap();
        budget.account(None).set(75).unwrap();
        one.release();
        other.set(25).unwrap();
    }

    #[test]
    fn each_network_may_use_one_unit_of_a_small_budget() {
        let budget = budget(2);
        let held = [1, 2].map(|last| budget.take(network(last)).unwrap());
        budget.take(network(3)).err().unwrap();
        drop(held);
        let _held = budget.take(network(1)).unwrap();
        let reason = budget.take(network(1)).err().unwrap().to_string();
        assert!(reason.ends_with("too many of one network"), "{reason}");
    }

    #[test]
    fn networks_that_use_nothing_are_forgotten() {
        let budget = budget(100);
        let mut held = budget.account(network(1));
        held.set(5).unwrap();
        assert_eq!(budget.used().networks.len(), 1);
        drop(held);
        budget.account(network(2)).set(26).unwrap_err();
        let used = budget.used();
        assert!(used.networks.is_empty());
        assert_eq!(used.all, 0);
    }
}

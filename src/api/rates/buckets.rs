//! The states of a rate limit, one for each client, in memory of a fixed size.
//!
//! Imports `clients`. At most [`MAX_KEYS`] clients have a state of their own; an attacker may have more
//! addresses. A client that comes when all states are in use shares one with its whole region: the
//! addresses with the same first 16 bits (IPv6: 32 bits). So those who send requests already keep their
//! quota, and an attacker with a large network takes the quota only of newcomers from that network.
//! Without the region, newcomers would either have no limit, which is what the attacker wants, or all be
//! refused, which is too.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

use crate::clients::Network;

/// How many clients have a state of their own.
pub(super) const MAX_KEYS: usize = 50_000;

/// How many states the clients beyond them share.
const SHARED: usize = 1024;

/// What a rate limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The network of a client.
    Network(Network),
    /// The id of a user.
    Account(i32),
}

/// The theoretical arrival time of each client's next request, as governor computes it.
#[derive(Default)]
pub(super) struct Buckets {
    states: Mutex<States>,
    /// Random, so that no client can choose the shared state that it has.
    hasher: RandomState,
}

#[derive(Default)]
struct States {
    own: HashMap<Key, Nanos>,
    shared: Vec<Option<Nanos>>,
}

impl Buckets {
    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index of the state that `key` shares with others.
    fn shared(&self, key: Key) -> usize {
        let hash = match key {
            Key::Network(network) => self.hasher.hash_one(network.region()),
            Key::Account(user) => self.hasher.hash_one(user),
        };
        usize::try_from(hash % SHARED as u64).unwrap_or_default()
    }
}

impl StateStore for Buckets {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.lock();
        let States { own, shared } = &mut *states;
        if let Some(state) = own.get_mut(key) {
            let (result, new) = measure(Some(*state))?;
            *state = new;
            return Ok(result);
        }
        if own.len() < MAX_KEYS {
            let (result, new) = measure(None)?;
            own.insert(*key, new);
            return Ok(result);
        }
        shared.resize(SHARED, None);
        let state = &mut shared[self.shared(*key)];
        let (result, new) = measure(*state)?;
        *state = Some(new);
        Ok(result)
    }
}

impl ShrinkableKeyedStateStore<Key> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().own.retain(|_, state| *state > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.lock().own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.lock().own.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
impl Buckets {
    /// The bytes that all states take.
    pub(super) fn bytes(&self) -> usize {
        let states = self.lock();
        // The table has a power of two of places, an eighth of them free, and a byte for each.
        let places = (states.own.capacity() * 8 / 7).next_power_of_two();
        let shared = states.shared.capacity() * size_of::<Option<Nanos>>();
        places * (size_of::<(Key, Nanos)>() + 1) + shared
    }
}

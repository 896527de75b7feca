//! What the pools do when the server refuses another connection because of a limit
//! (`max_connections`, `max_user_connections`, `MAX_USER_CONNECTIONS`): they work with the
//! connections that they have.
//!
//! Requests that were refused a connection queue up in the order of their arrival, across all pools
//! of the user. The first of the queue tries again whenever a connection becomes free, and every
//! [`INTERVAL`], since connections of other programs count too. So that each pool gets a
//! connection:
//!
//! - A pool without connections takes one from another pool: an idle one, or the next that is
//!   returned.
//! - A pool with connections takes only an idle one, and only from a pool that has more.
//!
//! Imports no other module.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::{self, Object, PoolError, WeakPool};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use crate::deadlines::Limits;

use super::{ConnectError, Connector};

/// How often the first of the queue tries to open a connection although none became free.
const INTERVAL: Duration = Duration::from_millis(20);

/// The queue of the requests that were refused a connection. All pools of one user share it.
#[derive(Default)]
pub(in crate::db) struct Turns {
    /// Held by the first of the queue. A mutex of tokio is fair.
    first: tokio::sync::Mutex<()>,
    /// How many requests are in the queue.
    waiting: AtomicUsize,
    freed: Notify,
    pools: Mutex<Vec<WeakPool<Connector>>>,
    /// The number of the pool that has no connection and needs one, plus 1; or 0.
    in_need: AtomicUsize,
}

impl Turns {
    /// Adds a pool.
    pub(super) fn add_pool(&self, pool: &managed::Pool<Connector>) {
        self.pools().push(pool.weak());
    }

    fn pools(&self) -> MutexGuard<'_, Vec<WeakPool<Connector>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a connection of any pool was returned or closed.
    pub(super) fn note_freed(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.freed.notify_one();
        }
    }

    /// The number of a pool, counted from 1.
    fn number(&self, pool: &managed::Pool<Connector>) -> usize {
        let pools = self.pools();
        let mut pools = pools.iter().map(WeakPool::upgrade);
        let found = pools.position(|other| other.is_some_and(|other| is_same(&other, pool)));
        found.map_or(0, |index| index + 1)
    }

    /// Makes another pool close a connection for `pool`, if it has to (see above).
    fn take_from_others(&self, pool: &managed::Pool<Connector>) {
        let size = pool.status().size;
        let others: Vec<_> = self.pools().iter().filter_map(WeakPool::upgrade).collect();
        let richest = others
            .iter()
            .filter(|other| !is_same(other, pool) && other.status().size > size)
            .filter(|other| other.status().available > 0)
            .max_by_key(|other| other.status().size);
        if let Some(other) = richest {
            let mut is_first = true;
            let closed = other.retain(|_, _| !std::mem::take(&mut is_first));
            drop(closed);
        } else if size == 0 {
            self.in_need.store(self.number(pool), Ordering::Relaxed);
        }
    }
}

fn is_same(one: &managed::Pool<Connector>, other: &managed::Pool<Connector>) -> bool {
    std::ptr::eq(one.manager(), other.manager())
}

/// A connection of `pool` after the server has refused to open another one. The error is the last
/// refusal, after [`Limits::pool`], or another error of the server.
pub(super) async fn wait_for_connection(
    pool: &managed::Pool<Connector>,
    limits: Limits,
    mut refusal: ConnectError,
) -> Result<Object<Connector>, ConnectError> {
    let turns = Arc::clone(&pool.manager().turns);
    let deadline = Instant::now() + limits.pool;
    let _waiting = Waiting::begin(&turns);
    let Ok(_first) = timeout_at(deadline, turns.first.lock()).await else {
        return Err(refusal);
    };
    while Instant::now() < deadline {
        turns.take_from_others(pool);
        match pool.get().await {
            Ok(object) => {
                turns.in_need.store(0, Ordering::Relaxed);
                return Ok(object);
            }
            Err(PoolError::Backend(error)) if error.is_full() => refusal = error,
            Err(PoolError::Backend(error)) => return Err(error),
            Err(error) => return Err(ConnectError::Unreachable(error.to_string())),
        }
        // The server closes a connection some time after this program does.
        let _ = timeout(INTERVAL, turns.freed.notified()).await;
    }
    turns.in_need.store(0, Ordering::Relaxed);
    Err(refusal)
}

/// Counts a request in the queue, also if its future is dropped.
struct Waiting<'t>(&'t Turns);

impl<'t> Waiting<'t> {
    fn begin(turns: &'t Turns) -> Self {
        turns.waiting.fetch_add(1, Ordering::Relaxed);
        Self(turns)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns a connection to its pool, or closes it for a pool that has none.
pub(super) fn give_back(object: Object<Connector>) {
    let Some(pool) = Object::pool(&object) else {
        return;
    };
    let turns = &pool.manager().turns;
    if turns.waiting.load(Ordering::Relaxed) == 0 {
        return;
    }
    let in_need = turns.in_need.load(Ordering::Relaxed);
    if in_need != 0 && in_need != turns.number(&pool) {
        turns.in_need.store(0, Ordering::Relaxed);
        drop(Object::take(object));
    } else {
        drop(object);
    }
    turns.note_freed();
}

//! The memory for responses whose clients have not read them: one budget for all of them, and a share of it
//! for each network, or for each connection of a client without limits for its network.
//!
//! Without it, clients that do not read would keep as much memory as they may send requests. The chunks of
//! long lists are counted elsewhere (see `lists`).
//!
//! Imports `clients` and `error`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use poem::http::header;
use poem::{Body, Response};

use crate::clients::{Client, Network};
use crate::error::Error;

/// The budget, in bytes.
const BUDGET: usize = 64 * 1024 * 1024;

/// One network, or one connection, may hold this part of the budget: the whole divided by this.
const SHARES: usize = 4;

/// Responses up to this size are not counted. There are at most as many of them as requests in progress.
const UNCOUNTED: usize = 1024;

/// What a share belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Connection(u64),
    Network(Network),
}

/// Whose share the responses of `client` are counted in. The connections of a proxy have none, since they
/// carry the responses of many clients, nor has a client without limits that a proxy names.
fn holder(client: &Client) -> Option<Holder> {
    let connection = client.connection.map(Holder::Connection);
    client.network.map(Holder::Network).or(connection)
}

/// The budget and who holds what of it; cheap to clone.
#[derive(Clone)]
pub(super) struct ResponseMemory(Arc<Ledger>);

struct Ledger {
    budget: usize,
    held: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    /// The bytes of all responses.
    all: usize,
    /// The bytes of each holder that holds any.
    holders: HashMap<Holder, usize>,
}

impl Default for ResponseMemory {
    fn default() -> Self {
        Self::of(BUDGET)
    }
}

impl ResponseMemory {
    fn of(budget: usize) -> Self {
        Self(Arc::new(Ledger {
            budget,
            held: Mutex::default(),
        }))
    }

    /// Fails when the client may not be sent another response, before there is one.
    ///
    /// # Errors
    /// `Busy` when the budget, or a share of the client, is used up.
    pub(super) fn check(&self, client: &Client) -> Result<(), Error> {
        self.0.totals().check(client, 1, self.0.budget)
    }

    /// Counts so many bytes for the client until the result is dropped.
    ///
    /// # Errors
    /// `Busy` when the budget, or a share of the client, does not suffice.
    fn try_hold(&self, client: &Client, bytes: usize) -> Result<Held, Error> {
        let mut totals = self.0.totals();
        totals.check(client, bytes, self.0.budget)?;
        Ok(self.count(&mut totals, client, bytes))
    }

    /// Counts so many bytes for the client as long as half of the budget, and half of each share of the
    /// client, suffice: for memory that a response can do without, so that it does not displace responses.
    pub(super) fn try_hold_spare(&self, client: &Client, bytes: usize) -> Option<Held> {
        let mut totals = self.0.totals();
        totals.check(client, bytes, self.0.budget / 2).ok()?;
        Some(self.count(&mut totals, client, bytes))
    }

    /// Counts so many bytes for the client, also beyond the budget.
    fn hold(&self, client: &Client, bytes: usize) -> Held {
        self.count(&mut self.0.totals(), client, bytes)
    }

    fn count(&self, totals: &mut Totals, client: &Client, bytes: usize) -> Held {
        totals.all += bytes;
        let holder = holder(client);
        if let Some(holder) = holder {
            *totals.holders.entry(holder).or_default() += bytes;
        }
        Held {
            ledger: Arc::clone(&self.0),
            holder,
            bytes,
        }
    }

    /// Counts the body of a response, if its length is known, until all of its bytes have been written to
    /// the client. If the response `is_final`, since it reports a change, it is counted beyond the budget.
    ///
    /// # Errors
    /// `Busy` when the budget, or a share of the client, does not suffice.
    pub(super) async fn count_body(
        &self,
        client: &Client,
        mut response: Response,
        is_final: bool,
    ) -> Result<Response, Error> {
        let length = response.header(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.parse::<usize>().ok());
        let Some(length) = length.filter(|length| *length > UNCOUNTED) else {
            return Ok(response);
        };
        let held = if is_final {
            self.hold(client, length)
        } else {
            self.try_hold(client, length)?
        };
        let body = response.take_body().into_bytes().await;
        let bytes = body.map_err(|error| Error::Internal(error.into()))?;
        response.set_body(Body::from_bytes(Bytes::from_owner(Counted {
            bytes,
            _held: held,
        })));
        Ok(response)
    }
}

impl Ledger {
    fn totals(&self) -> MutexGuard<'_, Totals> {
        // Nothing panics while it holds the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    fn check(&self, client: &Client, bytes: usize, budget: usize) -> Result<(), Error> {
        if self.all + bytes > budget {
            let why = "the responses that clients have not read exceed the memory for them";
            return Err(Error::Busy(why));
        }
        let Some(holder) = holder(client) else {
            return Ok(());
        };
        let held = self.holders.get(&holder).copied();
        if held.unwrap_or_default() + bytes > budget / SHARES {
            let why = "the responses that one client has not read exceed its share of the memory";
            return Err(Error::Busy(why));
        }
        Ok(())
    }
}

/// Bytes that are counted, until this is dropped.
pub(super) struct Held {
    ledger: Arc<Ledger>,
    holder: Option<Holder>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut totals = self.ledger.totals();
        totals.all -= self.bytes;
        if let Some(holder) = self.holder
            && let Some(held) = totals.holders.get_mut(&holder)
        {
            *held -= self.bytes;
            if *held == 0 {
                totals.holders.remove(&holder);
            }
        }
    }
}

/// The body of a response.
struct Counted {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::IpAddr;

    use super::super::responses::json_bytes;
    use super::*;
    use poem::http::StatusCode;

    fn client(connection: u64, network: Option<u8>) -> Client {
        let address = IpAddr::from([192, 0, 2, network.unwrap_or_default()]);
        Client {
            connection: Some(connection),
            address,
            network: network.map(|_| address.into()),
        }
    }

    #[test]
    fn a_network_holds_at_most_a_quarter_and_so_does_a_connection_without_one() {
        let memory = ResponseMemory::of(100);
        let hold =
            |connection, network, bytes| memory.try_hold(&client(connection, network), bytes).ok();
        let _one = hold(1, None, 20).unwrap();
        assert!(hold(1, None, 6).is_none());
        let _two = hold(2, Some(2), 20).unwrap();
        assert!(hold(3, Some(2), 6).is_none());
        // Another client behind the same proxy.
        let _three = hold(2, Some(3), 25).unwrap();
        assert!(memory.check(&client(4, Some(3))).is_err());
        assert!(memory.check(&client(4, Some(4))).is_ok());
        // A client without limits, behind a proxy.
        let unlimited = Client {
            connection: None,
            ..client(0, None)
        };
        assert!(memory.try_hold(&unlimited, 35).is_ok());
    }

    #[test]
    fn what_responses_can_do_without_takes_at_most_half() {
        let memory = ResponseMemory::of(80);
        let client = client(1, None);
        let _held = memory.try_hold_spare(&client, 10).unwrap();
        assert!(memory.try_hold_spare(&client, 1).is_none());
        assert!(memory.try_hold(&client, 10).is_ok());
    }

    #[test]
    fn all_clients_hold_at_most_the_budget() {
        let memory = ResponseMemory::of(100);
        let held: Vec<_> = (0..5)
            .map(|it| memory.hold(&client(it, None), 20))
            .collect();
        assert!(memory.check(&client(9, None)).is_err());
        drop(held);
        assert!(memory.check(&client(9, None)).is_ok());
        assert!(memory.0.totals().holders.is_empty());
    }

    #[tokio::test]
    async fn a_body_is_counted_until_its_last_byte_is_dropped() {
        let memory = ResponseMemory::of(8 * UNCOUNTED);
        let client = client(1, None);
        let response = || json_bytes(StatusCode::OK, vec![b' '; 2 * UNCOUNTED].into());
        let first = memory.count_body(&client, response(), false).await.unwrap();
        let mut bytes = first.into_body().into_bytes().await.unwrap();
        let end = bytes.split_off(bytes.len() - 1);
        drop(bytes);
        let second = memory.count_body(&client, response(), false).await;
        assert!(matches!(second, Err(Error::Busy(_))));
        let change = memory.count_body(&client, response(), true).await;
        drop(change.unwrap());
        drop(end);
        let third = memory.count_body(&client, response(), false).await;
        assert!(third.is_ok());
    }

    #[tokio::test]
    async fn small_bodies_are_not_counted() {
        let memory = ResponseMemory::of(0);
        let response = json_bytes(StatusCode::OK, vec![b' '; UNCOUNTED].into());
        let counted = memory.count_body(&client(1, None), response, false).await;
        assert!(counted.is_ok());
    }
}

//! Rate limits: how many requests of a class a client may send in a time, and how many rows of lists it
//! may read.
//!
//! Imports `clients`, `contract` and `failures`. `CLASSES` says which operations are in which class. Requests
//! that are refused before this stage (401, 403) are not counted.
//!
//! | class   | counted by                                | refused when                                |
//! |---------|-------------------------------------------|---------------------------------------------|
//! | login   | the network                               | the quota is used up                        |
//! | sign-up | the network; with an account it is a write | the quota is used up                        |
//! | write   | the network, and the account              | one of both quotas is used up               |
//! | list    | the network, in rows, without an account  | more rows were sent than the quota has      |
//!
//! A client in `ADDRESS_LIMIT_EXEMPT` has no limits, whatever its account. Failed logins are also counted by
//! account in the database, for every client (see `db::logins`). The states are those of this process:
//! several replicas allow several times as much.
//!
//! - `buckets`: the memory, and what happens when it is full
//! - `limiter`: one limit
//! - `quota`: the settings

mod buckets;
mod limiter;
mod quota;

use std::sync::Arc;

use crate::clients::Network;
use crate::contract::Operation;

use super::failures::Failure;

use buckets::Key;
use limiter::{Limiter, Standing, Unit};

pub(super) use limiter::Fields;
pub use quota::{Quota, Quotas};

/// The classes of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Verifies a secret that can be guessed.
    Login,
    /// Adds a user.
    SignUp,
    /// Changes something.
    Write,
    /// Reads a list.
    List,
    /// Reads one row. There is no limit.
    Read,
}

/// The class of each operation, by its `operationId`. The most frequent operations stand first, since the
/// table is searched for each request.
const CLASSES: [(&str, Class); 23] = [
    ("getProduct", Class::Read),
    ("getUser", Class::Read),
    ("getCartItem", Class::Read),
    ("listProducts", Class::List),
    ("listUsers", Class::List),
    ("listCartItems", Class::List),
    ("getUserCart", Class::List),
    ("getProductCarts", Class::List),
    ("createUser", Class::SignUp),
    ("updateUser", Class::Write),
    ("deleteUser", Class::Write),
    ("createProduct", Class::Write),
    ("updateProduct", Class::Write),
    ("deleteProduct", Class::Write),
    ("addCartItem", Class::Write),
    ("removeCartItem", Class::Write),
    ("clearUserCart", Class::Write),
    ("login", Class::Login),
    ("refresh", Class::Login),
    ("logout", Class::Write),
    ("logoutAll", Class::Write),
    ("getMe", Class::Read),
    ("changePassword", Class::Login),
];

fn class(operation: &str) -> Option<Class> {
    let row = CLASSES.iter().find(|(id, _)| *id == operation);
    row.map(|(_, class)| *class)
}

/// The rate limits of the service; those that are off are `None`.
pub(super) struct Rates {
    is_on: bool,
    login: Option<Limiter>,
    sign_up: Option<Limiter>,
    writes: Option<Limiter>,
    writes_of_account: Option<Limiter>,
    rows: Option<Arc<Limiter>>,
}

impl Rates {
    pub(super) fn new(quotas: Quotas) -> Self {
        let requests = |name, quota: Option<Quota>| {
            quota.map(|quota| Limiter::new(name, quota, Unit::Requests))
        };
        let rows = |quota| Arc::new(Limiter::new("rows", quota, Unit::Rows));
        Self {
            is_on: quotas != Quotas::OFF,
            login: requests("login", quotas.login),
            sign_up: requests("sign-up", quotas.sign_up),
            writes: requests("writes", quotas.writes),
            writes_of_account: requests("account-writes", quotas.writes),
            rows: quotas.rows.map(rows),
        }
    }

    /// Counts a request, and puts what its limit allows into `fields`. Of two limits, that is the one that
    /// allows less. Returns the meter for the rows of the response, if they are limited.
    ///
    /// `network` is `None` for a client without limits. `account` is the id of the user who sent the request,
    /// if that is known.
    ///
    /// # Errors
    /// 429 when a quota is used up.
    pub(super) fn check(
        &self,
        operation: &Operation,
        network: Option<Network>,
        account: Option<i32>,
        fields: &mut Option<Fields>,
    ) -> Result<Option<RowMeter>, Failure> {
        let Some(network) = network.filter(|_| self.is_on) else {
            return Ok(None);
        };
        let class = class(&operation.id);
        let network = Key::Network(network);
        let limits = match (class, account) {
            (Some(Class::Login), _) => [(self.login.as_ref(), Some(network)), (None, None)],
            (Some(Class::SignUp), None) => [(self.sign_up.as_ref(), Some(network)), (None, None)],
            (Some(Class::SignUp | Class::Write), account) => [
                (self.writes.as_ref(), Some(network)),
                (self.writes_of_account.as_ref(), account.map(Key::Account)),
            ],
            (Some(Class::List), None) => [(self.rows.as_deref(), Some(network)), (None, None)],
            (Some(Class::List | Class::Read) | None, _) => return Ok(None),
        };
        let mut least: Option<(&Limiter, Standing)> = None;
        for (limiter, key) in limits {
            let Some((limiter, key)) = limiter.zip(key) else {
                continue;
            };
            let standing = limiter.take(key);
            if least.is_none_or(|(_, least)| standing.allows_less_than(least)) {
                least = Some((limiter, standing));
            }
            if standing.is_refused {
                break;
            }
        }
        let Some((limiter, standing)) = least else {
            return Ok(None);
        };
        *fields = Some(limiter.fields(standing));
        if standing.is_refused {
            return Err(Failure::rate_limited(standing.seconds));
        }
        let rows = self.rows.clone().filter(|_| class == Some(Class::List));
        Ok(rows.map(|limiter| RowMeter { limiter, network }))
    }
}

/// Counts the rows of a response for the client that gets it.
#[derive(Clone)]
pub struct RowMeter {
    limiter: Arc<Limiter>,
    network: Key,
}

impl RowMeter {
    /// Counts rows that are sent.
    pub(super) fn count(&self, rows: usize) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.limiter.overdraw(self.network, rows);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use poem::http::{HeaderMap, StatusCode};

    use super::super::contracts;
    use super::*;

    fn network(last: u8) -> Network {
        IpAddr::from(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    fn rates(settings: [&str; 4]) -> Rates {
        Rates::new(Quotas::parse(settings.map(Some), true).unwrap())
    }

    /// The result for a request, and the name of the limit in its response.
    fn check(
        rates: &Rates,
        operation: &str,
        network: Option<Network>,
        account: Option<i32>,
    ) -> (Result<Option<RowMeter>, StatusCode>, String) {
        let mut operations = contracts::operations();
        let operation = operations.find(|it| it.id == operation).unwrap();
        let mut fields = None;
        let result = rates.check(operation, network, account, &mut fields);
        let mut headers = HeaderMap::new();
        if let Some(fields) = fields {
            fields.add_to(&mut headers);
        }
        let policy = headers.get("ratelimit-policy");
        let policy = policy.map_or("", |policy| policy.to_str().unwrap());
        let name = policy.split('"').nth(1).unwrap_or_default().to_owned();
        let result = result.map_err(|failure| failure.response().status());
        (result, name)
    }

    fn is_refused(rates: &Rates, operation: &str, last: u8, account: Option<i32>) -> bool {
        match check(rates, operation, Some(network(last)), account).0 {
            Ok(_) => false,
            Err(status) => status == StatusCode::TOO_MANY_REQUESTS,
        }
    }

    #[test]
    fn every_operation_of_every_contract_has_a_class() {
        for operation in contracts::operations() {
            assert!(class(&operation.id).is_some(), "{}", operation.id);
        }
    }

    #[test]
    fn an_operation_that_changes_something_is_limited() {
        for operation in contracts::operations().filter(|it| it.method != "GET") {
            let class = class(&operation.id);
            let is_limited = !matches!(class, Some(Class::Read | Class::List));
            assert!(is_limited, "{}", operation.id);
        }
    }

    #[test]
    fn each_class_has_its_quota_for_each_network() {
        let rates = rates(["off", "1/d", "2/d", "off"]);
        assert!(!is_refused(&rates, "createUser", 1, None));
        assert!(is_refused(&rates, "createUser", 1, None));
        assert!(!is_refused(&rates, "createUser", 2, None));
        assert!(!is_refused(&rates, "addCartItem", 1, None));
        assert!(!is_refused(&rates, "deleteProduct", 1, None));
        assert!(is_refused(&rates, "deleteProduct", 1, None));
        assert!(is_refused(&rates, "clearUserCart", 1, None));
        for unlimited in ["getProduct", "listProducts", "getUserCart"] {
            let (result, name) = check(&rates, unlimited, Some(network(1)), None);
            assert!(result.unwrap().is_none());
            assert_eq!(name, "", "{unlimited}");
        }
    }

    #[test]
    fn an_account_has_one_quota_in_all_networks() {
        let rates = rates(["off", "1/d", "2/d", "off"]);
        for (last, is_over) in [(1, false), (2, false), (3, true)] {
            assert_eq!(is_refused(&rates, "createUser", last, Some(7)), is_over);
        }
        assert!(!is_refused(&rates, "createUser", 3, Some(8)));
        let (_, name) = check(&rates, "addCartItem", Some(network(9)), Some(8));
        assert_eq!(name, "account-writes", "the limit that allows less");
        let (_, name) = check(&rates, "addCartItem", Some(network(9)), Some(9));
        assert_eq!(name, "writes");
    }

    #[test]
    fn rows_are_limited_without_an_account_only() {
        let rates = rates(["off", "off", "off", "100/d"]);
        let (meter, name) = check(&rates, "listProducts", Some(network(1)), None);
        assert_eq!(name, "rows");
        meter.unwrap().unwrap().count(1000);
        assert!(is_refused(&rates, "listProducts", 1, None));
        assert!(!is_refused(&rates, "listProducts", 2, None));
        let (meter, name) = check(&rates, "listProducts", Some(network(1)), Some(7));
        assert!(meter.unwrap().is_none());
        assert_eq!(name, "");
    }

    #[test]
    fn clients_without_limits_and_limits_that_are_off_refuse_nothing() {
        let strict = rates(["1/d", "1/d", "1/d", "1/d"]);
        let off = Rates::new(Quotas::OFF);
        for _ in 0..3 {
            for operation in ["createUser", "addCartItem", "listProducts"] {
                for (rates, network) in [(&strict, None), (&off, Some(network(1)))] {
                    let (result, name) = check(rates, operation, network, Some(7));
                    assert!(result.unwrap().is_none());
                    assert_eq!(name, "");
                }
            }
        }
    }
}

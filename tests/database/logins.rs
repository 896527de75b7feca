//! Attempts to log in, counted by several replicas over one database.

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use ecommerce_api::db::logins::{Attempt, Origin};
use ecommerce_api::db::session::Session;
use ecommerce_api::db::{Database, migrations};
use ecommerce_api::error::Error;
use futures_util::future::join_all;
use tokio::runtime::Runtime;

use crate::server::empty_database;

struct Logins {
    session: Session,
    replicas: [Database; 2],
    runtime: Runtime,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn origin(email: &str, network: &str) -> Origin {
    Origin::new(email, Some(network).filter(|network| !network.is_empty()))
}

impl Logins {
    fn open() -> Self {
        let database = empty_database();
        let mut session = database.session();
        migrations::run(&mut session).unwrap();
        let replica = || Database::new(&database.url.async_opts(), 16, 1);
        Self {
            replicas: [replica(), replica()],
            runtime: Runtime::new().unwrap(),
            session,
        }
    }

    /// Begins an attempt on one of the replicas.
    fn begin(&self, replica: usize, email: &str, network: &str) -> Result<Attempt, Error> {
        let begun = self.replicas[replica % 2].begin_login(origin(email, network));
        self.runtime.block_on(begun)
    }

    fn fail(&self, times: usize, email: &str, network: &str) {
        for time in 0..times {
            drop(self.begin(time, email, network).unwrap());
        }
    }

    /// The seconds to wait; 0 for an attempt that is allowed, and succeeds if `is_right`.
    fn wait(&self, email: &str, network: &str, is_right: bool) -> u16 {
        match self.begin(0, email, network) {
            Ok(attempt) if is_right => {
                let succeeded = self.replicas[1].login_succeeded(attempt);
                self.runtime.block_on(succeeded).unwrap();
                0
            }
            Ok(_) => 0,
            Err(Error::RateLimited { seconds }) => seconds,
            Err(error) => panic!("{error}"),
        }
    }

    fn rows(&mut self) -> i64 {
        let count = "SELECT COUNT(*) AS number FROM auth_login_attempts";
        self.session.load::<Number>(count).unwrap()[0].number
    }

    /// Lets all rows expire this number of seconds earlier.
    fn age(&mut self, seconds: u32) {
        let sql = format!(
            "UPDATE auth_login_attempts SET expires_at = expires_at - INTERVAL {seconds} SECOND"
        );
        self.session.batch_execute(&sql).unwrap();
    }
}

#[test]
fn replicas_share_the_failures_of_an_account_from_a_network() {
    let mut logins = Logins::open();
    logins.fail(10, "ada@example.com", "192.0.2.1");
    let wait = logins.wait("ADA@example.com", "192.0.2.1", true);
    assert!((800..=900).contains(&wait), "{wait} s");
    assert_eq!(logins.rows(), 10, "a refused attempt does not count");
    // The owner is elsewhere, and the network has other users.
    assert_eq!(logins.wait("ada@example.com", "192.0.2.2", true), 0);
    assert_eq!(logins.wait("bob@example.com", "192.0.2.1", true), 0);
    logins.age(900);
    assert_eq!(logins.wait("ada@example.com", "192.0.2.1", true), 0);
}

#[test]
fn a_success_forgives_the_failures_of_its_account_and_network() {
    let mut logins = Logins::open();
    logins.fail(9, "ada@example.com", "192.0.2.1");
    logins.fail(3, "ada@example.com", "192.0.2.2");
    logins.fail(2, "bob@example.com", "192.0.2.1");
    assert_eq!(logins.wait("ada@example.com", "192.0.2.1", true), 0);
    assert_eq!(logins.rows(), 1 + 3 + 2);
    logins.fail(10, "ada@example.com", "192.0.2.1");
    assert_ne!(logins.wait("ada@example.com", "192.0.2.1", true), 0);
}

#[test]
fn a_network_has_a_hundred_failures_with_all_accounts() {
    let logins = Logins::open();
    for number in 0..25 {
        logins.fail(4, &format!("{number}@example.com"), "192.0.2.1");
    }
    assert!(logins.wait("ada@example.com", "192.0.2.1", true) > 800);
    assert_eq!(logins.wait("ada@example.com", "192.0.2.2", true), 0);
    // Clients without limits have no network.
    for number in 0..25 {
        logins.fail(5, &format!("{number}@example.org"), "");
    }
    assert_eq!(logins.wait("ada@example.com", "", true), 0);
}

#[test]
fn strangers_delay_each_other_and_not_the_owner() {
    let mut logins = Logins::open();
    assert_eq!(logins.wait("ada@example.com", "198.51.100.1", true), 0);
    for number in 0..25 {
        logins.fail(2, "ada@example.com", &format!("192.0.2.{number}"));
    }
    let wait = logins.wait("ada@example.com", "203.0.113.1", true);
    assert!((1..=30).contains(&wait), "{wait} s");
    assert_ne!(logins.wait("ada@example.com", "", true), 0);
    assert_eq!(logins.wait("ada@example.com", "198.51.100.1", true), 0);
    logins.age(30);
    assert_eq!(logins.wait("ada@example.com", "203.0.113.1", false), 0);
    assert_ne!(logins.wait("ada@example.com", "203.0.113.2", true), 0);
}

#[test]
fn attempts_at_the_same_time_count_for_each_other() {
    let mut logins = Logins::open();
    let guesses = (0..64).map(|number| {
        let replica = &logins.replicas[number % 2];
        replica.begin_login(origin("ada@example.com", "192.0.2.1"))
    });
    let results = logins.runtime.block_on(join_all(guesses));
    let allowed = results.iter().filter(|result| result.is_ok()).count();
    assert!(allowed <= 10, "{allowed} attempts were allowed");
    let refused = |result: &Result<Attempt, Error>| {
        matches!(
            result,
            Ok(_) | Err(Error::RateLimited { .. } | Error::Busy(_))
        )
    };
    assert!(results.iter().all(refused), "{results:?}");
    assert_eq!(logins.rows(), i64::try_from(allowed).unwrap());
}

#[test]
fn expired_rows_are_deleted_on_use() {
    let mut logins = Logins::open();
    logins
        .session
        .batch_execute(
            "INSERT INTO auth_login_attempts (account, network, has_succeeded, expires_at)
             SELECT REPEAT('a', 32), NULL, seq % 2, UTC_TIMESTAMP() - INTERVAL 1 SECOND FROM seq_1_to_250",
        )
        .unwrap();
    // Every 32nd attempt of a process deletes 100 rows, in a task of its own.
    let expired =
        "SELECT COUNT(*) AS number FROM auth_login_attempts WHERE expires_at < UTC_TIMESTAMP()";
    for number in 0.. {
        logins.fail(2, &format!("{number}@example.com"), "");
        let left = logins.session.load::<Number>(expired).unwrap()[0].number;
        if left == 0 {
            break;
        }
        assert!(number < 1000, "{left} expired rows are left");
    }
}

#[test]
fn no_email_and_no_address_is_stored() {
    let mut logins = Logins::open();
    logins.fail(1, "ada@example.com", "192.0.2.1");
    let found = "SELECT COUNT(*) AS number FROM auth_login_attempts \
                 WHERE INSTR(account, 'ada') OR INSTR(network, '192.0.2.1')";
    assert_eq!(logins.session.load::<Number>(found).unwrap()[0].number, 0);
}

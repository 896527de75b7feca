//! One rate limit: a quota for each client. Imports `buckets` and `quota`.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota as Bucket, RateLimiter};
use poem::http::{HeaderMap, HeaderName, HeaderValue};

use super::buckets::{Buckets, Key, MAX_KEYS};
use super::quota::Quota;

/// Names of fields in draft-ietf-httpapi-ratelimit-headers-10.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How often the states of clients that have their whole quota again are removed, and how often while all
/// states are in use.
const CLEANING: Duration = Duration::from_mins(1);
const CLEANING_WHEN_FULL: Duration = Duration::from_secs(1);

/// How many windows a client may overdraw its quota. More is forgotten.
const MAX_DEBT: u32 = 60;

/// The largest value of `Retry-After`, in seconds, that the contract allows.
const MAX_WAIT: u64 = 3600;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Requests,
    /// A request may take more than there is, since the number is known only afterwards. Further requests
    /// are refused until that is given back.
    Rows,
}

/// A rate limit.
pub(super) struct Limiter<C: Clock = DefaultClock> {
    name: &'static str,
    quota: Quota,
    unit: Unit,
    policy: HeaderValue,
    /// The capacity of a bucket: the quota, or more if it may be overdrawn.
    capacity: NonZeroU32,
    buckets: RateLimiter<Key, Buckets, C, StateInformationMiddleware>,
    cleaned: Mutex<C::Instant>,
}

/// The state of a limit after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// How many more requests, or rows, the client may take now.
    pub remaining: u32,
    /// The seconds after which it may take more.
    pub seconds: u16,
    pub is_refused: bool,
}

impl Standing {
    pub(super) fn allows_less_than(self, other: Self) -> bool {
        (!self.is_refused, self.remaining) < (!other.is_refused, other.remaining)
    }
}

/// The fields of a response that say what a limit allows.
#[derive(Debug, Clone)]
pub(in crate::api) struct Fields {
    policy: HeaderValue,
    state: HeaderValue,
}

impl Fields {
    /// Adds the fields to those of a response.
    pub(in crate::api) fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT_POLICY, self.policy);
        headers.insert(RATE_LIMIT, self.state);
    }
}

impl Limiter {
    /// A limit with a quota for each client. `name` is for the client.
    pub(super) fn new(name: &'static str, quota: Quota, unit: Unit) -> Self {
        Self::with_clock(name, quota, unit, DefaultClock::default())
    }
}

impl<C: Clock> Limiter<C> {
    pub(super) fn with_clock(name: &'static str, quota: Quota, unit: Unit, clock: C) -> Self {
        let (capacity, unit_parameter) = match unit {
            Unit::Requests => (quota.count, ""),
            Unit::Rows => (
                quota
                    .count
                    .saturating_mul(NonZeroU32::MIN.saturating_add(MAX_DEBT)),
                ";qu=\"rows\"",
            ),
        };
        let bucket = Bucket::with_period(quota.interval().max(Duration::from_nanos(1)));
        let bucket = bucket
            .expect("the period is not zero")
            .allow_burst(capacity);
        let mut policy = format!("\"{name}\";q={}{unit_parameter}", quota.count);
        let _ = write!(policy, ";w={}", quota.window.as_secs());
        Self {
            name,
            quota,
            unit,
            policy: HeaderValue::from_str(&policy).expect("the text is ASCII"),
            capacity,
            cleaned: Mutex::new(clock.now()),
            buckets: RateLimiter::new(bucket, Buckets::default(), clock),
        }
    }

    /// Counts a request of a client, or its first row, unless the quota is used up.
    pub(super) fn take(&self, key: Key) -> Standing {
        self.clean_when_due();
        let interval = self.quota.interval();
        let refused = |wait: Duration| Standing {
            remaining: 0,
            seconds: whole_seconds(wait),
            is_refused: true,
        };
        let taken = match self.buckets.check_key(&key) {
            Ok(state) => self.capacity.get() - state.remaining_burst_capacity(),
            Err(until) => {
                // The wait until the bucket is not empty. An overdrawn quota takes longer.
                let wait = until.wait_time_from(self.buckets.clock().now());
                let depth = self.capacity.get() - self.quota.count.get();
                return refused(wait + interval * depth);
            }
        };
        match self.quota.count.get().checked_sub(taken) {
            Some(remaining) => Standing {
                remaining,
                seconds: whole_seconds(interval),
                is_refused: false,
            },
            None => refused(interval * (taken - self.quota.count.get())),
        }
    }

    /// Takes this many rows from a client's quota, also if there are less.
    pub(super) fn overdraw(&self, key: Key, rows: u32) {
        debug_assert_eq!(self.unit, Unit::Rows);
        // If so many do not fit below the largest debt, about as many are taken as fit.
        let mut rows = rows.min(self.capacity.get());
        while let Some(some) = NonZeroU32::new(rows) {
            if matches!(self.buckets.check_key_n(&key, some), Ok(Ok(_))) {
                return;
            }
            rows /= 2;
        }
    }

    /// The fields of the response to a request after which the limit is in this state.
    pub(super) fn fields(&self, standing: Standing) -> Fields {
        let Standing {
            remaining, seconds, ..
        } = standing;
        let state = format!("\"{}\";r={remaining};t={seconds}", self.name);
        Fields {
            policy: self.policy.clone(),
            state: HeaderValue::from_str(&state).expect("the text is ASCII"),
        }
    }

    /// Removes the states of clients that have their whole quota again, from time to time.
    fn clean_when_due(&self) {
        let now = self.buckets.clock().now();
        let pause = if self.buckets.len() < MAX_KEYS {
            CLEANING
        } else {
            CLEANING_WHEN_FULL
        };
        {
            let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
            if now < *cleaned + pause.into() {
                return;
            }
            *cleaned = now;
        }
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
    }
}

/// A time in seconds, rounded up, as a value of `Retry-After`.
fn whole_seconds(time: Duration) -> u16 {
    let seconds = time
        .as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0));
    u16::try_from(seconds.clamp(1, MAX_WAIT)).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use governor::clock::FakeRelativeClock;

    use crate::clients::Network;

    use super::*;

    fn limiter(quota: &str, unit: Unit) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let quota = quota.parse().unwrap();
        let limiter = Limiter::with_clock("test", quota, unit, clock.clone());
        (limiter, clock)
    }

    fn ipv4(number: u32) -> Key {
        let address = Ipv4Addr::from_bits(number);
        Key::Network(Network::from(IpAddr::from(address)))
    }

    fn ipv6(region: u32, number: u32) -> Key {
        let bits = (u128::from(region) << 96) | (u128::from(number) << 64);
        Key::Network(Network::from(IpAddr::from(Ipv6Addr::from_bits(bits))))
    }

    fn is_refused(limiter: &Limiter<FakeRelativeClock>, key: Key) -> bool {
        limiter.take(key).is_refused
    }

    #[test]
    fn a_client_may_use_its_quota_at_once_and_gets_it_back_evenly() {
        let (limiter, clock) = limiter("3/m", Unit::Requests);
        let standing = |remaining, seconds, is_refused| Standing {
            remaining,
            seconds,
            is_refused,
        };
        for (pause, expected) in [
            (0, standing(2, 20, false)),
            (0, standing(1, 20, false)),
            (0, standing(0, 20, false)),
            (0, standing(0, 20, true)),
            (5, standing(0, 15, true)),
            (15, standing(0, 20, false)),
            (0, standing(0, 20, true)),
            (600, standing(2, 20, false)),
        ] {
            clock.advance(Duration::from_secs(pause));
            assert_eq!(limiter.take(ipv4(1)), expected);
        }
        assert_eq!(limiter.take(ipv4(2)), standing(2, 20, false));
        assert_eq!(limiter.take(Key::Account(1)), standing(2, 20, false));
    }

    #[test]
    fn the_fields_are_those_of_the_draft() {
        let text = |fields: Fields| {
            let mut headers = HeaderMap::new();
            fields.add_to(&mut headers);
            let text = |name| headers.get(name).unwrap().to_str().unwrap().to_owned();
            [text("ratelimit-policy"), text("ratelimit")]
        };
        let (requests, _) = limiter("10/m", Unit::Requests);
        let fields = requests.fields(requests.take(ipv4(1)));
        let expected = [r#""test";q=10;w=60"#, r#""test";r=9;t=6"#];
        assert_eq!(text(fields), expected);
        let (rows, _) = limiter("1000/h", Unit::Rows);
        let fields = rows.fields(rows.take(ipv4(1)));
        let expected = [r#""test";q=1000;qu="rows";w=3600"#, r#""test";r=999;t=4"#];
        assert_eq!(text(fields), expected);
    }

    #[test]
    fn rows_can_be_overdrawn_and_are_paid_back() {
        let (limiter, clock) = limiter("100/m", Unit::Rows);
        let key = ipv4(1);
        assert_eq!(limiter.take(key).remaining, 99);
        limiter.overdraw(key, 1000);
        // 902 rows too many, one of which is that of this request.
        let refused = limiter.take(key);
        assert!(refused.is_refused);
        assert_eq!(refused.seconds, 542);
        clock.advance(Duration::from_secs(541));
        assert!(is_refused(&limiter, key));
        clock.advance(Duration::from_secs(3));
        assert!(!is_refused(&limiter, key));
        assert!(!is_refused(&limiter, ipv4(2)));
    }

    #[test]
    fn a_debt_has_a_bound() {
        let (limiter, clock) = limiter("100/m", Unit::Rows);
        let key = ipv4(1);
        limiter.take(key);
        for _ in 0..10 {
            limiter.overdraw(key, u32::MAX);
        }
        assert_eq!(limiter.take(key).seconds, 3600);
        clock.advance(Duration::from_mins(59));
        assert!(is_refused(&limiter, key), "almost nothing was taken");
        clock.advance(Duration::from_mins(2));
        assert!(!is_refused(&limiter, key));
    }

    #[test]
    fn a_million_addresses_take_a_bounded_memory_and_leave_the_others_their_quota() {
        let (limiter, clock) = limiter("2/h", Unit::Requests);
        let known = ipv4(u32::from_be_bytes([192, 0, 2, 1]));
        assert!(!is_refused(&limiter, known));
        // One /32, with more networks than there are states.
        let passed = (0..1_000_000)
            .filter(|number| !is_refused(&limiter, ipv6(0x2001_0db8, *number)))
            .count();
        assert_eq!(limiter.buckets.len(), MAX_KEYS);
        assert_eq!(passed, MAX_KEYS - 1 + 2, "the rest has one quota together");
        let stranger = ipv6(0x2a00_1450, 1);
        assert!(!is_refused(&limiter, stranger), "of another network");
        assert!(!is_refused(&limiter, known), "known before");
        assert!(is_refused(&limiter, known));

        // Once they have their quota again, nothing is known of them.
        clock.advance(Duration::from_hours(2));
        assert!(!is_refused(&limiter, ipv6(0x2001_0db8, 999_999)));
        assert_eq!(limiter.buckets.len(), 1);
        let store = limiter.buckets.into_state_store();
        assert!(store.bytes() < 64 * 1024, "{} bytes", store.bytes());
    }

    #[test]
    fn all_states_of_a_limit_take_less_than_four_mebibytes() {
        let (limiter, _) = limiter("2/h", Unit::Requests);
        for number in 0..1_000_000 {
            limiter.take(ipv4(number));
        }
        let bytes = limiter.buckets.into_state_store().bytes();
        assert!(bytes < 4 * 1024 * 1024, "{bytes} bytes");
    }

    #[test]
    fn seconds_are_rounded_up_and_bounded() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (3_599_001, 3600)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), 3600);
    }
}

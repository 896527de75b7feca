//! The quotas of the rate limits, as the settings give them. Imports nothing of this program.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// A number of requests or rows in a time. A client may use all of them at once, and gets them back
/// evenly over the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The number.
    pub count: NonZeroU32,
    /// The time.
    pub window: Duration,
}

/// The largest number of a quota, of which one is given back each nanosecond.
const MAX_COUNT: u32 = 1_000_000_000;

impl FromStr for Quota {
    type Err = String;

    /// Parses `10/s`, `10/m`, `10/h` or `10/d`.
    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("{text:?} is not a quota such as 10/m (s, m, h or d), or off");
        let (count, unit) = text.trim().split_once('/').ok_or_else(problem)?;
        let count: NonZeroU32 = count.parse().map_err(|_| problem())?;
        let window = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(problem()),
        };
        if count.get() > MAX_COUNT {
            return Err(format!("{text:?} is more than {MAX_COUNT}"));
        }
        Ok(Self {
            count,
            window: Duration::from_secs(window),
        })
    }
}

impl Quota {
    /// The time after which one request is given back.
    pub(super) fn interval(self) -> Duration {
        self.window / self.count.get()
    }
}

/// The quota of each rate limit; `None` for a limit that is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Requests that verify a password or a refresh token.
    pub login: Option<Quota>,
    /// New users without an account.
    pub sign_up: Option<Quota>,
    /// Requests that change something.
    pub writes: Option<Quota>,
    /// Rows of lists without an account.
    pub rows: Option<Quota>,
}

impl Quotas {
    /// No limits.
    pub const OFF: Self = Self {
        login: None,
        sign_up: None,
        writes: None,
        rows: None,
    };

    /// The quotas for the settings `RATE_LIMIT_LOGIN`, `RATE_LIMIT_SIGN_UP`, `RATE_LIMIT_WRITES` and
    /// `RATE_LIMIT_ROWS`. One that is absent has its default if callers are authenticated, and is off
    /// otherwise.
    ///
    /// # Errors
    /// One line, that names the setting.
    pub fn parse(settings: [Option<&str>; 4], is_authenticated: bool) -> Result<Self, String> {
        let parse = |index: usize, name: &str, default: &str| {
            let default = if is_authenticated { default } else { "off" };
            match settings[index].unwrap_or(default).trim() {
                "off" => Ok(None),
                quota => quota
                    .parse()
                    .map(Some)
                    .map_err(|error: String| format!("{name}: {error}")),
            }
        };
        Ok(Self {
            login: parse(0, "RATE_LIMIT_LOGIN", "20/m")?,
            sign_up: parse(1, "RATE_LIMIT_SIGN_UP", "20/h")?,
            writes: parse(2, "RATE_LIMIT_WRITES", "600/m")?,
            rows: parse(3, "RATE_LIMIT_ROWS", "1000000/h")?,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_number_and_a_unit_of_time() {
        for (text, count, seconds) in [
            ("10/s", 10, 1),
            (" 1/m ", 1, 60),
            ("1000000/h", 1_000_000, 3600),
            ("1000000000/d", 1_000_000_000, 86_400),
        ] {
            let quota: Quota = text.parse().unwrap();
            assert_eq!(quota.count.get(), count, "{text}");
            assert_eq!(quota.window.as_secs(), seconds, "{text}");
            assert!(quota.interval() > Duration::ZERO, "{text}");
        }
        for text in [
            "",
            "10",
            "10/",
            "/m",
            "0/m",
            "-1/m",
            "1.5/m",
            "10/w",
            "10 / m",
            "10/M",
            "5000000000/s",
            "1000000001/d",
        ] {
            let error = text.parse::<Quota>().unwrap_err();
            assert!(error.starts_with(&format!("{text:?} is ")), "{error}");
        }
    }

    #[test]
    fn limits_are_on_by_default_only_if_callers_are_authenticated() {
        assert_eq!(Quotas::parse([None; 4], false), Ok(Quotas::OFF));
        let on = Quotas::parse([None; 4], true).unwrap();
        let all = [on.login, on.sign_up, on.writes, on.rows];
        assert!(all.iter().all(Option::is_some), "{all:?}");
        let off = Quotas::parse([Some("off"); 4], true);
        assert_eq!(off, Ok(Quotas::OFF));
        let some = Quotas::parse([Some("3/h"), None, None, Some("7/s")], false).unwrap();
        assert_eq!((some.sign_up, some.writes), (None, None));
        assert_eq!(some.login, Some("3/h".parse().unwrap()));
        assert_eq!(some.rows, Some("7/s".parse().unwrap()));
    }

    #[test]
    fn a_bad_quota_is_an_error_that_names_its_setting() {
        for (index, name) in ["LOGIN", "SIGN_UP", "WRITES", "ROWS"].iter().enumerate() {
            let mut settings = [None; 4];
            settings[index] = Some("many");
            let error = Quotas::parse(settings, true).unwrap_err();
            assert!(
                error.starts_with(&format!("RATE_LIMIT_{name}: ")),
                "{error}"
            );
        }
    }
}

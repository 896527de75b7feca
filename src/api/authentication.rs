//! Who sends a request: the access token in its header `Authorization`.
//!
//! A token that is not valid is a 401, also where the operation needs none, so that no caller is taken for
//! somebody else by accident. Imports `db` for ended sessions, `tokens`, and the module's `context` and `failures`.

use std::sync::Arc;
use std::time::SystemTime;

use poem::http::{HeaderMap, StatusCode, header};

use crate::db::Database;
use crate::error::Error;
use crate::tokens::Keys;
use crate::violation::{Place, Violation};

use super::context::Caller;
use super::failures::Failure;

/// How callers are authenticated.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Whether requests without a token are restricted.
    pub mode: Mode,
    /// The keys that access tokens are signed with.
    pub keys: Arc<Keys>,
}

/// Whether requests without a token are restricted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Requests without a token may do everything.
    Off,
    /// Requests without a token may do what everyone may.
    Required,
}

impl Authentication {
    /// The caller of a request with these headers.
    ///
    /// # Errors
    /// 400 for several headers `Authorization`; 401 for a token that is not valid, and with
    /// [`Mode::Required`] for credentials that are no token.
    pub(super) fn caller(&self, headers: &HeaderMap, now: SystemTime) -> Result<Caller, Failure> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let Some(line) = lines.next() else {
            return Ok(self.without_token());
        };
        if lines.next().is_some() {
            let violation = Violation::new(Place::Header, "Authorization", "is there twice");
            return Err(Error::Invalid(vec![violation]).into());
        }
        let Some(token) = bearer_token(line.as_bytes()) else {
            // A proxy may have asked for a password that it passes on.
            return match self.mode {
                Mode::Off => Ok(Caller::Anyone),
                Mode::Required => Err(Failure::new(StatusCode::UNAUTHORIZED)),
            };
        };
        let token = std::str::from_utf8(token).unwrap_or_default();
        let bearer = self.keys.verify(token, now).map_err(|why| {
            tracing::debug!(?why, "an access token was refused");
            Failure::invalid_token()
        })?;
        Ok(Caller::Bearer(bearer))
    }

    /// The caller of a request whose token, if there is one, is not looked at.
    pub(super) fn without_token(&self) -> Caller {
        match self.mode {
            Mode::Off => Caller::Anyone,
            Mode::Required => Caller::Anonymous,
        }
    }
}

/// The text after the scheme `Bearer`; `None` for another scheme.
fn bearer_token(credentials: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, token) = credentials.split_at_checked(SCHEME.len())?;
    let is_bearer =
        scheme.eq_ignore_ascii_case(SCHEME) && token.first().is_none_or(|it| *it == b' ');
    is_bearer.then(|| token.trim_ascii())
}

/// Checks that the session of a caller has not ended, although its tokens have not expired.
///
/// # Errors
/// 401 when it has ended; 503 when that is not known at present.
pub(super) async fn check_session(caller: Caller, sessions: &Database) -> Result<(), Failure> {
    let Caller::Bearer(bearer) = caller else {
        return Ok(());
    };
    // Boxed, since it may wait for a query: it is large, and would be copied with the pipeline's future for
    // requests without a token, too.
    if Box::pin(sessions.is_session_ended(bearer.session)).await? {
        return Err(Failure::invalid_token());
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use poem::http::HeaderValue;
    use secrecy::ExposeSecret;

    use crate::tokens::{Bearer, LIFETIME};

    use super::*;

    const BEARER: Bearer = Bearer {
        user: 7,
        is_admin: false,
        session: 1,
    };

    fn authentication(mode: Mode) -> Authentication {
        let keys = Keys::new(&"k".repeat(32).into(), None).unwrap();
        let keys = Arc::new(keys);
        Authentication { mode, keys }
    }

    fn token(now: SystemTime) -> String {
        let token = authentication(Mode::Off).keys.sign(BEARER, now).unwrap();
        token.expose_secret().to_owned()
    }

    /// The caller, or the status and the challenge of the failure.
    fn caller(mode: Mode, lines: &[&[u8]]) -> Result<Caller, (u16, Option<String>)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line).unwrap();
            headers.append(header::AUTHORIZATION, line);
        }
        let caller = authentication(mode).caller(&headers, SystemTime::now());
        caller.map_err(|failure| {
            let response = failure.response();
            let challenge = response.header(header::WWW_AUTHENTICATE);
            (response.status().as_u16(), challenge.map(str::to_owned))
        })
    }

    #[test]
    fn a_caller_without_a_token_is_anonymous_or_anyone() {
        assert_eq!(caller(Mode::Off, &[]), Ok(Caller::Anyone));
        assert_eq!(caller(Mode::Required, &[]), Ok(Caller::Anonymous));
    }

    #[test]
    fn the_bearer_of_a_valid_token_is_the_caller_in_both_modes() {
        let token = token(SystemTime::now());
        for mode in [Mode::Off, Mode::Required] {
            for scheme in ["Bearer", "bearer", "BEARER", "BeArEr  "] {
                let line = format!("{scheme} {token}");
                let caller = caller(mode, &[line.as_bytes()]);
                assert_eq!(caller, Ok(Caller::Bearer(BEARER)), "{scheme}");
            }
        }
    }

    #[test]
    fn a_token_that_is_not_valid_is_a_401_in_both_modes() {
        let valid = token(SystemTime::now());
        let expired = token(SystemTime::now() - LIFETIME - Duration::from_secs(1));
        let invalid = Err((401, Some(r#"Bearer error="invalid_token""#.to_owned())));
        for token in [
            "",
            " ",
            "x",
            &expired,
            &valid[1..],
            &format!("{valid} x"),
            &format!("{valid}, Bearer {valid}"),
            &format!("\"{valid}\""),
            &format!("token={valid}"),
            "\u{1f511}",
        ] {
            for mode in [Mode::Off, Mode::Required] {
                let line = format!("Bearer {token}");
                assert_eq!(caller(mode, &[line.as_bytes()]), invalid, "{token:?}");
            }
        }
        assert_eq!(caller(Mode::Off, &[b"Bearer"]), invalid);
        assert_eq!(caller(Mode::Off, &[b"Bearer \xff"]), invalid);
    }

    #[test]
    fn two_headers_are_a_400_even_if_they_are_equal() {
        let line = format!("Bearer {}", token(SystemTime::now()));
        for other in [line.as_str(), "", "Basic eDp5"] {
            for lines in [
                [line.as_bytes(), other.as_bytes()],
                [other.as_bytes(), line.as_bytes()],
            ] {
                for mode in [Mode::Off, Mode::Required] {
                    assert_eq!(caller(mode, &lines), Err((400, None)));
                }
            }
        }
    }

    #[test]
    fn credentials_that_are_no_token_are_ignored_only_where_everyone_may_do_everything() {
        for line in [
            &b"Basic eDp5"[..],
            b"",
            b"Bear",
            b"BearerX y",
            b"Bearer\ty",
            b"\xff",
        ] {
            assert_eq!(caller(Mode::Off, &[line]), Ok(Caller::Anyone));
            let challenge = Some("Bearer".to_owned());
            assert_eq!(caller(Mode::Required, &[line]), Err((401, challenge)));
        }
    }
}

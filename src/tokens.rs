//! Access tokens: JSON Web Tokens by RFC 9068, signed with HMAC-SHA-256. Signs and verifies; knows no
//! HTTP and no database. Refresh tokens are in `refresh`.
//!
//! Imports no other module. The program signs every token that it verifies, so the verification is
//! strict: the header must be, byte for byte, one that this program writes. No other algorithm, no
//! `jku`, `x5u` or `crit`, and no key that the token brings can be taken for anything, since the header
//! is never parsed. After the signature every claim is checked, and a claim that this program does not
//! write is an error.
//!
//! Two keys can be valid at a time: all tokens are signed with the first one, and those of the second one
//! are still accepted, so that a secret can be replaced without logging anybody out.

mod refresh;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use refresh::RefreshToken;

/// How long an access token is valid.
pub const LIFETIME: Duration = Duration::from_mins(15);

/// How far in the future the time of issue may lie: as far as the clocks of two replicas may differ. The
/// end of a token's lifetime has no leeway.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The fewest bytes of a secret.
pub const MIN_SECRET: usize = 32;

/// The longest token that is looked at, in bytes. The program's own have about 400.
const MAX_TOKEN: usize = 1024;

const ISSUER: &str = "ecommerce-api";
const AUDIENCE: &str = "ecommerce-api";

/// What an access token says of its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The id of the user.
    pub user: i32,
    /// Whether the user had the role ADMIN when the token was issued.
    pub is_admin: bool,
    /// The id of the session, which ends at a logout.
    pub session: u64,
}

/// Why a token is refused. The caller gets none of this; the log does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidToken {
    /// It is not one of this program's tokens: another format, algorithm, type or key.
    Foreign,
    /// The signature is not that of the content.
    Forged,
    /// A claim is absent, unknown, or not as this program writes it.
    Claims,
    /// It was issued in the future.
    NotYetValid,
    /// Its lifetime has ended.
    Expired,
}

/// The claims, as they stand in a token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    client_id: String,
    sub: String,
    sid: String,
    roles: [Role; 1],
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Role {
    Admin,
    User,
}

/// The keys that tokens are signed and verified with.
pub struct Keys {
    current: Key,
    previous: Option<Key>,
}

struct Key {
    hmac: hmac::Key,
    /// The header of every token that is signed with the key, encoded.
    header: String,
}

/// A random secret, as text.
///
/// # Errors
/// The machine has no randomness.
pub fn random_secret() -> Result<SecretString, &'static str> {
    RefreshToken::random().map(|token| token.0)
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// The keys that are derived from these secrets; tokens are signed with the one from `current`.
    ///
    /// # Errors
    /// A secret of less than [`MIN_SECRET`] bytes.
    pub fn new(
        current: &SecretString,
        previous: Option<&SecretString>,
    ) -> Result<Self, &'static str> {
        Ok(Self {
            current: Key::new(current)?,
            previous: previous.map(Key::new).transpose()?,
        })
    }

    /// Keys from a random secret, which no other process knows.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn random() -> Result<Self, &'static str> {
        Self::new(&random_secret()?, None)
    }

    /// A token for `bearer`, valid from `now` for [`LIFETIME`].
    ///
    /// # Errors
    /// The machine has no randomness, or its clock stands before 1970.
    pub fn sign(&self, bearer: Bearer, now: SystemTime) -> Result<SecretString, String> {
        let issued = seconds(now).ok_or("the clock stands before 1970")?;
        let mut id = [0; 16];
        let random = SystemRandom::new().fill(&mut id);
        random.map_err(|_| "the machine has no randomness")?;
        let role = if bearer.is_admin {
            Role::Admin
        } else {
            Role::User
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            client_id: AUDIENCE.to_owned(),
            sub: bearer.user.to_string(),
            sid: bearer.session.to_string(),
            roles: [role],
            iat: issued,
            nbf: issued,
            exp: issued + LIFETIME.as_secs(),
            jti: BASE64.encode(id),
        };
        let claims = serde_json::to_vec(&claims).map_err(|error| error.to_string())?;
        let mut token = format!("{}.{}", self.current.header, BASE64.encode(claims));
        let signature = hmac::sign(&self.current.hmac, token.as_bytes());
        token.push('.');
        BASE64.encode_string(signature, &mut token);
        Ok(token.into())
    }

    /// Whom `token` was issued to, if it is valid at `now`.
    ///
    /// # Errors
    /// See [`InvalidToken`].
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Bearer, InvalidToken> {
        if token.len() > MAX_TOKEN {
            return Err(InvalidToken::Foreign);
        }
        let (content, signature) = token.rsplit_once('.').ok_or(InvalidToken::Foreign)?;
        let (header, claims) = content.split_once('.').ok_or(InvalidToken::Foreign)?;
        let keys = std::iter::once(&self.current).chain(&self.previous);
        let mut keys = keys.filter(|key| key.header == header);
        let key = keys.next().ok_or(InvalidToken::Foreign)?;
        let signature = BASE64.decode(signature).map_err(|_| InvalidToken::Forged)?;
        hmac::verify(&key.hmac, content.as_bytes(), &signature)
            .map_err(|_| InvalidToken::Forged)?;
        let claims = BASE64.decode(claims).map_err(|_| InvalidToken::Claims)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| InvalidToken::Claims)?;
        claims.check(seconds(now).ok_or(InvalidToken::NotYetValid)?)
    }
}

impl Key {
    fn new(secret: &SecretString) -> Result<Self, &'static str> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < MIN_SECRET {
            return Err("a secret key must have at least 32 bytes");
        }
        let hmac = hmac::Key::new(hmac::HMAC_SHA256, secret);
        // The id tells two keys apart and nothing of the secret.
        let id = hmac::sign(&hmac, b"ecommerce-api key id");
        let id = BASE64.encode(&id.as_ref()[..8]);
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{id}"}}"#);
        Ok(Self {
            hmac,
            header: BASE64.encode(header),
        })
    }
}

impl Claims {
    fn check(&self, now: u64) -> Result<Bearer, InvalidToken> {
        let is_ours = self.iss == ISSUER && self.aud == AUDIENCE && self.client_id == AUDIENCE;
        let has_lifetime =
            self.nbf == self.iat && self.iat.checked_add(LIFETIME.as_secs()) == Some(self.exp);
        if !is_ours || !has_lifetime || self.jti.is_empty() {
            return Err(InvalidToken::Claims);
        }
        if self.iat > now + CLOCK_SKEW.as_secs() {
            return Err(InvalidToken::NotYetValid);
        }
        if self.exp <= now {
            return Err(InvalidToken::Expired);
        }
        let user: i32 = number(&self.sub).ok_or(InvalidToken::Claims)?;
        Ok(Bearer {
            user: (user > 0).then_some(user).ok_or(InvalidToken::Claims)?,
            is_admin: self.roles[0] == Role::Admin,
            session: number(&self.sid).ok_or(InvalidToken::Claims)?,
        })
    }
}

/// The number that `text` is the usual way to write.
fn number<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    let number: T = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The seconds from 1970 to `time`.
fn seconds(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH);
    since.ok().map(|since| since.as_secs())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const BEARER: Bearer = Bearer {
        user: 7,
        is_admin: false,
        session: 12,
    };

    fn secret(letter: char) -> SecretString {
        letter.to_string().repeat(MIN_SECRET).into()
    }

    fn keys() -> Keys {
        Keys::new(&secret('a'), None).unwrap()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(500_000)
    }

    fn token() -> String {
        let token = keys().sign(BEARER, now()).unwrap();
        token.expose_secret().to_owned()
    }

    fn parts(token: &str) -> [String; 3] {
        let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        parts.try_into().unwrap()
    }

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
    }

    /// A token with this header and these claims, rightly signed with the key of `keys`.
    fn signed(header: &str, claims: &str) -> String {
        let content = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = hmac::sign(&keys().current.hmac, content.as_bytes());
        format!("{content}.{}", BASE64.encode(signature))
    }

    fn header() -> Value {
        decode(&parts(&token())[0])
    }

    fn claims() -> Value {
        decode(&parts(&token())[1])
    }

    #[test]
    fn a_token_is_valid_for_fifteen_minutes() {
        let (keys, token) = (keys(), token());
        let at = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            let time = if seconds < 0 { now() - by } else { now() + by };
            keys.verify(&token, time)
        };
        assert_eq!(at(0), Ok(BEARER));
        assert_eq!(at(15 * 60 - 1), Ok(BEARER));
        assert_eq!(at(15 * 60), Err(InvalidToken::Expired));
        assert_eq!(at(-5), Ok(BEARER));
        assert_eq!(at(-6), Err(InvalidToken::NotYetValid));
        assert_eq!(
            keys.verify(&token, UNIX_EPOCH - Duration::from_secs(1)),
            Err(InvalidToken::NotYetValid)
        );
    }

    #[test]
    fn a_token_says_what_rfc_9068_requires() {
        assert_eq!(header()["typ"], "at+jwt");
        let mut claims = claims();
        let id = claims["jti"].take();
        assert_ne!(id, decode(&parts(&token())[1])["jti"], "the id is reused");
        assert_eq!(
            claims,
            json!({
                "iss": "ecommerce-api", "aud": "ecommerce-api", "client_id": "ecommerce-api",
                "sub": "7", "sid": "12", "roles": ["USER"], "iat": 1_800_000_000,
                "nbf": 1_800_000_000, "exp": 1_800_000_900, "jti": null,
            })
        );
    }

    #[test]
    fn the_bearer_is_read_as_it_was_written() {
        for bearer in [
            BEARER,
            Bearer {
                user: i32::MAX,
                is_admin: true,
                session: u64::MAX,
            },
        ] {
            let token = keys().sign(bearer, now()).unwrap();
            assert_eq!(keys().verify(token.expose_secret(), now()), Ok(bearer));
        }
    }

    #[test]
    fn a_header_that_the_program_does_not_write_is_refused_though_rightly_signed() {
        let genuine = String::from_utf8(BASE64.decode(&parts(&token())[0]).unwrap()).unwrap();
        let claims = claims().to_string();
        assert_eq!(keys().verify(&signed(&genuine, &claims), now()), Ok(BEARER));
        let with = |name: &str, value: Value| {
            let mut header = header();
            header[name] = value;
            header.to_string()
        };
        for header in [
            with("alg", json!("none")),
            with("alg", json!("None")),
            with("alg", json!("HS384")),
            with("alg", json!("RS256")),
            with("typ", json!("JWT")),
            with("typ", json!("rt+jwt")),
            with("kid", json!("other")),
            with("kid", json!("../../dev/null")),
            with("kid", Value::Null),
            with("jku", json!("https://attacker.example/keys")),
            with("x5u", json!("https://attacker.example/key")),
            with("jwk", json!({"kty": "oct", "k": "YWFh"})),
            with("crit", json!(["exp"])),
            with("b64", json!(false)),
            format!(" {genuine}"),
            "{}".to_owned(),
        ] {
            let verified = keys().verify(&signed(&header, &claims), now());
            assert_eq!(verified, Err(InvalidToken::Foreign), "{header}");
        }
    }

    #[test]
    fn a_claim_that_is_absent_changed_or_unknown_is_refused_though_rightly_signed() {
        let header = String::from_utf8(BASE64.decode(&parts(&token())[0]).unwrap()).unwrap();
        let refused = |claims: Value| {
            let verified = keys().verify(&signed(&header, &claims.to_string()), now());
            assert_eq!(verified, Err(InvalidToken::Claims), "{claims}");
        };
        for (name, _) in claims().as_object().unwrap() {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            refused(claims);
        }
        for (name, value) in [
            ("iss", json!("another")),
            ("aud", json!("another")),
            ("aud", json!(["ecommerce-api"])),
            ("client_id", json!("another")),
            ("sub", json!("0")),
            ("sub", json!("-1")),
            ("sub", json!("+7")),
            ("sub", json!("07")),
            ("sub", json!(7)),
            ("sub", json!("2147483648")),
            ("sid", json!("")),
            ("sid", json!("0x1")),
            ("roles", json!([])),
            ("roles", json!(["ROOT"])),
            ("roles", json!(["USER", "ADMIN"])),
            ("jti", json!("")),
            ("exp", json!(1_900_000_000)),
            ("exp", json!(u64::MAX)),
            ("iat", json!(u64::MAX)),
            ("nbf", json!(0)),
            ("nbf", json!(1.5)),
            ("admin", json!(true)),
        ] {
            let mut claims = claims();
            claims[name] = value;
            refused(claims);
        }
    }

    #[test]
    fn no_part_of_a_token_can_be_changed() {
        let token = token();
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(keys().verify(&changed, now()).is_err(), "{at}: {changed}");
            assert!(keys().verify(&token[..at], now()).is_err(), "{at}");
        }
        let [header, claims, signature] = parts(&token);
        for changed in [
            String::new(),
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            format!("{header}..{signature}"),
            format!(".{claims}.{signature}"),
            format!("{token}."),
            format!("{token}="),
            format!("{token}\n"),
            format!(" {token}"),
            format!("{header}.{claims}.{signature}.{signature}"),
            format!("{header}.{claims}==.{signature}"),
            "a".repeat(1_000_000),
            "\u{1f511}.\u{1f511}.\u{1f511}".to_owned(),
        ] {
            assert!(keys().verify(&changed, now()).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_token_of_the_previous_key_is_accepted_until_the_key_is_gone() {
        let (old, new) = (secret('a'), secret('b'));
        let token = token();
        let rotated = Keys::new(&new, Some(&old)).unwrap();
        assert_eq!(rotated.verify(&token, now()), Ok(BEARER));
        let newer = rotated.sign(BEARER, now()).unwrap();
        let only_new = Keys::new(&new, None).unwrap();
        assert_eq!(only_new.verify(newer.expose_secret(), now()), Ok(BEARER));
        assert_eq!(only_new.verify(&token, now()), Err(InvalidToken::Foreign));
    }

    #[test]
    fn a_short_secret_is_refused() {
        let short = "a".repeat(MIN_SECRET - 1).into();
        assert!(Keys::new(&short, None).is_err());
        assert!(Keys::new(&secret('a'), Some(&short)).is_err());
    }
}

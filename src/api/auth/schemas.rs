//! One type for each schema of the contract `auth` that the contract `openapi` does not have.

use poem_openapi::Object;
use poem_openapi::types::Password;
use serde::Serialize;

use crate::api::types::Constant;

/// What a user logs in with
#[derive(Object)]
pub struct Login {
    /// The email of the user. The letter case of the letters A to Z does not count, unless users
    /// differ in nothing else; accents count.
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) email: String,
    /// The user's password
    #[oai(write_only, validator(min_length = 1, max_length = 255))]
    pub(super) password: Password,
}

/// A refresh token to use
#[derive(Object)]
pub struct RefreshTokenUse {
    /// The newest refresh token of the session
    #[oai(write_only, validator(min_length = 1, max_length = 255))]
    pub(super) refresh_token: Password,
}

/// A new password, and the present one
#[derive(Object)]
pub struct PasswordChange {
    /// The user's present password
    #[oai(write_only, validator(min_length = 1, max_length = 255))]
    pub(super) current_password: Password,
    /// The new password; only its Argon2id hash is stored
    #[oai(write_only, validator(min_length = 8, max_length = 255))]
    pub(super) new_password: Password,
}

/// The tokens of a session
#[derive(Object, Serialize)]
pub struct Tokens {
    /// The access token, a signed JSON Web Token (RFC 9068). Clients send it as it is.
    #[oai(validator(max_length = 1024))]
    pub(super) access_token: String,
    /// How the access token is sent: always `Bearer`
    #[oai(validator(max_length = 16))]
    pub(super) token_type: String,
    /// For how many seconds the access token is valid
    #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
    pub(super) expires_in: i32,
    /// The refresh token, which can be used once
    #[oai(validator(max_length = 255))]
    pub(super) refresh_token: String,
    /// For how many seconds the refresh token is valid
    #[oai(validator(minimum(value = "1"), maximum(value = "31536000")))]
    pub(super) refresh_expires_in: i32,
}

/// How many sessions were ended
#[derive(Object, Serialize)]
pub struct EndedSessions {
    /// The number of sessions that were ended
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    pub(super) sessions_ended: i32,
}

/// The tokens of the session
#[derive(Object, Serialize)]
pub struct TokensResponse {
    /// Always true
    pub(super) success: Constant<true>,
    pub(super) data: Tokens,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

/// What was ended
#[derive(Object, Serialize)]
pub struct EndedSessionsResponse {
    /// Always true
    pub(super) success: Constant<true>,
    pub(super) data: EndedSessions,
    /// What was done, for people
    #[oai(validator(max_length = 255))]
    pub(super) message: String,
}

impl EndedSessionsResponse {
    pub(super) fn new(count: usize, message: impl Into<String>) -> Self {
        let sessions_ended = i32::try_from(count).unwrap_or(i32::MAX);
        Self {
            success: Constant,
            data: EndedSessions { sessions_ended },
            message: message.into(),
        }
    }
}
